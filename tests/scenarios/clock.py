"""The clock with the real NTP daemon: servers that are asked, neighbours that are answered."""
import os, pwd, re, signal, socket, subprocess, tempfile, shutil

from lib import child_of, wait_for

CHRONYD = '/usr/sbin/chronyd'


def udp_port():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', 0))
    port = s.getsockname()[1]
    s.close()
    return port


class Server:
    """An NTP server of our own: chronyd that takes its own clock for right (stratum 10)."""

    def __init__(self, t, *lines):
        self.port, self.dir = udp_port(), tempfile.mkdtemp(prefix='postern-ntp.')
        with open(self.dir + '/conf', 'w') as f:
            f.write('\n'.join(('port %d' % self.port, 'bindaddress 127.0.0.1', 'allow 127.0.0.1', 'local stratum 10', 'cmdport 0',
                               'bindcmdaddress /', 'pidfile %s/pid' % self.dir, 'keyfile %s/keys' % self.dir) + lines) + '\n')
        with open(self.dir + '/keys', 'w') as f:
            f.write('7 SHA1 HEX:000102030405060708090a0b0c0d0e0f10111213\n')
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.proc = subprocess.Popen([CHRONYD, '-d', '-x', '-U', '-u', user, '-f', self.dir + '/conf'], stderr=subprocess.DEVNULL)
        t.things.append(self)

    def close(self):
        self.proc.terminate()
        self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def asks(port, seconds=6):
    """The offset that a client measures at this port, or None when nobody answers."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory() as d:
        r = subprocess.run([CHRONYD, '-Q', '-x', '-U', '-u', user, '-t', str(seconds), 'server 127.0.0.1 port %d iburst maxsamples 1' % port,
                            'cmdport 0', 'bindcmdaddress /', 'pidfile %s/pid' % d], capture_output=True, text=True)
    m = re.search(r'System clock wrong by (-?[0-9.]+) seconds', r.stderr + r.stdout)
    return float(m.group(1)) if m else None


def chronyd_of(g):
    return child_of(g.roles().get(('clock', 0)), 'chronyd')


def test_follows_a_server_and_answers_neighbours(t):
    """Time is taken from the server that answers, one that does not is named, neighbours of the networks set are answered; a killed
    chronyd comes back (FW-15)."""
    server, dead = Server(t), udp_port()
    g = t.home(['ntp.servers=127.0.0.1:%d,127.0.0.2:%d' % (server.port, dead), 'ntp.serve=yes', 'ntp.serve_to=127.0.0.0/8'])
    g.wait_log(r'Info: NTP: the clock follows 127\.0\.0\.1', 'sntpd_logs')
    g.wait_log('NTP: the clock is watched, not set: laboratory', 'system_logs')
    text = g.cli('ntpstatus')
    assert re.search(r'The clock follows 127\.0\.0\.1 \(stratum 11\)', text) and re.search(r'127\.0\.0\.1 +10 +\d+ followed', text), text
    assert re.search(r'127\.0\.0\.2 .* no answer', text), text
    offset = asks(g.base + 123)
    assert offset is not None and abs(offset) < 0.5, offset
    g.wait_log(r'Warning: NTP: no answer from 127\.0\.0\.2', 'system_logs', 25)
    first = chronyd_of(g)
    os.kill(first, signal.SIGKILL)
    g.wait_log('chronyd was ended by signal 9', 'system_logs')
    wait_for('chronyd again', lambda: chronyd_of(g) not in (0, first))
    assert 'Server' in wait_for('its answer', lambda: 'Server' in g.cli('ntpstatus') and g.cli('ntpstatus'))
    last = chronyd_of(g)
    g.stop()
    assert not os.path.exists('/proc/%d' % last)


def test_serves_nobody_unless_asked_to(t):
    """Without servers the clock is left alone and nothing runs; with them port 123 stays shut unless it shall serve, and then
    only for the networks set; a change of settings holds at once (FW-15)."""
    g = t.home()
    assert ('clock', 0) not in g.roles() and 'No NTP server is set.' in g.cli('ntpstatus')
    server = Server(t)
    g.cli('settings', 'set', 'ntp.servers=127.0.0.1:%d' % server.port)
    g.wait_log('NTP: the clock follows', 'sntpd_logs')
    assert asks(g.base + 123, 2) is None
    g.cli('settings', 'set', 'ntp.serve=yes', 'ntp.serve_to=192.0.2.0/24')
    wait_for('chronyd anew', lambda: g.log('sntpd_logs').count('NTP: the clock follows') == 2)
    assert asks(g.base + 123, 2) is None
    g.cli('settings', 'set', 'ntp.servers=')
    wait_for('the end', lambda: ('clock', 0) not in g.roles())


def test_keys(t):
    """With a key the answers of the server are authenticated: the right key is followed, a wrong one is no answer; the key is in a
    file for the owner alone (FW-15)."""
    server = Server(t)
    right, wrong = 'SHA1:000102030405060708090a0b0c0d0e0f10111213', 'SHA1:ff0102030405060708090a0b0c0d0e0f10111213'
    g = t.home(['ntp.servers=127.0.0.1:%d' % server.port, 'ntp.key_id=7', 'ntp.key=' + wrong])
    g.wait_log(r'NTP: no answer from 127\.0\.0\.1', 'system_logs', 25)
    assert 'follows' not in g.log('sntpd_logs')
    g.cli('settings', 'set', 'ntp.key=' + right)
    g.wait_log('NTP: the clock follows', 'sntpd_logs')
    assert os.stat(g.home + '/clock/chrony.keys').st_mode & 0o777 == 0o600
    assert right[5:] not in open(g.home + '/clock/chrony.conf').read()
