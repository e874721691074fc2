"""Hardening: securitycheck says PASS or FAIL for each rule and names the cure; firewallinfo is what listens; servicehosts."""
import json, os, re, socket, subprocess, sys, warnings

from console import Terminal
from lib import POSTERN, free_port, wait_for

warnings.filterwarnings('ignore')  # paramiko on a newer cryptography
try:
    import paramiko
except ImportError:  # an interpreter that is not Debian's
    sys.path.append('/usr/lib/python3/dist-packages')
    import paramiko

# A gateway on which every check passes: nothing of its management is public, no laboratory names, no plain services.
HARDENED = ['access.mode=restrict', 'access.allowed=127.0.0.1,10.0.0.0/8', 'interface.Management.http=no', 'interface.Management.https=no',
            'interface.Management.api_http=no', 'interface.Management.api_https=no', 'listener.InboundMail.proxy_from=',
            'listener.OutboundMail.proxy_from=']
IDS = ['HD-01', 'HD-02', 'HD-03', 'HD-04', 'HD-05', 'HD-06', 'HD-07', 'HD-08', 'HD-10', 'HD-11', 'HD-12', 'HD-13', 'SC-01', 'SC-02', 'SC-03', 'SC-04']


def run(g, line, user=None):
    r = subprocess.run([POSTERN, 'cli', '--home', g.home, *(['--user', user] if user else []), line], capture_output=True, text=True, env=g.env,
                       stdin=subprocess.DEVNULL)
    return r.returncode, r.stdout + r.stderr


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


def by_ssh(g, command):
    c = paramiko.SSHClient()
    c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    c.connect('127.0.0.1', g.base + 22, 'admin', re.search(r'login: admin\s+passphrase: (\S+)', g.init_output).group(1), look_for_keys=False,
              allow_agent=False)
    try:
        _, out, err = c.exec_command(command)
        text = out.read().decode() + err.read().decode()
        return out.channel.recv_exit_status(), text
    finally:
        c.close()


def without_services(g):
    """`servicehosts clear` of everything that init --lab has set."""
    names = re.findall(r'(?m)^service_host\.(\w+)\.hosts=', g.cli('settings', 'show', 'service_host'))
    assert 'sse_us' in names, names
    rc, out = run(g, '; '.join('servicehosts clear ' + n for n in names) + '; commit "no outside services"')
    assert rc == 0, out


def hardened(t, settings=()):
    g = t.home([*HARDENED, *settings])
    without_services(g)
    return g


def failing(g, *settings, force=False):
    """Ids that fail once these settings hold, the lines, and whether the exit status says so; the settings stay."""
    line = 'settings set %s%s; ' % ('--force ' if force else '', ' '.join(settings)) if settings else ''
    rc, out = run(g, line + 'securitycheck')
    lines = {l.split()[0]: l for l in out.splitlines() if re.match(r'(HD|SC)-\d\d  ', l)}
    assert list(lines) == IDS, out
    failed = [i for i in lines if lines[i].split()[1] == 'FAIL']
    assert rc == (1 if failed else 0), (rc, out)
    assert all(('Cure: ' in lines[i]) == (i in failed) for i in lines), out
    return failed, lines


def cure(g, line):
    """The command of a line, as it stands there."""
    rc, out = run(g, line.split('Cure: ')[1])
    assert rc == 0, out
    assert failing(g)[0] == []


def test_one_line_a_check_and_the_exit_status(t):
    """HD-09: securitycheck has a PASS or FAIL line for each of HD-01 to HD-08, HD-10 to HD-13 and SC-01 to SC-04; status 1 when one
    fails; the same as JSON. A laboratory fails what it should: SSH beside the public listener, everybody may connect, plain
    HTTP, laboratory names."""
    g = t.home(['interface.Management.https=no', 'interface.Management.api_https=no'])
    failed, lines = failing(g)
    assert failed == ['HD-01', 'HD-02', 'HD-03', 'SC-01', 'SC-04'], lines
    assert 'public listener InboundMail' in lines['HD-01'] and 'est.lab.test' in lines['SC-04'], lines
    rc, out = run(g, 'securitycheck --json')
    found = json.loads(out)
    assert rc == 1 and found['failed'] == 5 and [c['id'] for c in found['checks']] == IDS, out
    assert {c['id']: c['result'] for c in found['checks']}['HD-10'] == 'N/A'
    assert run(g, 'securitycheck --nosuch') == (1, 'Invalid arguments\nUsage: securitycheck [--json]\n')
    # what it says cures it does
    g.cli('settings', 'set', *HARDENED)
    without_services(g)
    assert failing(g)[0] == []
    rc, out = run(g, 'securitycheck --json')
    assert rc == 0 and json.loads(out)['failed'] == 0, out
    g.cli('settings', 'set', 'user.gast.role=guest', 'user.see.role=read_only_operator')
    assert run(g, 'securitycheck', 'gast') == (1, 'Unknown command or missing feature key: securitycheck\n')
    assert run(g, 'securitycheck', 'see')[0] == 0


def test_who_may_manage(t):
    """HD-01, HD-02, HD-03: SSH beside a public listener, and a GUI or command line open to all, are findings; a list of addresses,
    or the service off, is their cure."""
    g = hardened(t)
    assert failing(g, 'access.mode=all')[0] == ['HD-01', 'HD-03']
    assert failing(g, 'interface.Management.api_http=yes')[0] == ['HD-01', 'HD-02', 'HD-03', 'SC-01']
    assert failing(g, 'interface.Management.api_http=no', 'interface.Management.ssh=no')[0] == []
    assert failing(g, 'interface.Management.ssh=yes', 'access.mode=restrict', 'access.allowed=0.0.0.0/0')[0] == ['HD-01', 'HD-03']
    assert failing(g, 'access.mode=all', 'listener.InboundMail.type=private')[0] == ['HD-03']  # 127.0.0.1 is not public


def test_web_protection(t):
    """HD-04, HD-05, HD-06: the Host header check and the protection against cross-site scripting and forgery; switched off they are
    told, HD-05 says that it was on purpose."""
    g = hardened(t)
    failed, lines = failing(g, 'access.host_header=no')
    assert failed == ['HD-04'] and 'PASS' in lines['HD-05'] and 'switched off on purpose' in lines['HD-05'], lines
    cure(g, lines['HD-04'])
    assert failing(g, 'access.xss=no')[0] == ['HD-06']
    failed, lines = failing(g, 'access.xss=yes', 'access.csrf=no')
    assert failed == ['HD-06'], lines
    cure(g, lines['HD-06'])


def test_mail_rules(t):
    """HD-07, HD-08: a RELAY rule on a public listener; a login that is required where TLS cannot carry it."""
    g = hardened(t)
    failed, lines = failing(g, 'sender_group.RELAYLIST.listener=InboundMail', force=True)
    assert failed == ['HD-07'] and 'sender group RELAYLIST on the public listener InboundMail' in lines['HD-07'], lines
    assert failing(g, 'sender_group.RELAYLIST.listener=OutboundMail')[0] == []
    g.cli('settings', 'set', 'mail_flow_policy.LOGIN.auth=required', 'mail_flow_policy.LOGIN.tls=off', 'sender_group.L.policy=LOGIN',
          'sender_group.L.listener=InboundMail', 'sender_group.L.members=192.0.2.77')
    failed, lines = failing(g)
    assert failed == ['HD-08'] and 'policy LOGIN on listener InboundMail' in lines['HD-08'], lines
    assert failing(g, 'mail_flow_policy.LOGIN.tls=required')[0] == []


def test_tls_ports_are_asked(t):
    """HD-11: our TLS ports (SMTP, submission, HTTPS, trailblazer, API) are offered anonymous, null and export suites and TLS 1.1 and
    older, and refuse, over SSH as on the machine; a server that takes them (OpenSSL's, in the place of our HTTPS) is found out,
    and so is one that says nothing."""
    g = hardened(t)
    g.cli('settings', 'set', 'interface.Management.https=yes', 'interface.Management.api_https=yes')
    ports = {25: ['-starttls', 'smtp'], 587: ['-starttls', 'smtp'], 443: [], 4431: [], 6443: []}
    for port in ports:
        wait_for('port %d' % port, lambda: answers(g.base + port))
    failed, lines = failing(g)
    assert failed == [] and '5 ports asked refuse' in lines['HD-11'], lines
    # openssl agrees
    for port, how in ports.items():
        for weak in (['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], ['-no_tls1_3', '-cipher', 'aNULL:eNULL:@SECLEVEL=0']):
            r = subprocess.run(['openssl', 's_client', *how, '-connect', '127.0.0.1:%d' % (g.base + port), *weak], capture_output=True, text=True,
                               stdin=subprocess.DEVNULL)
            assert r.returncode != 0 and 'Cipher is (NONE)' in r.stdout, (port, weak, r.stdout, r.stderr)
    over_ssh = by_ssh(g, 'securitycheck')
    assert '5 ports asked refuse' in over_ssh[1] and over_ssh[0] == 0, over_ssh
    g.cli('settings', 'set', 'http.trailblazer=no', 'interface.Management.api_https=no')
    port = free_port()
    weak = subprocess.Popen(['openssl', 's_server', '-accept', '127.0.0.1:%d' % port, '-nocert', '-cipher', 'aNULL:@SECLEVEL=0', '-no_tls1_3', '-quiet'],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for('the weak server', lambda: answers(port))
        failed, lines = failing(g, 'interface.Management.https_port=%d' % port, 'interface.Management.https=yes')
        assert failed == ['HD-11'] and re.search(r'https Management, port %d takes: anonymous suites' % port, lines['HD-11']), lines
    finally:
        weak.kill()
        weak.wait()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(('127.0.0.1', 0))
        silent.listen(50)
        failed, lines = failing(g, 'interface.Management.https_port=%d' % silent.getsockname()[1])
        assert failed == ['HD-11'] and 'could not be asked: no answer' in lines['HD-11'], lines


def test_services_and_passphrases(t):
    """SC-01, SC-02, SC-03, SC-04: plain services on public interfaces, SNMP with a community or without privacy, no lock-out,
    laboratory names; each is found and goes away again. HD-13 passes: no spam quarantine pages."""
    g = hardened(t)
    for setting, back, what in (('interface.Management.ftp=yes', 'interface.Management.ftp=no', 'SC-01'),
                                ('access.lockout_tries=0', 'access.lockout_tries=5', 'SC-03'),
                                ('ntp.servers=time.lab.test', 'ntp.servers=', 'SC-04')):
        assert failing(g, setting)[0] == [what], setting
        assert failing(g, back)[0] == [], back
    g.cli('settings', 'set', 'listener.Q.type=public', 'listener.Q.protocol=qmqp', 'listener.Q.interface=Management', 'listener.Q.port=%d' % (g.base + 628))
    assert failing(g)[0] == ['SC-01']
    failed, lines = failing(g, 'listener.Q.enabled=no', 'snmp.enabled=yes', 'snmp.auth_passphrase=12345678', 'snmp.privacy_passphrase=12345678')
    assert failed == [] and 'authPriv' in lines['SC-02'] and 'PASS' in lines['HD-13'], lines
    assert failing(g, 'snmp.community=public', 'snmp.v2c=yes')[0] == ['SC-02']
    failed, lines = failing(g, 'snmp.level=authNoPriv')
    assert failed == ['SC-02'], lines
    cure(g, lines['SC-02'])
    failed, lines = failing(g, 'access.lockout_tries=0')
    cure(g, lines['SC-03'])


def test_a_commit_that_opens_ssh_warns(t):
    """HD-01: a commit that binds SSH on an interface with a public listener says so, once; one that does not is silent."""
    g = hardened(t, ['interface.Management.ssh=no', 'access.mode=all'])
    warning = 'Warning: SSH on Management can be reached from outside (HD-01).'
    rc, out = run(g, 'interfaceconfig edit Management ssh=yes; commit "open"')
    assert rc == 0 and warning in out, out
    rc, out = run(g, 'bounceconfig new Quick max_tries=3; commit "other"')
    assert rc == 0 and 'Warning' not in out, out


def test_firewallinfo_is_what_listens(t):
    """FW-50, FW-51, FW-00d: every socket that a gateway with all services on listens on is a row of firewallinfo, and every row `in`
    is a socket; all requirement rows have one."""
    g = t.home(['interface.Management.ftp=yes', 'snmp.enabled=yes', 'snmp.auth_passphrase=12345678', 'snmp.privacy_passphrase=12345678',
                'ntp.servers=127.0.0.1:9', 'ntp.serve=yes', 'ntp.serve_to=127.0.0.0/8', 'interface.Second.address=127.0.0.2', 'interface.Second.address6=::1',
                'interface.Second.ssh=yes', 'interface.Second.https=yes', 'listener.Q.protocol=qmqp', 'listener.Q.type=private', 'listener.Q.address=127.0.0.3',
                'interface.Second.ssh_port=%d' % free_port(), 'interface.Second.https_port=%d' % free_port(), 'listener.Q.port=%d' % free_port()])
    assert g.cli('settings', 'show', 'listener.Q.port')

    def family():
        pids, parents = {g.proc.pid}, {}
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                parents[int(pid)] = int(re.match(r'\d+ \(.*\) \S (\d+)', open('/proc/%s/stat' % pid).read()).group(1))
            except (OSError, AttributeError):
                continue
        while True:
            more = {p for p in parents if parents[p] in pids} - pids
            if not more:
                return pids
            pids |= more

    low, high = map(int, open('/proc/sys/net/ipv4/ip_local_port_range').read().split())

    def listening():
        """UDP sockets on ports the system gave are the ends of questions under way (DNS, NTP, traps)."""
        pids, found, known = family(), set(), {port for _, _, port in table()}
        for line in subprocess.run(['ss', '-Hltnup'], capture_output=True, text=True).stdout.splitlines():
            proto, _, _, _, local = line.split()[:5]
            if {int(p) for p in re.findall(r'pid=(\d+)', line)} & pids:
                address, port = local.rsplit(':', 1)
                if proto == 'tcp' or int(port) in known or not low <= int(port) <= high:
                    found.add((proto, address.strip('[]'), int(port)))
        return found

    def table():
        rows = json.loads(run(g, 'firewallinfo --json')[1])['rows']
        assert all(r['state'] == 'on' for r in rows)
        return {('udp' if r['protocol'] == 'UDP' else 'tcp', r['address'], r['number']) for r in rows if r['direction'] == 'in' and 'number' in r}

    def agree():
        difference = listening() ^ table()
        return not difference or sorted(difference)

    try:
        wait_for('sockets as in the table', lambda: agree() is True)
    except AssertionError:
        raise AssertionError('sockets or rows without their like: %s' % agree())
    expected = {(p, '127.0.0.1', g.base + n) for p, n in (('tcp', 21), ('tcp', 22), ('tcp', 25), ('tcp', 80), ('udp', 123), ('udp', 161), ('tcp', 443),
                                                         ('tcp', 587), ('tcp', 4431), ('tcp', 6080), ('tcp', 6443))}
    assert expected <= table(), expected - table()
    assert ('tcp', '::1', g.base + 4431) in table()
    # a service that goes takes its row along
    g.cli('settings', 'set', 'interface.Management.ftp=no')
    wait_for('one socket less', lambda: ('tcp', '127.0.0.1', g.base + 21) not in table() and listening() == table())
    every = json.loads(run(g, 'firewallinfo --all --json')[1])['rows']
    ids = {i for r in every for i in r['ids']}
    wanted = {'FW-%02d' % n for n in [*range(1, 49), 52, 53, 54, 55]} | {'FW-01a', 'FW-07a', 'FW-19a', 'FW-25a', 'FW-27a'}
    assert ids == wanted, ids ^ wanted
    text = run(g, 'firewallinfo --all')[1]
    assert re.search(r'(?m)^2222 +CCS +in +cluster members +cluster communication \[off\]$', text), text
    assert '[off]' not in run(g, 'firewallinfo')[1]
    ranges = run(g, 'firewallinfo --ranges')[1]
    assert '146.112.59.0/24 ' in ranges and '2a04:e4c7:ffe::/48 ' in ranges, ranges
    assert len(json.loads(run(g, 'firewallinfo --ranges --json')[1])['ranges']) == 6
    assert run(g, 'firewallinfo all')[0] == 1


def test_outside_services(t):
    """servicehosts: shipped empty (off); EDIT, CLEAR, PRINT and LAB asked and in batch form; reference names are good values; a bad
    service or host is refused; Ctrl-C changes nothing."""
    g = t.home()
    lab = g.cli('settings', 'show', 'service_host')
    assert 'service_host.tunnel_c.hosts=tunnel-c.lab.test\n' in lab and 'service_host.o365.hosts=o365-1.lab.test,o365-2.lab.test\n' in lab, lab
    without_services(g)
    assert 'sse' not in run(g, 'firewallinfo')[1]
    rc, out = run(g, 'servicehosts edit sse_us api-sse.cisco.com:8443,second.example; servicehosts edit downloads downloads.ironport.com; commit "two"; '
                     'firewallinfo')
    assert rc == 0, out
    assert re.search(r'(?m)^8443 +HTTPS +in/out +api-sse.cisco.com \(sse_us\)', out) and re.search(r'(?m)^8443 .*second.example', out), out
    assert re.search(r'(?m)^80 +HTTP +out +downloads.ironport.com \(downloads\)', out), out
    for bad, why in (('edit nosuch a.example', 'service nosuch does not exist'), ('edit est', 'Usage: servicehosts'), ('edit est a:1,b:2', 'one port'),
                     ('edit est a:99999', 'port'), ('explode', '')):
        rc, out = run(g, 'servicehosts ' + bad)
        assert rc == 1 and why in out, (bad, out)
    rc, out = run(g, 'servicehosts edit est "bad host"; commit "bad"')
    assert rc == 1 and 'is no host name, address or network' in out, out
    rc, out = run(g, 'servicehosts clear sse_us; servicehosts print; commit "off"')
    assert rc == 0 and re.search(r'(?m)^sse_us +off \(reference: api-sse.cisco.com\)$', out), out
    rc, out = run(g, 'servicehosts lab; commit "lab"')
    assert rc == 0 and 'service_host.tunnel_s.hosts=tunnel-s.lab.test\n' in g.cli('settings', 'show', 'service_host'), out
    c = Terminal([POSTERN, 'cli', '--home', g.home], env=g.env)
    t.things.append(c)
    c.expect(r'> $')
    assert 'EDIT' in c.say('servicehosts', r'\[\]> $')
    c.say('EDIT', r'> $')
    assert 'does not exist' in c.say('nosuch', r'> $')
    assert 'Reference: est.sco.cisco.com' in c.say('est', r'> $')
    c.say('est.example', r'\[0\]> $')
    c.say('8443', r'\[\]> $')
    c.say('', r'\[\]> $')
    c.say('', r'\.?[\w.]*> $')
    out = c.say('commitdetail')
    assert 'service_host.est.hosts: est.lab.test -> est.example' in out and 'service_host.est.port: 0 -> 8443' in out, out
    c.say('servicehosts', r'\[\]> $')
    c.say('CLEAR', r'> $')
    c.type('\x03')
    c.expect(r'> $')
    assert '- service_host' not in c.say('commitdetail')
