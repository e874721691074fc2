"""Files of a login through the real listeners: OpenSSH's sftp, scp (both protocols) and curl, ftplib for FTP."""
import ftplib, io, os, re, socket, subprocess

from lib import MESSAGE, wait_for


def keyed(t, *settings):
    """A gateway with SSH and FTP on and a key that logs in admin and a read-only operator; (gateway, ssh options)."""
    g = t.home(start=False, settings=['interface.Management.ssh=yes', 'interface.Management.ftp=yes', *settings])
    key = os.path.join(g.dir, 'key')
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', key], check=True)
    public = open(key + '.pub').read().strip()
    g.start()
    wait_for('the host keys', lambda: listening(g.base + 22) and banner(g.base + 22), 30)
    g.cli('settings', 'set', 'user.admin.ssh_keys=' + public, 'user.viewer.ssh_keys=' + public, 'user.viewer.role=read_only_operator')
    wait_for('the SSH and FTP ports', lambda: all(listening(g.base + p) for p in (21, 22)))
    return g, ['-q', '-i', key, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'IdentitiesOnly=yes',
               '-o', 'BatchMode=yes', '-o', 'Port=%d' % (g.base + 22)]


def banner(port):
    """The first start makes the host keys before anybody is served."""
    with socket.create_connection(('127.0.0.1', port), 20) as s:
        return s.recv(4) == b'SSH-'


def listening(port):
    r = subprocess.run(['ss', '-Hltn', 'sport = :%d' % port], capture_output=True, text=True)
    return bool(r.stdout.strip())


def run(g, *args, ok=True, stdin=None):
    r = subprocess.run(args, capture_output=True, text=True, cwd=g.dir, input=stdin, timeout=30)
    assert (r.returncode == 0) == ok, '%s: %d %s%s' % (args, r.returncode, r.stdout, r.stderr)
    return r.stdout + r.stderr


def read(*path):
    return open(os.path.join(*path), 'rb').read()


def logged_mail(g):
    """One message, so that mail_logs has lines, and a saved file by roll-over."""
    s = g.smtp()
    s.send('a@sender.test', 'nobody@nowhere.test', MESSAGE)
    s.quit()
    g.wait_log('nobody@nowhere.test')
    g.cli('rollovernow', 'mail_logs')
    d = os.path.join(g.home, 'log', 'mail_logs')
    return wait_for('a saved log', lambda: sorted(f for f in os.listdir(d) if f.endswith('.s')))


def test_sftp_and_scp(t):
    """FW-02: logs come by sftp and by scp, old and new protocol, patterns too; //configuration/config.xml is written; nothing else
    is; what was done is in cli_logs."""
    g, ssh = keyed(t)
    saved = logged_mail(g)[0]
    logs = os.path.join(g.home, 'log', 'mail_logs')
    at = 'admin@127.0.0.1:'
    for n, old in enumerate(([], ['-O'])):
        into = os.path.join(g.dir, 'into%d' % n)
        os.mkdir(into)
        run(g, 'scp', *old, *ssh, at + '/mail_logs/*.s', into)
        assert read(into, saved) == read(logs, saved)
        content = b'<config/>%d\n' % n
        with open(os.path.join(g.dir, 'c.xml'), 'wb') as f:
            f.write(content)
        run(g, 'scp', *old, *ssh, 'c.xml', at + '//configuration/config.xml')
        assert read(g.home, 'configuration', 'config.xml') == content
        assert 'ermission denied' in run(g, 'scp', *old, *ssh, 'c.xml', at + '/mail_logs/x', ok=False)
        assert 'No such file' in run(g, 'scp', *old, *ssh, at + '/keys/self_signed.key', into, ok=False)
        assert 'No such file' in run(g, 'scp', *old, *ssh, at + '/mail_logs/../../conf/current', into, ok=False)
    out = run(g, 'sftp', '-b', '-', *ssh, 'admin@127.0.0.1', stdin='ls -1 /\nget /mail_logs/*.s got.s\nrm /configuration/config.xml\n')
    assert {'antivirus', 'captures', 'configuration', 'mail_logs'} <= set(re.findall(r'(?m)^/?(\w+)/?\s*$', out)), out
    assert read(g.dir, 'got.s') == read(logs, saved)
    assert not os.path.exists(os.path.join(g.home, 'configuration', 'config.xml'))
    g.wait_log(r'User admin from 127\.0\.0\.1: wrote /configuration/config\.xml, 11 bytes', 'cli_logs')
    g.wait_log(r'deleted /configuration/config\.xml', 'cli_logs')


def test_a_read_only_operator_has_no_files(t):
    """cli.md 5: a Read-Only Operator has no access by SFTP and SCP."""
    g, ssh = keyed(t)
    saved = logged_mail(g)[0]
    assert 'Version: ' in run(g, 'ssh', *ssh, 'viewer@127.0.0.1', 'version')
    for old in ([], ['-O']):
        run(g, 'scp', *old, *ssh, 'viewer@127.0.0.1:/mail_logs/' + saved, 'x', ok=False)
        assert not os.path.exists(os.path.join(g.dir, 'x'))


def passphrase(g):
    return re.search(r'admin\S*.*?passphrase: (\S{16})', g.init_output, re.S).group(1)


def test_ftp(t):
    """FW-01, FW-01a: logs are pulled from our FTP server, passive (a narrowed range) and active; a wrong passphrase gets the answer of
    an unknown user; ftpd_logs tells."""
    g, _ = keyed(t)
    first = g.base + 10000
    g.cli('settings', 'set', 'ftp.passive_first=%d' % first, 'ftp.passive_last=%d' % (first + 9))
    saved = logged_mail(g)[0]
    answers = set()
    for user in ('admin', 'nobody'):
        f = ftplib.FTP()
        f.connect('127.0.0.1', g.base + 21, 10)
        try:
            f.login(user, 'wrong passphrase')
            assert False
        except ftplib.error_perm as e:
            answers.add(str(e))
        f.close()
    assert answers == {'530 Login incorrect.'}, answers
    for passive in (True, False):
        f = ftplib.FTP()
        f.connect('127.0.0.1', g.base + 21, 10)
        f.login('admin', passphrase(g))
        f.set_pasv(passive)
        if passive:
            assert first <= f.makepasv()[1] <= first + 9
        out = io.BytesIO()
        f.retrbinary('RETR /mail_logs/' + saved, out.write)
        assert out.getvalue() == read(g.home, 'log', 'mail_logs', saved)
        f.storbinary('STOR //configuration/config.xml', io.BytesIO(b'<config/>'))
        assert read(g.home, 'configuration', 'config.xml') == b'<config/>'
        f.quit()
    g.wait_log(r'User admin from 127\.0\.0\.1: read /mail_logs/', 'ftpd_logs')
    url = 'ftp://127.0.0.1:%d/mail_logs/' % (g.base + 21)
    assert saved in run(g, 'curl', '-sS', '--list-only', '--user', 'admin:' + passphrase(g), url)
