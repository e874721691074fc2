"""A person at a terminal: a program on a pseudo terminal, what it shows, and what is typed."""
import fcntl, os, pty, re, select, signal, struct, subprocess, termios, time


class Terminal:
    """Runs argv on a pty. expect(pattern) waits for a regular expression in what was not yet read and returns the text up to
    its end; CRLF is shown as it came. `rows` is the height of the window (1000: no pages)."""

    def __init__(self, argv, env=None, rows=1000, columns=200):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ['TERM'] = 'vt100'
            os.environ.update(env or {})
            os.execvp(argv[0], argv)
        self.resize(rows, columns)
        self.text, self.all = '', ''

    def resize(self, rows, columns=200):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536).decode('utf-8', 'replace')
        except OSError:
            data = ''
        if not data:
            raise EOFError('the program ended after %r' % self.all[-500:])
        self.text += data
        self.all += data
        return True

    def expect(self, pattern, seconds=15):
        end = time.monotonic() + seconds
        while True:
            m = re.search(pattern, self.text)
            if m:
                got, self.text = self.text[:m.end()], self.text[m.end():]
                return got
            if time.monotonic() > end:
                raise AssertionError('waited %gs for %r, got %r' % (seconds, pattern, self.text[-2000:]))
            self._read(0.2)

    def type(self, keys):
        os.write(self.fd, keys.encode() if isinstance(keys, str) else keys)

    def say(self, line, pattern=r'> $', seconds=15):
        """Types a line; returns what is shown up to the next prompt or question."""
        self.type(line + '\r')
        self.expect(r'\r\n')
        return self.expect(pattern, seconds)

    def ended(self, seconds=10):
        """Waits for the end; the exit status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self._read(0.1)
            except EOFError:
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError('did not end: %r' % self.all[-500:])

    def close(self):
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        os.close(self.fd)


def console(t, g, *more, **kw):
    """A person at `postern cli` of g, at its first prompt."""
    c = Terminal([g.postern, 'cli', '--home', g.home, *more], env=g.env, **kw)
    t.things.append(c)
    c.expect(r'> $')
    return c


def run(g, *words, stdin='', user=None):
    """Exec mode with answers on standard input: (exit status, what was shown)."""
    r = subprocess.run([g.postern, 'cli', '--home', g.home, *(['--user', user] if user else []), *words], input=stdin,
                       capture_output=True, text=True, env=g.env)
    return r.returncode, r.stdout + r.stderr


def ok(g, *words, **kw):
    """The same for a command that must succeed: what was shown."""
    rc, out = run(g, *words, **kw)
    assert rc == 0, (words, out)
    return out
