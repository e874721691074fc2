"""adminaccessconfig: banner and welcome, who may come in, protections and time-outs; over SSH where that matters."""
import re, shutil, socket, subprocess, tempfile

from console import Terminal, console, run
from lib import wait_for

OPERATIONS = ['BANNER', 'WELCOME', 'IPACCESS', 'CSRF', 'XSS', 'HOSTHEADER', 'TIMEOUT', 'MAXHTTPHEADERFIELDSIZE', 'HOW-TOS', 'SETUP']


class Key:
    """An SSH key of the administrator in a directory of its own."""

    def __init__(self, t):
        self.dir = tempfile.mkdtemp(prefix='postern-access.')
        self.path = self.dir + '/key'
        t.things.append(self)
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', self.path], check=True)
        self.public = open(self.path + '.pub').read().strip()

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def answers(port):
    try:
        with socket.create_connection(('127.0.0.1', port), 5) as s:
            return s.recv(8).startswith(b'SSH-2.0')
    except OSError:
        return False


def gateway(t, key, *settings):
    g = t.home(['user.admin.ssh_keys=' + key.public, *settings])
    wait_for('the SSH port', lambda: answers(g.base + 22), 20)
    return g


def ssh_words(g, key, source):
    return ['ssh', '-p', str(g.base + 22), '-F', '/dev/null', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o',
            'IdentitiesOnly=yes', '-o', 'IdentityAgent=none', '-o', 'BatchMode=yes', '-i', key.path, '-b', source, 'admin@127.0.0.1']


def ssh(g, key, *command, source='127.0.0.1'):
    r = subprocess.run(ssh_words(g, key, source) + list(command), input='', capture_output=True, text=True, timeout=30)
    return r.returncode, r.stdout, r.stderr.replace('\r', '')


def test_who_may_come_in(t):
    """HD-03: over SSH, a commit that refuses the operator's own address asks and goes nowhere without a yes; one that allows it
    goes through, and then a stranger is closed at the door while the operator still gets in."""
    key = Key(t)
    g = gateway(t, key)
    c = Terminal(ssh_words(g, key, '127.0.0.1'))
    t.things.append(c)
    c.expect(r'> $')
    out = c.say('adminaccessconfig').replace('\r\n', '\n')
    assert 'Current mode: Allow all\n' in out and re.findall(r'(?m)^- (\S+) - ', out) == OPERATIONS and out.endswith('[]> '), out
    out = c.say('ipaccess').replace('\r\n', '\n')
    assert out.endswith('1. Allow all\n2. Restrict\n3. Proxy only\n4. Restrict or proxy\n[1]> '), out
    assert 'number between 1 and 4' in c.say('7')
    assert c.say('2').endswith('[]> ')
    assert 'At least one' in c.say(',')
    assert 'is no IP address, range or network' in c.say('192.0.2.1, 10.0.0.300')
    assert 'Current mode: Restrict' in c.say('192.0.2.1, 10.0.0.1-10.0.0.9, 2001:db8::/32')
    c.say('', r'> $')
    out = c.say('commit "locks me out"')
    assert 'refuse your own address 127.0.0.1' in out and out.endswith('[N]> '), out
    assert 'Changes committed' not in c.say('')
    assert 'access.mode=all' in g.cli('settings show access')
    assert ssh(g, key, 'whoami', source='127.0.0.2')[0] == 0
    out = c.say('adminaccessconfig ipaccess restrict 127.0.0.1 10.0.0.0/8')
    out = c.say('commit "only me"')
    assert 'Changes committed' in out, out
    assert ssh(g, key, 'whoami', source='127.0.0.2')[0] == 255
    assert ssh(g, key, 'whoami')[0] == 0
    g.wait_log('SSH connection from 127.0.0.2 refused: the address is not allowed', 'authentication')
    c.say('adminaccessconfig ipaccess restrict 192.0.2.1')
    assert c.say('commit "I know"').endswith('[N]> ')
    c.say('y')
    wait_for('the door', lambda: ssh(g, key, 'whoami')[0] == 255)
    assert run(g, 'adminaccessconfig ipaccess allowall; commit "from the console"')[0] == 0
    assert ssh(g, key, 'whoami', source='127.0.0.2')[0] == 0


def test_dialogues_over_ssh(t):
    """FW-02, HD-03: a session over SSH, which may touch neither keys nor settings, does all of it by asking; a lock-out on one line
    of commands is refused without an answer."""
    key = Key(t)
    g = gateway(t, key)
    rc, out, err = ssh(g, key, 'adminaccessconfig ipaccess restrict 192.0.2.1; commit "out"')
    assert rc == 1 and 'refuse your own address' in out and 'Changes committed' not in out, (rc, out, err)
    rc, out, err = ssh(g, key, 'adminaccessconfig ipaccess restrict 192.0.2.1; adminaccessconfig ipaccess allowall; adminaccessconfig xss status;'
                               'logconfig hostkeyconfig user; logconfig hostkeyconfig new h.test 22 ' + key.public + ';'
                               'logconfig new by_scp mail retrieval=scp host=h.test user=u; logconfig auditlogconfig enable;'
                               'snmpconfig setup location=Rack; snmpconfig status; commit "all of it"')
    assert rc == 0 and re.search(r'(?m)^ssh-ed25519 \S+ \S+$', out) and 'SNMP is not enabled.' in out and 'Changes committed' in out, (rc, out, err)
    with open(g.home + '/configuration/welcome.txt', 'w') as f:
        f.write('Hello from a file')
    c = Terminal(ssh_words(g, key, '127.0.0.1'))
    t.things.append(c)
    c.expect(r'> $')
    assert '. by_scp  Text Mail Logs  SCP Push  None' in c.say('logconfig')
    c.type('\x03')
    c.expect(r'\^C\r\n.*> $')
    assert 'location: Rack\r\n' in c.say('snmpconfig')
    c.say('', r'> $')
    c.say('adminaccessconfig welcome import /configuration/welcome.txt')
    assert 'Changes committed' in c.say('commit "file"')
    assert 'Hello from a file' in g.cli('settings show access.welcome')


def test_proxies(t):
    """Proxy only and Restrict or proxy ask for proxies and the header that names the client; the defaults are what is there."""
    g = t.home()
    c = console(t, g)
    c.say('adminaccessconfig')
    c.say('ipaccess')
    c.say('4')
    assert c.say('192.0.2.0/24').endswith('[]> ')
    assert c.say('198.51.100.7').endswith('[x-forwarded-for]> ')
    assert 'letters, digits and hyphens' in c.say('a b')
    assert 'Proxies: 198.51.100.7 (header x-real-ip)' in c.say('x-real-ip')
    c.say('ipaccess')
    assert c.say('').endswith('[192.0.2.0/24]> ')
    assert c.say('').endswith('[198.51.100.7]> ')
    assert c.say('').endswith('[x-real-ip]> ')
    c.type('\x03')
    c.expect(r'\^C\r\n.*> $')
    assert 'There is no data to commit.' in c.say('commit')
    rc, out = run(g, 'settings set access.allowed=10.0.0.300')
    assert rc == 1 and 'access.allowed' in out, out


def test_banner_and_welcome(t):
    """FW-02: the banner is shown by SSH before a login, the welcome text after one; lines, a file, nothing."""
    key = Key(t)
    g = gateway(t, key)
    c = console(t, g)
    assert 'A banner text' not in c.say('adminaccessconfig')
    out = c.say('banner')
    assert 'A banner text has not been defined.' in out and 'CLEAR' not in out, out
    c.say('new', r'end\.\r\n$')
    c.type('Authorised use only.\r')
    c.type('\r')
    c.type('Second "line", with 100%.\r')
    out = c.say('.')
    assert 'Current banner text:\r\nAuthorised use only.\r\n\r\nSecond "line", with 100%.\r\n' in out and '- CLEAR - ' in out, out
    c.say('')
    c.say('welcome')
    c.say('new', r'end\.\r\n$')
    c.type('Welcome aboard\r')
    assert 'Welcome aboard' in c.say('.')
    c.say('')
    c.say('', r'> $')
    assert 'Changes committed' in c.say('commit "texts"')
    rc, out, err = ssh(g, key, 'whoami')
    assert rc == 0 and 'Authorised use only.\n\nSecond "line", with 100%.\n' in err and 'Welcome' not in out, err
    s = Terminal(ssh_words(g, key, '127.0.0.1'))
    t.things.append(s)
    assert re.search(r'(?s)Authorised use only\..*Welcome aboard\r\n', s.expect(r'example\S*> $|\w+> $'))
    with open(g.home + '/configuration/banner.txt', 'w') as f:
        f.write('From a file\r\nof two lines\r\n')
    rc, out = run(g, 'adminaccessconfig banner import banner.txt; adminaccessconfig welcome new "Hello, you"; commit y')
    assert rc == 0, out
    assert 'From a file\nof two lines\n' in ssh(g, key, 'whoami')[2]
    assert 'Hello, you' in g.cli('settings show access.welcome')
    assert run(g, 'adminaccessconfig banner import nosuch.txt')[0] == 1
    assert run(g, 'adminaccessconfig banner clear; commit z')[0] == 0
    assert 'From a file' not in ssh(g, key, 'whoami')[2]


def test_protections_and_limits(t):
    """XSS, CSRF and HOSTHEADER are on at first; questions and batch forms; time-outs and sizes are within their bounds; others may not."""
    g = t.home(['user.op.role=operator'])
    c = console(t, g)
    c.say('adminaccessconfig')
    for name in ('csrf', 'xss', 'hostheader'):
        assert c.say(name).endswith('? [Y]> ')
        assert 'yes or no' in c.say('maybe')
        c.say('n')
    assert c.say('timeout').endswith('[30]> ')
    assert 'number from 5 to 1440' in c.say('4')
    assert c.say('20').endswith('[30]> ')
    c.say('10')
    assert c.say('maxhttpheaderfieldsize').endswith('[16384]> ')
    c.say('8192')
    assert 'nothing to configure' in c.say('how-tos')
    c.say('', r'> $')
    assert 'Changes committed' in c.say('commit "limits"')
    shown = g.cli('settings show access')
    for line in ('xss=no', 'csrf=no', 'host_header=no', 'web_timeout_ms=20m', 'cli_timeout_ms=10m', 'max_header_bytes=8K'):
        assert 'access.%s\n' % line in shown, shown
    rc, out = run(g, 'adminaccessconfig xss enable; adminaccessconfig csrf enable; adminaccessconfig hostheader enable; adminaccessconfig timeout 30 45;'
                     'adminaccessconfig setup lockout_tries=3; adminaccessconfig xss status; commit x')
    assert rc == 0 and 'cross-site scripting is enabled.\n' in out, out
    shown = g.cli('settings show access')
    assert 'cli_timeout_ms=45m' in shown and 'lockout_tries=3' in shown and 'access.xss=yes' in shown
    for bad in ('xss perhaps', 'xss enable now', 'nosuch', 'ipaccess restrict', 'ipaccess restrict 1.2.3', 'ipaccess allowall x', 'ipaccess nosuch',
                'timeout 1 1', 'setup nosuch=1', 'setup passphrase_min=4', 'maxhttpheaderfieldsize many'):
        rc, out = run(g, 'adminaccessconfig %s; commit x' % bad)
        assert rc == 1 and 'Changes committed' not in out, (bad, out)
    assert run(g, 'adminaccessconfig xss status', user='op') == (1, 'Unknown command or missing feature key: adminaccessconfig\n')
