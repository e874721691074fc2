"""SSH: logins with the real OpenSSH client and with paramiko, what a channel carries, who may not come in, and that nothing stays
behind. Where the transport itself is shown, a shell stands in for postern-session, so that the test decides what the child does."""
import hashlib, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time, warnings
from lib import *

warnings.filterwarnings('ignore')  # paramiko on a newer cryptography
try:
    import paramiko
except ImportError:  # an interpreter that is not Debian's
    sys.path.append('/usr/lib/python3/dist-packages')
    import paramiko

STAND_IN = '''#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in --command) command=$2; shift;; --what) what=$2; shift;; esac
  shift
done
case $what in
  ftp) echo "220 stand-in"; read line; echo "221 $line"; exit 0;;
  cli) command='echo ready; while read line; do eval "$line"; done';;
esac
eval "$command"
'''


class Directory:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix='postern-ssh.')

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


def directory(t):
    d = Directory()
    t.things.append(d)
    return d.path


def stand_in(t):
    """The executables with a shell in the place of postern-session."""
    d = directory(t)
    for f in os.listdir(BUILD):
        if f.startswith('postern') and f != 'postern-session' and os.path.isfile(os.path.join(BUILD, f)):
            shutil.copy(os.path.join(BUILD, f), d)
    with open(os.path.join(d, 'postern-session'), 'w') as f:
        f.write(STAND_IN)
    os.chmod(os.path.join(d, 'postern-session'), 0o755)
    return d


def new_key(t, kind='ed25519', *more):
    path = os.path.join(directory(t), 'key')
    subprocess.run(['ssh-keygen', '-q', '-t', kind, *more, '-N', '', '-f', path], check=True)
    return path


def public(key):
    return open(key + '.pub').read().strip()


def gateway(t, settings=(), **kw):
    g = t.home(list(settings), **kw)
    wait_for('the SSH port', lambda: answers(g.base + 22), 20)
    g.passphrase = re.search(r'login: admin\s+passphrase: (\S+)', g.init_output).group(1)
    return g


def answers(port):
    try:
        s = socket.create_connection(('127.0.0.1', port), 5)
        with s:
            return s.recv(8).startswith(b'SSH-2.0')
    except OSError:
        return False


def ssh(g, key, *args, user='admin', options=(), input=b'', timeout=30, env=None):
    """OpenSSH's client; (status, standard output, standard error)."""
    cmd = ['ssh', '-p', str(g.base + 22), '-F', '/dev/null', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
           '-o', 'LogLevel=INFO', '-o', 'IdentitiesOnly=yes', '-o', 'IdentityAgent=none']
    cmd += ['-i', key, '-o', 'BatchMode=yes'] if key else ['-o', 'PubkeyAuthentication=no']
    r = subprocess.run(cmd + list(options) + ['%s@127.0.0.1' % user] + list(args), input=input, capture_output=True, timeout=timeout,
                       env=env, start_new_session=True)
    return r.returncode, r.stdout, r.stderr


def transport(g, source=None):
    sock = socket.create_connection(('127.0.0.1', g.base + 22), 10, (source, 0) if source else None)
    p = paramiko.Transport(sock)
    p.banner_timeout = p.auth_timeout = 30
    p.start_client(timeout=20)
    return p


def logged_in(g, key, source=None):
    p = transport(g, source)
    p.auth_publickey('admin', paramiko.Ed25519Key.from_private_key_file(key))
    return p


def run(p, command, input=b''):
    """One command on a paramiko transport; (status, output, errors)."""
    c = p.open_session()
    c.exec_command(command)
    c.sendall(input)
    c.shutdown_write()
    out, err = c.makefile('rb').read(), c.makefile_stderr('rb').read()
    return c.recv_exit_status(), out, err


def refused(p, user, password):
    start = time.monotonic()
    try:
        p.auth_password(user, password, fallback=False)
    except paramiko.BadAuthenticationType:
        raise
    except paramiko.AuthenticationException:
        return time.monotonic() - start
    raise AssertionError('%s was let in with %r' % (user, password))


def children(pid):
    out = subprocess.run(['ps', '-o', 'pid=', '--ppid', str(pid)], capture_output=True, text=True).stdout
    return [int(x) for x in out.split()]


def alive(pid):
    try:
        return open('/proc/%d/stat' % pid).read().split(') ')[1][0] not in 'ZX'
    except OSError:
        return False


def descriptors(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


def settled(pid):
    """The count once nothing is being closed any more: a connection ends a moment after its child."""
    counts = [descriptors(pid)]
    while len(counts) < 5 or len(set(counts[-5:])) > 1:
        time.sleep(0.1)
        counts.append(descriptors(pid))
    return counts[-1]


def test_openssh(t):
    """OpenSSH logs in with a key of user.ssh_keys over TCP 22: commands with their exit status, a terminal, the banner (FW-02)."""
    key, other = new_key(t), new_key(t)
    g = gateway(t, ['user.admin.ssh_keys=' + public(key), 'access.banner=Authorised use only'])
    rc, out, err = ssh(g, key, 'version')
    assert rc == 0 and b'Version: 15.5.0' in out, (rc, out, err)
    assert b'Authorised use only\n' in err.replace(b'\r', b''), err
    rc, out, err = ssh(g, key, 'nosuchcommand')
    assert rc == 1 and b'Unknown command or missing feature key: nosuchcommand' in out + err, (rc, out, err)
    rc, out, err = ssh(g, key, options=['-tt'], input=b'version\nexit\n')
    assert rc == 0 and b'> ' in out and b'Version: 15.5.0' in out and b'\r\n' in out, (rc, out, err)
    rc, out, err = ssh(g, other, 'version')
    assert rc == 255 and b'Permission denied' in err, (rc, err)
    g.wait_log('The user admin successfully logged on from 127.0.0.1 with privilege \\w+ using an SSH connection', 'authentication')
    g.wait_log('User admin logged out of SSH session 127.0.0.1', 'authentication')


def test_openssh_passphrase(t):
    """OpenSSH logs in with a passphrase that it asks for, by password and by keyboard-interactive (FW-02)."""
    g = gateway(t)
    ask = os.path.join(directory(t), 'ask')
    with open(ask, 'w') as f:
        f.write('#!/bin/sh\necho "$ANSWER"\n')
    os.chmod(ask, 0o755)
    for method in ('password', 'keyboard-interactive'):
        how = ['-o', 'PreferredAuthentications=' + method, '-o', 'NumberOfPasswordPrompts=1']
        env = dict(os.environ, SSH_ASKPASS=ask, SSH_ASKPASS_REQUIRE='force', DISPLAY=':0', ANSWER=g.passphrase)
        rc, out, err = ssh(g, None, 'version', options=how, env=env)
        assert rc == 0 and b'Version: 15.5.0' in out, (method, rc, out, err)
        env['ANSWER'] = 'wrong'
        rc, out, err = ssh(g, None, 'version', options=how, env=env)
        assert rc == 255 and b'Permission denied' in err, (method, rc, err)


def test_key_kinds(t):
    """Keys of every kind log in; RSA signs with SHA-2 only; keys with options that are not understood never do (FW-02)."""
    keys = {k: new_key(t, *k) for k in (('ed25519',), ('ecdsa', '-b', '256'), ('ecdsa', '-b', '521'), ('rsa', '-b', '2048'))}
    forced, far, near = new_key(t), new_key(t), new_key(t)
    lines = [public(k) for k in keys.values()] + ['command="/bin/sh" ' + public(forced), 'from="192.0.2.1" ' + public(far),
                                                  'from="127.0.0.1" ' + public(near)]
    # a list of settings is divided by commas: these options have none
    g = gateway(t, ['user.admin.ssh_keys=' + ','.join(l.replace('\\', '\\\\') for l in lines)])
    for kind, key in keys.items():
        assert ssh(g, key, 'whoami')[0] == 0, kind
    assert ssh(g, near, 'whoami')[0] == 0
    assert ssh(g, far, 'whoami')[0] == 255
    assert ssh(g, forced, 'whoami')[0] == 255
    rsa = keys['rsa', '-b', '2048']
    assert ssh(g, rsa, 'whoami', options=['-o', 'PubkeyAcceptedAlgorithms=rsa-sha2-512'])[0] == 0
    assert ssh(g, rsa, 'whoami', options=['-o', 'PubkeyAcceptedAlgorithms=ssh-rsa'])[0] == 255
    for kind in ('ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256'):
        assert ssh(g, near, 'whoami', options=['-o', 'HostKeyAlgorithms=' + kind])[0] == 0, kind
    assert ssh(g, near, 'whoami', options=['-o', 'HostKeyAlgorithms=ssh-rsa'])[0] == 255
    for name in ('ed25519', 'ecdsa', 'rsa'):
        assert os.stat(os.path.join(g.home, 'keys', 'ssh_host_%s_key' % name)).st_mode & 0o777 == 0o600


def test_passphrases(t):
    """A wrong passphrase gets the same answer in the same time whether the user exists or not, and six of them end the
    connection; locked users and roles without a command line get it too (FW-02)."""
    g = gateway(t, ['user.shut.role=operator', 'user.shut.locked=yes', 'user.desk.role=help_desk', 'access.lockout_tries=0'])
    p = transport(g)
    try:
        p.auth_none('admin')
        raise AssertionError('let in with nothing')
    except paramiko.BadAuthenticationType as e:
        assert sorted(e.allowed_types) == ['keyboard-interactive', 'password', 'publickey'], e.allowed_types
    times = {'admin': [], 'nobody-here': []}
    for i in range(3):
        for user in times:
            times[user].append(refused(p, user, 'wrong%d' % i))
    known, unknown = (sorted(times[user])[1] for user in times)
    assert min(known, unknown) > 0.05 and 0.3 < known / unknown < 3, times  # a hash each; the rest is the load of the machine
    assert not p.is_active() or wait_for('the connection to end', lambda: not p.is_active(), 5)
    p = transport(g)
    for user in ('shut', 'desk'):
        refused(p, user, g.passphrase)
    p.auth_interactive('admin', lambda title, text, prompts: [g.passphrase for _ in prompts])
    status, out, err = run(p, 'whoami')
    assert status == 0 and b'admin' in out, (status, out, err)
    p.close()
    g.wait_log('User admin failed authentication', 'authentication')
    g.wait_log('User admin from 127.0.0.1 was authenticated successfully', 'authentication')


def test_keys_alone(t):
    """With ssh.password_login=no nothing but a key logs in, and nothing else is offered (FW-02)."""
    key = new_key(t)
    g = gateway(t, ['ssh.password_login=no', 'user.admin.ssh_keys=' + public(key)])
    p = transport(g)
    for user in ('admin', 'nobody-here'):
        try:
            p.auth_password(user, g.passphrase, fallback=False)
            raise AssertionError('a passphrase was taken')
        except paramiko.BadAuthenticationType as e:
            assert e.allowed_types == ['publickey'], e.allowed_types
    p.auth_publickey('admin', paramiko.Ed25519Key.from_private_key_file(key))
    assert p.is_authenticated()
    p.close()


def test_blocked_address(t):
    """Only addresses of the access list reach SSH and FTP; others are closed at once with a line in the log (HD-03)."""
    key = new_key(t)
    g = t.home(['access.mode=restrict', 'access.allowed=127.0.0.2,127.0.1.0/24', 'interface.Management.ftp=yes',
                'user.admin.ssh_keys=' + public(key)])
    for port in (22, 21):
        def closed():
            try:
                with socket.create_connection(('127.0.0.1', g.base + port), 5) as s:
                    return s.recv(100) == b''
            except ConnectionResetError:
                return True
            except (ConnectionRefusedError, TimeoutError):
                return False  # the host keys are being made
        wait_for('port %d' % port, closed)
    assert ssh(g, key, 'whoami')[0] == 255
    for source in ('127.0.0.2', '127.0.1.77'):
        assert ssh(g, key, 'whoami', options=['-b', source])[0] == 0, source
    assert ssh(g, key, 'whoami', options=['-b', '127.0.2.1'])[0] == 255
    g.wait_log('SSH connection from 127.0.0.1 refused: the address is not allowed', 'authentication')
    g.wait_log('FTP connection from 127.0.0.1 refused: the address is not allowed', 'authentication')


def test_channels(t):
    """A channel carries input, output and errors unchanged, in bulk too, then exit status, end and close; terminals have
    their size; several channels at once, only sessions, nothing forwarded (FW-02)."""
    key = new_key(t)
    g = gateway(t, ['user.admin.ssh_keys=' + public(key)], build=stand_in(t))
    assert ssh(g, key, 'echo out; echo err >&2; exit 7', options=['-q'])[:3] == (7, b'out\n', b'err\n')
    assert ssh(g, key, 'kill -9 $$')[0] == 255
    data = os.urandom(1 << 20) * 24
    assert ssh(g, key, 'cat', input=data)[1] == data
    assert ssh(g, key, 'md5sum', input=data)[1].split()[0].decode() == hashlib.md5(data).hexdigest()
    rc, out, err = ssh(g, key, 'head -c 20000000 /usr/bin/python3.11 /usr/bin/bash | md5sum; head -c 3000000 /usr/bin/bash >&2', options=['-q'])
    assert rc == 0 and len(err) == os.path.getsize('/usr/bin/bash'), (rc, len(err))
    rc, out, err = ssh(g, key, 'stty size; tty; echo $TERM', options=['-tt'], env=dict(os.environ, TERM='vt220'))
    assert re.search(rb'/dev/pts/\d+\r\nvt220', out), out
    rc, out, err = ssh(g, key, 'env', options=['-o', 'SetEnv=EVIL=1 LANG=C.UTF-8'])
    assert b'EVIL' not in out and b'LANG=C.UTF-8' in out, out
    p = logged_in(g, key)
    c = p.open_session()
    c.get_pty('xterm', 100, 40)
    c.exec_command('stty size; read x; stty size')
    f = c.makefile('rb')
    assert f.readline() == b'40 100\r\n'
    c.resize_pty(133, 50)
    c.sendall(b'\n')
    assert f.read().strip() == b'50 133' and c.recv_exit_status() == 0
    results = []
    threads = [threading.Thread(target=lambda i=i: results.append(run(p, 'cat; exit %d' % i, b'x' * 300000))) for i in range(8)]
    for th in threads:
        th.start()
    for th in threads:
        th.join(20)
    assert sorted(r[0] for r in results) == list(range(8)) and all(len(r[1]) == 300000 for r in results)
    held = [p.open_session() for _ in range(10)]
    for kind, to in (('session', None), ('direct-tcpip', ('127.0.0.1', g.smtp_port))):
        try:
            p.open_channel(kind, to, ('127.0.0.1', 1), timeout=5)
            raise AssertionError('%s was opened' % kind)
        except paramiko.ChannelException:
            pass
    try:
        p.request_port_forward('127.0.0.1', 0)
        raise AssertionError('forwarding was granted')
    except paramiko.SSHException:
        pass
    del held
    p.close()


def test_ftp_door(t):
    """A connection to the FTP port becomes a session of its own with the socket as its terminal (FW-01)."""
    g = gateway(t, ['interface.Management.ftp=yes'], build=stand_in(t))
    with socket.create_connection(('127.0.0.1', g.base + 21), 5) as s:
        f = s.makefile('rwb')
        assert f.readline() == b'220 stand-in\n'
        f.write(b'QUIT\n')
        f.flush()
        assert f.readline() == b'221 QUIT\n'
        assert f.read() == b''


def test_nothing_stays(t):
    """A client that vanishes ends its child, a child that is killed closes its channel, a role that is killed or stopped takes its
    sessions along; no process and no descriptor stays (FW-02)."""
    key = new_key(t)
    g = gateway(t, ['user.admin.ssh_keys=' + public(key)], build=stand_in(t))
    shell = g.roles()['shell', 0]
    logged_in(g, key).close()
    wait_for('the first connection to end', lambda: not children(shell))
    before = settled(shell)

    for stubborn in (False, True):
        p = logged_in(g, key)
        c = p.open_session()
        c.exec_command(('trap "" HUP; ' if stubborn else '') + 'echo $$; sleep 1000 & wait; sleep 1000')
        pid = int(c.makefile('rb').readline())
        assert children(shell) == [pid]
        p.sock.close()
        p.close()
        wait_for('the child of a lost client to end', lambda: not alive(pid) and not children(shell), 5)
    p = logged_in(g, key)
    c = p.open_session()
    c.exec_command('echo $$; sleep 1000')
    os.kill(int(c.makefile('rb').readline()), signal.SIGKILL)
    c.settimeout(5)
    assert c.recv(10) == b'' and c.recv_exit_status() == -1
    assert run(p, 'exit 3')[0] == 3  # the connection lives on
    p.close()
    wait_for('all descriptors to be closed', lambda: descriptors(shell) <= before, 5)

    def start():
        q = logged_in(g, key)
        d = q.open_session()
        d.exec_command('trap "" HUP TERM; echo $$; sleep 1000')
        return q, int(d.makefile('rb').readline())
    q, pid = start()
    os.kill(shell, signal.SIGKILL)
    wait_for('the session of a killed role to end', lambda: not alive(pid), 5)
    wait_for('the role to be back', lambda: g.roles().get(('shell', 0)) not in (None, shell) and answers(g.base + 22))
    q, pid = start()
    start_of_stop = time.monotonic()
    assert g.stop() == 0
    assert not alive(pid) and time.monotonic() - start_of_stop < 8


def test_hostile(t):
    """Garbage and slow clients hold up nobody: they go after the login grace, ten of one address at a time, and others log in
    meanwhile (FW-02)."""
    key = new_key(t)
    g = gateway(t, ['user.admin.ssh_keys=' + public(key), 'access.login_grace_ms=5000'])
    shell = g.roles()['shell', 0]

    def connect(source='127.0.0.3'):
        s = socket.create_connection(('127.0.0.1', g.base + 22), 10, (source, 0))
        s.settimeout(12)
        return s
    for garbage in (b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', os.urandom(4000), b'SSH-2.0-x\r\n' + os.urandom(70000), b'SSH-1.5-old\r\n',
                    b'\r\n' * 3000, b'SSH-2.0-x\r\n\xff\xff\xff\xff' + b'\0' * 100, b'SSH-2.0-' + b'x' * 5000):
        with connect() as s:
            try:
                s.sendall(garbage)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError:
                pass
    slow = [connect() for _ in range(10)]
    started = time.monotonic()
    for s in slow[:5]:
        s.sendall(b'SSH-2.0-slow\r\n')
    for s in slow:
        assert s.recv(4).startswith(b'SSH-'), 'not served'
    with connect() as s:
        assert s.recv(4) == b'', 'an eleventh was let in'
    login = time.monotonic()
    assert ssh(g, key, 'whoami')[0] == 0
    assert time.monotonic() - login < 3
    for s in slow:
        try:
            while s.recv(65536):
                pass
        except ConnectionResetError:
            pass
        s.close()
    assert 4 < time.monotonic() - started < 9
    assert ssh(g, key, 'whoami', options=['-b', '127.0.0.3'])[0] == 0
    assert g.roles()['shell', 0] == shell, 'the role was restarted'
    g.wait_log('SSH connection from 127.0.0.3 refused: too many connections of this address', 'authentication')


def test_many(t):
    """200 sessions at once, each logged in within 400 ms of its own work, none over 1 MiB in the shell role (figures of the SSH
    server; FW-02)."""
    key = new_key(t)
    g = gateway(t, ['user.admin.ssh_keys=' + public(key), 'access.sessions_max=250'])
    shell = g.roles()['shell', 0]

    def cost():
        pss = int(re.search(r'Pss:\s+(\d+)', open('/proc/%d/smaps_rollup' % shell).read()).group(1))
        f = open('/proc/%d/stat' % shell).read().rsplit(')', 1)[1].split()
        return pss, (int(f[11]) + int(f[12])) * 1000 / os.sysconf('SC_CLK_TCK')
    logged_in(g, key).close()
    before, held, lock = cost(), [], threading.Lock()

    def some(n):
        for _ in range(n):
            p = logged_in(g, key)
            c = p.open_session()
            c.get_pty()
            c.invoke_shell()
            text = b''
            while b'> ' not in text:
                text += c.recv(4096)
            with lock:
                held.append((p, c))
    threads = [threading.Thread(target=some, args=(40,)) for _ in range(5)]
    for th in threads:
        th.start()
    for th in threads:
        th.join(150)
    assert len(held) == 200, len(held)
    after = cost()
    kib, ms = (after[0] - before[0]) / 200, (after[1] - before[1]) / 200
    print('  (200 sessions: %.0f KiB and %.1f ms of CPU each in role shell)' % (kib, ms))
    assert kib < 1024 and ms < 400
    assert len(children(shell)) == 200
    for p, c in held:
        p.close()
    wait_for('all sessions to end', lambda: not children(shell), 20)
