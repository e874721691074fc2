"""Tools of the network and of the machine on the console: dig, nslookup, ping, traceroute, telnet, tlsverify, netstat, ipcheck,
packetcapture. The peers are real: nsd, a mail sink with TLS, tcpdump, OpenSSH."""
import os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

from console import console
from lib import *

ZONE = ('@ NS ns\nns A 127.0.0.1\n@ MX 10 mx\n@ MX 20 mx2\nmx A 127.0.0.1\nmx2 A 127.0.0.3\nsix AAAA ::1\nwww CNAME mx\n@ TXT "v=spf1 -all" "second \\"string\\""\n'
        '@ CAA 0 issue "ca.test"\n_25._tcp.mx TLSA 3 1 1 %s\n_sip._tcp SRV 1 2 5060 mx\nnomail MX 0 .\n%s'
        % ('ab' * 32, ''.join('big TXT "%s %d"\n' % ('x' * 100, i) for i in range(40))))


def names(nsd):
    return ['dns.servers=127.0.0.1@%d' % nsd.port, 'dns.timeout_ms=1s']


def run(g, *words, stdin='', user=None, timeout=60):
    r = subprocess.run([POSTERN, 'cli', '--home', g.home, *(['--user', user] if user else []), *words], input=stdin,
                       capture_output=True, text=True, env=g.env, timeout=timeout)
    return r.returncode, r.stdout + r.stderr


class Peer:
    """A TCP server: sends `banner`, then echoes; CLOSE: closes at once; RESET: resets; None: says nothing."""

    def __init__(self, banner, address='127.0.0.1'):
        self.got, self.banner = b'', banner
        self.s = socket.create_server((address, 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            if self.banner == 'RESET':
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            if self.banner in ('CLOSE', 'RESET'):
                c.close()
                continue
            threading.Thread(target=self.talk, args=(c,), daemon=True).start()

    def talk(self, c):
        try:
            if self.banner:
                c.sendall(self.banner)
            while True:
                data = c.recv(4096)
                if not data:
                    return
                self.got += data
                c.sendall(b'you said: ' + data)
                if b'bye' in data:
                    c.close()
                    return
        except OSError:
            pass

    def close(self):
        self.s.close()


def peer(t, banner):
    p = Peer(banner)
    t.things.append(p)
    return p


def test_dig_asks_name_servers(t):
    """dig in its familiar form: types, -x, @SERVER, UDP then TCP when the reply is cut, -t, -u, -s; no server is said; NXDOMAIN is an
    answer."""
    nsd = t.nsd({'example': ZONE, '2.0.192.in-addr.arpa': '@ NS ns.example.\n9 PTR mx.example.\n'})
    g = t.home(names(nsd))
    rc, out = run(g, 'dig example MX')
    assert rc == 0 and ';; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: ' in out, out
    assert ';; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 1, ADDITIONAL: ' in out, out
    assert re.search(r'(?m)^example\.\s+60\s+IN\tMX\t10 mx\.example\.$', out), out
    assert ';; SERVER: 127.0.0.1#%d(127.0.0.1) (UDP)' % nsd.port in out and ';; Query time: ' in out, out
    for words, line in (('A mx.example', r'mx\.example\.\s+60\s+IN\tA\t127\.0\.0\.1'), ('mx.example', r'IN\tA\t127\.0\.0\.1'),
                        ('AAAA six.example', r'IN\tAAAA\t::1'), ('TXT example', r'IN\tTXT\t"v=spf1 -all" "second \\"string\\""'),
                        ('www.example', r'IN\tCNAME\tmx\.example\.\n'), ('CAA example', r'IN\tCAA\t0 issue "ca\.test"'),
                        ('TLSA _25._tcp.mx.example', r'IN\tTLSA\t3 1 1 ' + 'AB' * 32), ('SRV _sip._tcp.example', r'IN\tSRV\t1 2 5060 mx\.example\.'),
                        ('SOA example', r'IN\tSOA\tns\.example\. hostmaster\.example\. 1 60 60 6000 5'), ('NS example', r'IN\tNS\tns\.example\.'),
                        ('-x 192.0.2.9', r'9\.2\.0\.192\.in-addr\.arpa\.\s+60\s+IN\tPTR\tmx\.example\.'),
                        ('@127.0.0.1#%d A mx.example' % nsd.port, 'IN\tA\t127'), ('-s 127.0.0.1 -t mx.example', r'\(TCP\)'),
                        ('-s Management -u mx.example', r'\(UDP\)'), ('TXT big.example', r'ANSWER: 40(?s:.*)\(TCP\)')):
        rc, out = run(g, 'dig ' + words)
        assert rc == 0 and re.search(line, out), (words, out)
    rc, out = run(g, 'dig -u TXT big.example')
    assert rc == 0 and ' tc ' in out and '(UDP)' in out, out
    rc, out = run(g, 'dig nothing.example')
    assert rc == 0 and 'status: NXDOMAIN' in out, out
    rc, out = run(g, 'dig @127.0.0.1#1 example')
    assert rc == 1 and 'no server could be reached: 127.0.0.1 port 1: Connection refused' in out, out
    for bad in ('dig -q', 'dig -t -u x', 'dig a b c', 'dig -x nonsense', 'dig -s'):
        rc, out = run(g, bad)
        assert rc == 1 and out.startswith('Invalid arguments\nUsage: dig '), (bad, out)
    assert 'does not exist' in run(g, 'dig -s Nowhere example')[1]
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(('127.0.0.1', 0))
    began = time.monotonic()
    rc, out = run(g, 'dig @127.0.0.1#%d example' % dead.getsockname()[1])
    assert rc == 1 and 'no answer in time' in out and time.monotonic() - began < 3, out


def test_nslookup(t):
    """nslookup: answer and TTL; an address is looked up backwards; the questions; NXDOMAIN and no record fail."""
    nsd = t.nsd({'example': ZONE, '2.0.192.in-addr.arpa': '@ NS ns.example.\n9 PTR mx.example.\n'})
    g = t.home(['dns.servers=127.0.0.1@1', 'dns.timeout_ms=1s', 'dns.domain_servers=example 127.0.0.1@%d,2.0.192.in-addr.arpa 127.0.0.1@%d' % (nsd.port, nsd.port)])
    assert run(g, 'nslookup mx.example') == (0, 'A=127.0.0.1 TTL=60\n')
    assert run(g, 'nslookup six.example') == (0, 'AAAA=::1 TTL=60\n')
    assert run(g, 'nslookup example mx') == (0, 'MX=10 mx.example TTL=60\nMX=20 mx2.example TTL=60\n')
    assert run(g, 'nslookup 192.0.2.9') == (0, 'PTR=mx.example TTL=60\n')
    assert run(g, 'nslookup nothing.example') == (1, 'nothing.example: the name does not exist (NXDOMAIN)\n')
    assert run(g, 'nslookup mx.example MX') == (1, 'mx.example has no record of this type\n')
    assert run(g, 'nslookup mx.example FOO')[0] == 1
    c = console(t, g)
    assert '[]> ' in c.say('nslookup')
    assert '[A]> ' in c.say('example')
    assert 'no type of record' in c.say('NONE')
    assert 'MX=10 mx.example TTL=60' in c.say('MX')


def test_ping_and_traceroute(t):
    """ping counts and ends with statistics, on Ctrl-C too; ping6; traceroute shows the way; a host without a name fails."""
    g = t.home()
    rc, out = run(g, 'ping -c 1 127.0.0.1')
    assert rc == 0 and re.search(r'64 bytes from 127\.0\.0\.1: icmp_seq=0 ttl=64 time=\d+\.\d{3} ms\n', out), out
    assert '--- 127.0.0.1 ping statistics ---\n1 packets transmitted, 1 packets received, 0.0% packet loss\nround-trip min/avg/max = ' in out, out
    if os.path.exists('/proc/net/if_inet6'):
        assert '1 packets received' in run(g, 'ping6 -c 1 ::1')[1]
    rc, out = run(g, 'traceroute 127.0.0.1')
    assert rc == 0 and re.search(r'(?m)^ 1  127\.0\.0\.1  \d+\.\d{3} ms \d+\.\d{3} ms \d+\.\d{3} ms$', out), out
    for bad in ('ping -c 0 x', 'ping a b', 'traceroute -m 0 x', 'ping -z'):
        assert run(g, bad)[1].startswith('Invalid arguments\nUsage: '), bad
    c = console(t, g)
    c.type('ping localhost\r')
    c.expect('icmp_seq=0 ')
    c.type('\x03')
    out = c.expect(r'> $')
    assert re.search(r'\^C\r\n\r\n--- localhost ping statistics ---\r\n\d packets transmitted, \d packets received, 0\.0% packet loss\r\nround-trip', out), repr(out)
    c.type('ping\r')
    c.expect(r'1\. Auto\r\n2\. Management \(127\.0\.0\.1: [^)]*\)\r\n\[1\]> $')
    c.say('2')
    c.type('127.0.0.1\r')
    c.expect('icmp_seq=1 ')
    c.type('\x03')
    assert 'statistics' in c.expect(r'> $')


def test_telnet_prints_its_lines(t):
    """CPQ-26, RA-50: Trying, Connected to, Escape character and the banner; in exec mode that is all; DNS, refused, reset, closed and no
    banner are told apart; nothing of a banner reaches the terminal raw."""
    nsd = t.nsd({'example': ZONE})
    g = t.home(names(nsd))
    p = peer(t, b'220 hello \x1b[2Jthere\r\n220 second\r\n')
    assert run(g, 'telnet mx.example %d' % p.port) == (0, "Trying 127.0.0.1...\nConnected to mx.example.\nEscape character is '^]'.\n"
                                                        '220 hello ?[2Jthere\n220 second\n')
    rc, out = run(g, 'telnet 127.0.0.1 %d' % g.smtp_port)
    assert rc == 0 and re.search(r"Escape character is '\^\]'\.\n220 \S+ ESMTP", out), out
    rc, out = run(g, 'telnet 127.0.0.1 1')
    assert rc == 1 and 'Connection refused' in out and 'Connected' not in out, out
    rc, out = run(g, 'telnet nothing.example 25')
    assert rc == 1 and out == 'DNS lookup of nothing.example failed: the name does not exist\n', out
    rc, out = run(g, 'telnet 127.0.0.1 %d' % peer(t, 'CLOSE').port)
    assert rc == 1 and 'without a banner' in out, out
    rc, out = run(g, 'telnet 127.0.0.1 %d' % peer(t, 'RESET').port)
    assert rc == 1 and 'reset' in out, out
    rc, out = run(g, 'telnet -w 1 127.0.0.1 %d' % peer(t, None).port)
    assert rc == 1 and 'No banner came within 1 seconds.' in out, out
    for bad in ('telnet a b', 'telnet a 0', 'telnet a 1 2', 'telnet -x'):
        assert run(g, bad)[1].startswith('Invalid arguments\nUsage: telnet '), bad


def test_telnet_on_a_terminal(t):
    """The interface menu, what is typed goes over line by line, ^] ends it, so does the other side."""
    g = t.home()
    p = peer(t, b'SSH-2.0-OpenSSH_9.2\r\n')
    c = console(t, g)
    c.type('telnet\r')
    c.expect(r'1\. Auto\r\n2\. Management \(127\.0\.0\.1: [^)]*\)\r\n\[1\]> $')
    c.say('')
    assert '[25]> ' in c.say('localhost')
    assert 'number from 1 to 65535' in c.say('x')
    c.type('%d\r' % p.port)
    c.expect(r"Trying 127\.0\.0\.1\.\.\.\r\nConnected to localhost\.\r\nEscape character is '\^\]'\.\r\nSSH-2\.0-OpenSSH_9\.2\r\n$")
    c.type('helo\x7flo x\r')
    assert c.expect(r'you said: hello x\r\n').startswith('helo\b \blo x\r\n')
    c.type('\x1d')
    assert 'Connection closed.\r\n' in c.expect(r'> $')
    assert p.got == b'hello x\r\n', p.got
    c.type('telnet 127.0.0.1 %d\r' % p.port)
    c.expect('OpenSSH_9.2\r\n')
    c.type('bye\r')
    assert 'Connection closed by foreign host.' in c.expect(r'> $')
    c.type('telnet 127.0.0.1 %d\r' % p.port)
    c.expect('OpenSSH_9.2\r\n')
    c.type('\x03')
    c.expect(r'> $')
    assert 'Username: admin' in c.say('whoami')


def test_tlsverify(t):
    """tlsverify: MX or SMTP route, STARTTLS, protocol, cipher, certificate; `TLS completed` or `TLS failed`, then success or failure."""
    ca = Ca()
    t.things.append(ca)
    good, bad = t.sink(tls=ca.context('mx.example')), t.sink(tls=ca.context('other.example'))
    plain, self_signed = t.sink(), t.sink(tls=ca.context('mx.example', self_signed=True))
    nsd = t.nsd({'example': ZONE})
    g = t.home(names(nsd) + ['tls.ca_file=' + ca.pem, 'delivery.port=%d' % good.port, 'route[routed.example].hosts=127.0.0.1:%d' % bad.port])
    rc, out = run(g, 'tlsverify example')
    assert rc == 0, out
    for line in ('MX 10 mx.example', 'Connecting to 127.0.0.1 on port %d.' % good.port, 'Connected to 127.0.0.1 from 127.0.0.1.',
                 'TLS certificate match mx.example', 'TLS certificate verified.', 'TLS completed', 'TLS verification of example succeeded.'):
        assert line + '\n' in out, (line, out)
    assert re.search(r'(?m)^TLS connection established: protocol TLSv1\.3, cipher TLS_\w+\.$', out), out
    rc, out = run(g, 'tlsverify routed.example')
    assert rc == 1 and 'SMTP route: 127.0.0.1 port %d\n' % bad.port in out and '\nTLS completed\n' in out, out
    assert 'TLS verification of routed.example failed: hostname mismatch\n' in out, out
    rc, out = run(g, 'tlsverify example mx.example:%d' % self_signed.port)
    assert rc == 1 and 'TLS completed\n' in out and 'failed: self-signed certificate' in out, out
    rc, out = run(g, 'tlsverify example 127.0.0.1:%d' % plain.port)
    assert rc == 1 and 'TLS failed: the host does not offer STARTTLS\n' in out and 'TLS completed' not in out, out
    assert 'TLS failed: ' in run(g, 'tlsverify example 127.0.0.1:1')[1]
    assert 'takes no mail' in run(g, 'tlsverify nomail.example')[1]
    assert 'does not exist' in run(g, 'tlsverify nothing.example')[1]
    c = console(t, g)
    assert 'TLS domain' in c.say('tlsverify')
    assert 'destination host' in c.say('mx.example')
    assert 'TLS completed' in c.say('127.0.0.1:%d' % good.port)


def test_netstat_ipcheck_diagnostic(t):
    """netstat has six parts; ipcheck prints about 40 `Key  value` lines; diagnostic tries a mail host."""
    g = t.home()
    assert re.search(r'(?m)^tcp4 +\d+ +\d+  127\.0\.0\.1\.%d +\*\.\* +LISTEN$' % g.smtp_port, run(g, 'netstat 1')[1])
    assert re.search(r'(?m)^lo +65536 ', run(g, 'netstat 2')[1])
    assert 'Routing tables' in run(g, 'netstat 3')[1]
    assert re.search(r'(?m)^ +\d+ TCP connections opened from outside$', run(g, 'netstat 4')[1])
    assert re.search(r'(?m)^tcp4 +\d+  127\.0\.0\.1\.%d$' % g.smtp_port, run(g, 'netstat 5')[1])
    assert len(run(g, 'netstat 6')[1].splitlines()) == 3
    assert run(g, 'netstat 7')[0] == 1 and run(g, 'netstat 1 2')[0] == 1
    rc, out = run(g, 'ipcheck')
    lines = out.splitlines()
    assert rc == 0 and 35 <= len(lines) <= 80 and all(re.match(r'\S.*?  +\S', l) for l in lines), out
    assert 'IP interface Management      127.0.0.1' in out and re.search(r'(?m)^Serial #  +%s$' % g.cli('settings', 'show', 'system.serial').split('=')[1].strip(), out), out
    g.cli('settings', 'set', 'user.gast.role=guest')
    assert run(g, 'ipcheck', user='gast')[0] == 0 and run(g, 'ping 127.0.0.1', user='gast')[0] == 1
    rc, out = run(g, 'diagnostic network smtpping 127.0.0.1 %d' % g.smtp_port)
    assert rc == 0 and re.search(r'EHLO +\d+ ms  250 ', out), out
    c = console(t, g)
    assert '- NETWORK - Network utilities.' in c.say('diagnostic')
    assert 'not an operation' in c.say('nonsense')
    c.type('\x03')
    c.expect(r'> $')
    out = c.say('netstat', r'\]> $')
    assert '6. Packet traffic information.\r\n[1]> ' in out, out
    c.say('6', r'\]> $')
    c.type('\r')
    c.expect(r'colls\r\n +\d+ ')
    c.type('\x03')
    c.expect(r'> $')


def test_tools_from_the_network(t):
    """The tools work in a session that came over SSH, which is confined: no programs, sockets of the Internet only."""
    d = tempfile.mkdtemp(prefix='postern-key.')
    key = os.path.join(d, 'key')
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key], check=True)
    nsd = t.nsd({'example': ZONE})
    sink = t.sink()
    g = t.home(names(nsd) + ['user.admin.ssh_keys=' + open(key + '.pub').read().strip()])

    def ssh(line):
        r = subprocess.run(['ssh', '-F', '/dev/null', '-i', key, '-o', 'IdentitiesOnly=yes', '-o', 'IdentityAgent=none', '-o', 'StrictHostKeyChecking=no',
                            '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-o', 'BatchMode=yes', '-p', str(g.base + 22), 'admin@127.0.0.1', line],
                           capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        return r.returncode, r.stdout + r.stderr
    try:
        wait_for('SSH', lambda: ssh('whoami')[0] == 0)
        rc, out = ssh('dig MX example; nslookup mx.example; traceroute 127.0.0.1; netstat 1; netstat 2; netstat 4; ipcheck; diagnostic disk_usage')
        assert rc == 0 and 'ANSWER: 2' in out and 'A=127.0.0.1 TTL=60' in out and ' 1  127.0.0.1  ' in out and 'LISTEN' in out and 'Ipcheck Rev' in out, out
        assert "Escape character is '^]'.\n220 " in ssh('telnet 127.0.0.1 %d' % sink.port)[1]
        assert 'TLS completed' in ssh('tlsverify example 127.0.0.1:%d' % g.smtp_port)[1]
        rc, out = ssh('ping -c 1 127.0.0.1')
        assert '1 packets received' in out or 'ping_group_range' in out, out
    finally:
        shutil.rmtree(d)


def tcpdump(path, *filter):
    r = subprocess.run(['tcpdump', '-n', '-r', path, *filter], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout.splitlines()


def test_packetcapture(t):
    """RA-53, RA-63: packetcapture records what its filter says, into a pcap file in /captures that tcpdump reads; size, time, a wrong filter
    and a wrong interface end it with a reason; the settings are in force without a commit."""
    g = t.home()
    rc, out = run(g, 'packetcapture status')
    assert rc == 0 and out.startswith('Status: No capture running\nCurrent Settings:\n') and 'Capture Filter:     (tcp port 25)' in out, out
    assert run(g, 'packetcapture stop') == (1, 'No packet capture is running.\n')
    rc, out = run(g, 'packetcapture setup "filter=tcp port %d" max_bytes=1M interfaces=lo' % g.smtp_port)
    assert rc == 0 and 'Capture Interfaces: lo' in out, out
    assert g.cli('settings', 'show', 'capture.filter') == 'capture.filter=tcp port %d\n' % g.smtp_port
    rc, out = run(g, 'packetcapture start')
    assert rc == 0 and 'Status: Capture in progress' in out, out
    assert run(g, 'packetcapture start')[0] == 1
    c = g.smtp()
    c.cmd('NOOP the captured line')
    c.quit()
    with socket.create_connection(('127.0.0.1', g.base + 22)):
        pass
    rc, out = run(g, 'packetcapture stop')
    m = re.search(r'File Name: (\w+-[0-9A-F-]+-\d{8}-\d{6}\.cap) \(Size: \d+ KB\)\nPackets: (\d+) captured, 0 lost\n', out)
    assert rc == 0 and m and m.group(1).startswith('C100V-' + g.cli('settings', 'show', 'system.serial').split('=')[1].strip()), out
    path = os.path.join(g.home, 'captures', m.group(1))
    lines = tcpdump(path)
    assert len(lines) == int(m.group(2)) >= 10 and len(tcpdump(path, 'port', str(g.smtp_port))) == len(lines) and '[S]' in lines[0], lines
    assert b'NOOP the captured line' in open(path, 'rb').read()
    wait_for('the role to end', lambda: ('capture', 0) not in g.roles())
    assert 'listen' not in g.stderr() and 'was stopped by admin' in run(g, 'packetcapture')[1]
    g.wait_log('Packet capture started by admin', 'system_logs')

    for setting, why in (('"filter=tcp prot 25"', 'capture filter: '), ('filter= interfaces=nope0', 'The network interface nope0 does not exist')):
        run(g, 'packetcapture setup ' + setting)
        rc, out = run(g, 'packetcapture start')
        assert rc == 1 and why in out, out
    rc, out = run(g, 'packetcapture setup filter= interfaces= max_bytes=64K')
    assert rc == 0 and 'Capture Interfaces: all\nCapture Filter:     (none)' in out, out
    run(g, 'packetcapture setup "filter=udp dst port 9"')
    wait_for('a new start', lambda: run(g, 'packetcapture start')[0] == 0)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(200):
        s.sendto(b'x' * 1000, ('127.0.0.1', 9))
    out = wait_for('the size to be reached', lambda: 'maximum size is reached' in run(g, 'packetcapture status')[1] and run(g, 'packetcapture status')[1])
    name = re.search(r'File Name: (\S+)', out).group(1)
    assert os.path.getsize(os.path.join(g.home, 'captures', name)) <= 65536 and len(tcpdump(os.path.join(g.home, 'captures', name), 'udp')) > 50
    assert run(g, 'packetcapture setup max_seconds=0')[0] == 1
    assert run(g, 'packetcapture nonsense')[1].startswith('Invalid arguments\nUsage: packetcapture ')
    run(g, 'packetcapture setup max_seconds=1')
    wait_for('a new start', lambda: run(g, 'packetcapture start')[0] == 0)
    wait_for('the time to be over', lambda: 'maximum duration is reached' in run(g, 'packetcapture status')[1])
    g.wait_log('Packet capture ended: the maximum duration is reached', 'system_logs')
    assert 'capture 0 ' not in g.stderr(), g.stderr()


def test_packetcapture_menu(t):
    """State lines, START or STOP by state, SETUP asks its settings and puts them in force, STATUS."""
    g = t.home()
    c = console(t, g)
    out = c.say('packetcapture', r'\[\]> $')
    assert 'No capture running' in out and '- START - ' in out and '- STOP - ' not in out, out
    c.say('setup', r'\]> $')
    assert 'ax' in c.say('x', r'\]> $')
    c.say('1M', r'\]> $')
    c.say('1h', r'\]> $')
    c.say('', r'\]> $')
    out = c.say('udp port 9', r'\[\]> $')
    assert 'Capture Filter:     udp port 9' in out, out
    out = c.say('start', r'\[\]> $')
    assert 'in progress' in out and '- STOP - ' in out and '- START - ' not in out, out
    assert 'in progress' in c.say('status', r'\[\]> $')
    assert 'was stopped by admin' in c.say('stop', r'\[\]> $')
    c.say('')
    assert 'There is no data to commit.' in c.say('commit')


def test_packetcapture_without_right(t):
    """Where the system refuses the socket, packetcapture says so in one line and nothing stays behind."""
    g = t.home(start=False)
    g.err = open(os.path.join(g.dir, 'stderr'), 'ab')
    g.proc = subprocess.Popen(['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw', POSTERN, 'run', '--home', g.home], stdout=g.err,
                              stderr=g.err, stdin=subprocess.DEVNULL, env=g.env, start_new_session=True)
    g.wait_up()
    rc, out = run(g, 'packetcapture start')
    assert rc == 1 and out.count('\n') == 1 and 'Postern must be started by root' in out and 'Operation not permitted' in out, out
    assert 'No capture running' in run(g, 'packetcapture status')[1] and not os.listdir(os.path.join(g.home, 'captures'))
    assert 'could not' not in g.log('system_logs')


for test in (test_packetcapture, test_packetcapture_menu, test_packetcapture_without_right):
    test.needs_root = True
