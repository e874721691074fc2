"""What scenarios share: a home of the real program, a scripted SMTP client, a sink that records what arrives.

Everything runs on loopback ports below a base of its own, in a temporary directory that goes when the scenario ends. A
scenario is a function test_...(t) in tests/scenarios/*.py; its docstring is the sentence it shows and names requirements.
"""
import os, re, shutil, signal, socket, socketserver, ssl, subprocess, sys, tempfile, threading, time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('POSTERN_BUILD', os.path.join(TOP, 'build'))
POSTERN = os.path.join(BUILD, 'postern')
# Homes of processes that run side by side lie so that no two ports of theirs can meet: the differences of these residues are
# not among those of the offsets a home uses (22, 25, 80 ... 7025).
STEP, RESIDUES = 100, (0, 11, 24)
_ports = {'first': int(os.environ.get('POSTERN_TEST_BASE', '10000')), 'next': os.getpid() % 90}
_base_lock = threading.Lock()


def use_ports(process):
    """This is the process with that number, from 0, of those that run scenarios side by side."""
    _ports['first'] += RESIDUES[process]


def ports_free(base):
    for p in (base + n for n in (21, 22, 25, 80, 161, 443, 587, 628, 4431, 6080, 6443, 7025)):
        s = socket.socket()
        try:
            s.bind(('127.0.0.1', p))
        except OSError:
            return False
        finally:
            s.close()
    return True


def free_base():
    """A base for a home: below the ports the system gives to outgoing connections, 100 apart, so that the ports of two homes
    (base + 22, 25, 80 ...) rarely meet; that they do not is looked at."""
    with _base_lock:
        while True:
            base = _ports['first'] + _ports['next'] * STEP % 9000
            _ports['next'] += 1
            if ports_free(base):
                return base


def free_port():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    p = s.getsockname()[1]
    s.close()
    return p


def wait_for(what, cond, seconds=15.0):
    """Polls cond() until it is true; returns its value, fails with `what` after the time."""
    end = time.monotonic() + seconds
    while True:
        v = cond()
        if v:
            return v
        if time.monotonic() > end:
            raise AssertionError('waited %gs for %s' % (seconds, what))
        time.sleep(0.02)


def child_of(parent, name):
    """Pid of the child of this process whose program is called so, 0 when there is none."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            m = re.match(r'\d+ \((.*)\) (\S) (\d+)', open('/proc/%s/stat' % pid).read())
        except OSError:
            continue
        if m and m.group(1) == name and m.group(2) != 'Z' and int(m.group(3)) == parent:
            return int(pid)
    return 0


class Sink:
    """An SMTP server that keeps what it gets. `script` may change any answer: a function (command line, state) -> reply lines
    without CRLF, None for the default, or 'CLOSE' to cut the connection. Messages: list of dict(sender, rcpts, data)."""

    def __init__(self, port=0, script=None, extensions=('PIPELINING', '8BITMIME', 'SIZE 0', 'DSN', 'SMTPUTF8'), tls=None, address='127.0.0.1'):
        self.messages, self.connections, self.commands = [], 0, []
        self.script, self.extensions, self.tls, self.lock = script, extensions, tls, threading.Lock()
        sink = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    sink._serve(self.request)
                except (OSError, ValueError):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, request_queue_size = True, True, 512
            address_family = socket.AF_INET6 if ':' in address else socket.AF_INET

        self.server = Server((address, port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()

    def _serve(self, sock):
        with self.lock:
            self.connections += 1
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        f = sock.makefile('rb')
        state = dict(sender=None, rcpts=[], data=None, tls=False)

        def say(text):
            sock.sendall(text.encode() + b'\r\n')

        def answer(line, default):
            reply = self.script(line, state) if self.script else None
            reply = default if reply is None else reply
            if reply == 'CLOSE':
                raise OSError('closed by script')
            say(reply)
            return reply

        answer('CONNECT', '220 sink.test ESMTP')
        while True:
            line = f.readline(4096)
            if not line:
                return
            line = line.decode('utf-8', 'replace').rstrip('\r\n')
            with self.lock:
                self.commands.append(line)
            verb = line.split(' ')[0].upper()
            if verb == 'EHLO':
                names = list(self.extensions) + (['STARTTLS'] if self.tls and not state['tls'] else [])
                answer(line, '\r\n'.join('250%s%s' % (' ' if i == len(names) else '-', n) for i, n in enumerate(['sink.test'] + names)))
            elif verb == 'STARTTLS' and self.tls:
                if answer(line, '220 go').startswith('220'):
                    sock = self.tls.wrap_socket(sock, server_side=True)
                    f = sock.makefile('rb')
                    state['tls'] = True
            elif verb == 'MAIL':
                if answer(line, '250 2.1.0 ok').startswith('2'):
                    state.update(sender=re.search('<(.*?)>', line).group(1), rcpts=[], mail=line)
            elif verb == 'RCPT':
                if answer(line, '250 2.1.5 ok').startswith('2'):
                    state['rcpts'].append(re.search('<(.*?)>', line).group(1))
                    state.setdefault('rcpt_lines', []).append(line)
            elif verb == 'DATA':
                if not state['rcpts']:
                    say('554 5.5.1 no valid recipients')
                    continue
                if not answer(line, '354 go ahead').startswith('3'):
                    continue
                body = bytearray()
                while True:
                    part = f.readline(1 << 20)
                    if not part:
                        return
                    if part == b'.\r\n' and (not body or body.endswith(b'\r\n')):
                        break
                    if part.startswith(b'.') and (not body or body.endswith(b'\n')):
                        part = part[1:]
                    body += part
                self._take(say, state, bytes(body))
            elif verb == 'BDAT':
                n, last = int(line.split()[1]), line.upper().endswith(' LAST')
                state['chunks'] = state.get('chunks', b'') + f.read(n)
                if last:
                    self._take(say, state, state.pop('chunks'))
                else:
                    say('250 2.0.0 %d octets' % n)
            elif verb == 'QUIT':
                answer(line, '221 2.0.0 bye')
                return
            elif verb in ('HELO', 'RSET', 'NOOP', 'AUTH'):
                answer(line, '250 2.0.0 ok' if verb != 'AUTH' else '235 2.7.0 ok')
            else:
                answer(line, '500 5.5.1 unknown')

    def _take(self, say, state, data):
        state['data'] = data
        reply = self.script('.', state) if self.script else None
        if reply == 'CLOSE':
            raise OSError('closed by script')
        if reply is None or reply.startswith('2'):
            with self.lock:
                self.messages.append(dict(sender=state['sender'], rcpts=list(state['rcpts']), data=data,
                                          mail=state.get('mail'), rcpt_lines=state.pop('rcpt_lines', []), tls=state['tls']))
        say(reply or '250 2.0.0 Ok: queued as %d' % len(self.messages))
        state.update(sender=None, rcpts=[])

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Smtp:
    """A client that sends exactly what it is told and returns (code, whole reply)."""

    def __init__(self, port, host='127.0.0.1', greet=True, timeout=20):
        self.s = socket.create_connection((host, port), timeout)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.f = self.s.makefile('rb')
        if greet:
            self.banner = self.reply()

    def reply(self):
        lines = []
        while True:
            line = self.f.readline()
            if not line:
                raise EOFError('connection closed after %r' % lines)
            lines.append(line.decode('utf-8', 'replace').rstrip('\r\n'))
            if line[3:4] != b'-':
                return int(line[:3]), '\n'.join(lines)

    def raw(self, data):
        self.s.sendall(data)

    def cmd(self, line):
        self.raw((line.encode() if isinstance(line, str) else line) + b'\r\n')
        return self.reply()

    def starttls(self):
        import ssl
        code, text = self.cmd('STARTTLS')
        assert code == 220, text
        ctx = ssl.create_default_context()
        ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
        self.s = ctx.wrap_socket(self.s)
        self.f = self.s.makefile('rb')

    def send(self, sender, rcpts, data, params=''):
        """A whole transaction; data is bytes with CRLF line ends, not dot-stuffed. Returns the last reply."""
        r = self.cmd('MAIL FROM:<%s>%s' % (sender, params))
        if r[0] != 250:
            return r
        for to in [rcpts] if isinstance(rcpts, str) else rcpts:
            r = self.cmd('RCPT TO:<%s>' % to)
            if r[0] != 250:
                return r
        r = self.cmd('DATA')
        if r[0] != 354:
            return r
        self.raw(re.sub(rb'(?m)^\.', b'..', data) + (b'' if data.endswith(b'\r\n') else b'\r\n') + b'.\r\n')
        return self.reply()

    def close(self):
        self.s.close()

    def quit(self):
        r = self.cmd('QUIT')
        self.close()
        return r


MESSAGE = b'From: a@sender.test\r\nTo: b@rcpt.test\r\nSubject: hello\r\nMessage-ID: <m1@sender.test>\r\n\r\nhello\r\n'


class Home:
    """A gateway of the real program. settings: 'path=value' strings on top of the lab's. build: directory of the executables."""

    postern = POSTERN

    def __init__(self, settings=(), sink_port=None, env=None, start=True, build=None):
        self.postern = os.path.join(build, 'postern') if build else POSTERN
        self.base = free_base()
        self.dir = tempfile.mkdtemp(prefix='postern-test.')
        self.home = os.path.join(self.dir, 'home')
        self.env = dict(os.environ, **(env or {}))
        args = [self.postern, 'init', '--home', self.home, '--role', 'gateway', '--lab', str(self.base)]
        sets = list(settings)
        if sink_port:
            sets.append('route[ALL].hosts=127.0.0.1:%d' % sink_port)
        for s in sets:
            args += ['--set', s]
        r = subprocess.run(args, capture_output=True, text=True, env=self.env)
        assert r.returncode == 0, 'init failed: %s%s' % (r.stdout, r.stderr)
        self.init_output = r.stdout
        self.smtp_port = self.base + 25
        self.proc = None
        if start:
            self.start()

    def start(self, env=None):
        self.err = open(os.path.join(self.dir, 'stderr'), 'ab')
        self.proc = subprocess.Popen([self.postern, 'run', '--home', self.home], stdout=self.err, stderr=self.err,
                                     stdin=subprocess.DEVNULL, env=dict(self.env, **(env or {})), start_new_session=True)
        self.wait_up()

    def wait_up(self):
        def up():
            if self.proc.poll() is not None:
                raise AssertionError('postern run ended: %s' % self.stderr())
            try:
                s = Smtp(self.smtp_port, timeout=5)
                s.close()
                return True
            except (OSError, EOFError):
                return False
        wait_for('the SMTP port', up, 30)

    def stderr(self):
        path = os.path.join(self.dir, 'stderr')
        return open(path, errors='replace').read()[-4000:] if os.path.exists(path) else ''

    def stop(self, sig=signal.SIGTERM):
        if self.proc and self.proc.poll() is None:
            if sig == signal.SIGKILL:
                os.killpg(self.proc.pid, sig)
            else:
                self.proc.send_signal(sig)
            try:
                self.proc.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.proc.pid, signal.SIGKILL)
                self.proc.wait()
                raise AssertionError('postern run did not end in 20 s')
        if self.proc:
            self.err.close()
        rc = self.proc.returncode if self.proc else 0
        self.proc = None
        return rc

    def close(self):
        try:
            if self.proc and self.proc.poll() is None:
                self.stop()
        finally:
            if os.environ.get('POSTERN_KEEP'):
                print('kept', self.dir)
            else:
                shutil.rmtree(self.dir, ignore_errors=True)

    def smtp(self, ehlo='client.test', **kw):
        s = Smtp(self.smtp_port, **kw)
        if ehlo:
            s.ehlo = s.cmd('EHLO ' + ehlo)
        return s

    def cli(self, *words, check=True):
        r = subprocess.run([self.postern, 'cli', '--home', self.home, *words], capture_output=True, text=True, env=self.env,
                           stdin=subprocess.DEVNULL)
        assert not check or r.returncode == 0, 'cli %s: %s%s' % (' '.join(words), r.stdout, r.stderr)
        return r.stdout + r.stderr if not check else r.stdout

    def log(self, name='mail_logs'):
        """All text of a log so far, saved files first."""
        d = os.path.join(self.home, 'log', name)
        text = ''
        if os.path.isdir(d):
            for f in sorted(os.listdir(d), key=lambda f: (f.endswith('.current'), f)):
                text += open(os.path.join(d, f), encoding='utf-8', errors='replace').read()
        return text

    def wait_log(self, pattern, name='mail_logs', seconds=15):
        return wait_for('%r in %s' % (pattern, name), lambda: re.search(pattern, self.log(name)), seconds)

    def roles(self):
        """{(role, index): pid} of the running roles."""
        r = subprocess.run([self.postern, 'status', '--home', self.home], capture_output=True, text=True, env=self.env)
        out = {}
        for m in re.finditer(r'(?m)^\s*(\w+)\s+(\d+)\s+(\d+)\s', r.stdout):
            out[m.group(1), int(m.group(2))] = int(m.group(3))
        return out


class Nsd:
    """A real authoritative name server on loopback. zones: {name: records as zone file text}; signed: names to sign with
    DNSSEC (their DS trust anchors are then in .anchors). Runs in the network namespace `netns` when one is named."""

    def __init__(self, zones, signed=(), port=None, address='127.0.0.1', netns=None):
        self.dir = tempfile.mkdtemp(prefix='postern-nsd.')
        self.port, self.anchors = port or free_port(), []
        conf = ['server:', ' ip-address: %s@%d' % (address, self.port), ' username: ""', ' zonesdir: "%s"' % self.dir, ' database: ""',
                ' pidfile: "%s/pid"' % self.dir, ' xfrdfile: "%s/xfrd"' % self.dir, ' zonelistfile: "%s/zl"' % self.dir,
                ' cookie-secret-file: "%s/cookie"' % self.dir, ' logfile: "%s/log"' % self.dir, ' server-count: 1', ' rrl-ratelimit: 0', ' ipv4-edns-size: 1232', 'remote-control:',
                ' control-enable: no']
        for name, text in zones.items():
            path = os.path.join(self.dir, (name or 'root') + '.zone')
            with open(path, 'w') as f:
                f.write('$ORIGIN %s.\n$TTL 60\n@ SOA ns.%s hostmaster.%s 1 60 60 6000 5\n%s\n' %
                        ((name,) + ((name + '.',) * 2 if name else ('',) * 2) + (text,)))
            if name in signed:
                self._sign(name, path)
                path += '.signed'
            conf += ['zone:', ' name: "%s."' % name, ' zonefile: "%s"' % path]
        with open(self.dir + '/conf', 'w') as f:
            f.write('\n'.join(conf) + '\n')
        cmd = ['/usr/sbin/nsd', '-d', '-c', self.dir + '/conf']
        self.proc = subprocess.Popen((['ip', 'netns', 'exec', netns] if netns else []) + cmd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not netns:
            def up():
                try:
                    socket.create_connection((address, self.port), 1).close()
                    return True
                except OSError:
                    return False
            wait_for('nsd', up)

    def _sign(self, name, path):
        keys = []
        for flag in ([], ['-k']):
            r = subprocess.run(['ldns-keygen', '-a', 'ECDSAP256SHA256', *flag, name], cwd=self.dir, capture_output=True, text=True, check=True)
            keys.append(r.stdout.strip())
        subprocess.run(['ldns-signzone', path, *keys], cwd=self.dir, check=True, capture_output=True)
        self.anchors.append(open(os.path.join(self.dir, keys[1] + '.ds')).read().strip())

    def close(self):
        self.proc.terminate()
        self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Engine:
    """A real scan engine on loopback (tools/engine): kind rspamd, clamd or spamd. stop() and start() keep port and directory."""

    ready = dict(rspamd=(b'GET /ping HTTP/1.0\r\n\r\n', b'pong'), clamd=(b'zPING\0', b'PONG'), spamd=(b'PING SPAMC/1.2\r\n\r\n', b'PONG'))

    def __init__(self, kind):
        self.kind, self.port, self.proc = kind, free_port(), None
        self.dir = tempfile.mkdtemp(prefix='postern-%s.' % kind)
        os.chmod(self.dir, 0o755)
        self.address = '127.0.0.1:%d' % self.port
        self.launch()

    def launch(self):
        """Begins to start; wait() waits until it answers: several start at the same time."""
        self.out = open(os.path.join(self.dir, 'out'), 'ab')
        self.proc = subprocess.Popen([os.path.join(TOP, 'tools', 'engine'), self.kind, os.path.join(self.dir, 'd'), str(self.port), 'quick'],
                                     stdout=self.out, stderr=self.out, stdin=subprocess.DEVNULL, start_new_session=True)

    def answers(self):
        question, answer = self.ready[self.kind]
        try:
            with socket.create_connection(('127.0.0.1', self.port), 2) as s:
                s.settimeout(5)
                s.sendall(question)
                got = b''
                while answer not in got:
                    part = s.recv(1000)
                    if not part:
                        return False
                    got += part
                return True
        except OSError:
            if self.proc.poll() is not None:
                raise AssertionError('%s ended: %s' % (self.kind, open(os.path.join(self.dir, 'out'), errors='replace').read()[-1000:]))
            return False

    def wait(self):
        wait_for('%s to answer' % self.kind, self.answers, 60)
        return self

    def password(self):
        return open(os.path.join(self.dir, 'd', 'password')).read().strip()

    def stop(self):
        """At once, with all of its processes."""
        if self.proc.poll() is None:
            os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait()
        self.out.close()

    def start(self):
        self.launch()
        return self.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Ca:
    """A certificate authority of the test, in a directory of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='postern-ca.')
        self.pem = os.path.join(self.dir, 'ca.crt')
        self._run('req', '-x509', '-nodes', '-days', '2', '-subj', '/CN=Test CA', *self._key('ca'), '-out', self.pem)

    def _run(self, *args):
        subprocess.run(['openssl', *args], cwd=self.dir, check=True, capture_output=True)

    def _key(self, name):
        return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', name + '.key']

    def context(self, *names, self_signed=False):
        """Server side TLS with a certificate for these DNS names."""
        n = names[0]
        san = 'subjectAltName=' + ','.join('DNS:' + x for x in names)
        signer = [] if self_signed else ['-CA', 'ca.crt', '-CAkey', 'ca.key']
        self._run('req', '-x509', '-nodes', '-days', '2', '-subj', '/CN=' + n, '-addext', san, '-addext', 'basicConstraints=critical,CA:FALSE',
                  *self._key(n), '-out', n + '.crt', *signer)
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(os.path.join(self.dir, n + '.crt'), os.path.join(self.dir, n + '.key'))
        return ctx

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Test:
    """Handed to each scenario: makes homes and sinks and ends them afterwards."""

    def __init__(self):
        self.things = []

    def home(self, *a, **kw):
        h = Home(*a, **kw)
        self.things.append(h)
        return h

    def sink(self, *a, **kw):
        s = Sink(*a, **kw)
        self.things.append(s)
        return s

    def nsd(self, *a, **kw):
        s = Nsd(*a, **kw)
        self.things.append(s)
        return s

    def end(self):
        for x in reversed(self.things):
            try:
                x.close()
            except (OSError, AssertionError) as e:
                print('  (at the end: %s)' % e)
