"""What a gateway or manager talks to in scenarios: a sink, a scripted SMTP client, name servers, scan engines, authorities."""
import os, re, shutil, signal, socket, socketserver, ssl, subprocess, tempfile, threading, time

from base import TOP, free_port, wait_for


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


class FakeEngine:
    """An engine that says what it is told: `answer` is bytes, None for silence, b'' to close at once."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0
        self.s = socket.create_server(('127.0.0.1', 0))
        self.address = '127.0.0.1:%d' % self.s.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(c,), daemon=True).start()

    def talk(self, c):
        self.asked += 1
        try:
            if c.recv(65536) and self.answer:
                c.sendall(self.answer)
            if self.answer is None:
                time.sleep(20)
            c.shutdown(socket.SHUT_WR)
            while c.recv(65536):
                pass
        except OSError:
            pass
        c.close()

    def close(self):
        self.s.close()


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
