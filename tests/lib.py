"""What scenarios share: a home of the real program, a scripted SMTP client, a sink that records what arrives.

Everything runs on loopback ports below a base of its own, in a temporary directory that goes when the scenario ends. A
scenario is a function test_...(t) in tests/scenarios/*.py; its docstring is the sentence it shows and names requirements.
"""
import os, re, shutil, signal, socket, socketserver, ssl, subprocess, sys, tempfile, threading, time

from base import *
from peers import *


class Home:
    """A gateway of the real program. settings: 'path=value' strings on top of the lab's. build: directory of the executables.
    netns: it lives in this network namespace, with its usual ports on all addresses (no --lab)."""

    postern, role, netns = POSTERN, 'gateway', None

    def __init__(self, settings=(), sink_port=None, env=None, start=True, build=None, netns=None):
        self.postern = os.path.join(build, 'postern') if build else POSTERN
        self.base, self.netns = 0 if netns else free_base(), netns
        self.dir = tempfile.mkdtemp(prefix='postern-test.')
        self.home = os.path.join(self.dir, 'home')
        self.env = dict(os.environ, **(env or {}))
        args = [self.postern, 'init', '--home', self.home, '--role', self.role] + ([] if netns else ['--lab', str(self.base)])
        sets = self.first_settings() + list(settings)
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

    def first_settings(self):
        return []

    def inside(self, *argv):
        """A command line, in the namespace of this home when it has one."""
        return (['ip', 'netns', 'exec', self.netns] if self.netns else []) + [str(a) for a in argv]

    def start(self, env=None):
        self.err = open(os.path.join(self.dir, 'stderr'), 'ab')
        self.proc = subprocess.Popen(self.inside(self.postern, 'run', '--home', self.home), stdout=self.err, stderr=self.err,
                                     stdin=subprocess.DEVNULL, env=dict(self.env, **(env or {})), start_new_session=True)
        self.wait_up()

    def wait_up(self):
        def up():
            if self.proc.poll() is not None:
                raise AssertionError('postern run ended: %s' % self.stderr())
            if self.netns or self.role != 'gateway':
                return self.all_running()
            try:
                s = Smtp(self.smtp_port, timeout=5)
                s.close()
                return True
            except (OSError, EOFError):
                return False
        wait_for('the home to be up', up, 30)

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

    def cli(self, *words, check=True, answers=''):
        """The output of a command line; answers: lines for its questions."""
        r = subprocess.run(self.inside(self.postern, 'cli', '--home', self.home, *words), capture_output=True, text=True,
                           env=self.env, input=answers)
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

    def all_running(self):
        """Every role runs and every listening port is open (postern status)."""
        r = subprocess.run([self.postern, 'status', '--home', self.home], capture_output=True, text=True, env=self.env)
        rows = re.findall(r'(?m)^(\w+) +\d+ +\d+  (\w+)', r.stdout)
        return r.returncode == 0 and len(rows) > 6 and all(state == 'running' for _, state in rows)

    def set(self, *settings):
        return self.cli('settings', 'set', *settings)

    def passphrase(self, user='admin'):
        return re.search(r'login: %s +passphrase: (\S+)' % user, self.init_output).group(1)

    def roles(self):
        """{(role, index): pid} of the running roles."""
        r = subprocess.run([self.postern, 'status', '--home', self.home], capture_output=True, text=True, env=self.env)
        out = {}
        for m in re.finditer(r'(?m)^\s*(\w+)\s+(\d+)\s+(\d+)\s', r.stdout):
            out[m.group(1), int(m.group(2))] = int(m.group(3))
        return out


class Manager(Home):
    """A manager of the real program: no listeners, its services are reached on SSH, 6025 and 7025 (and its base)."""

    role = 'manager'

    def first_settings(self):
        return ['system.hostname=sma.manager.test']


def ssh_up(g):
    def answers():
        try:
            with socket.create_connection(('127.0.0.1', g.base + 22), 5) as s:
                return s.recv(8).startswith(b'SSH-2.0')
        except OSError:
            return False
    wait_for('the SSH port', answers, 30)


class Test:
    """Handed to each scenario: makes homes and sinks and ends them afterwards."""

    def __init__(self):
        self.things = []

    def home(self, *a, **kw):
        h = Home(*a, **kw)
        self.things.append(h)
        return h

    def manager(self, *a, **kw):
        m = Manager(*a, **kw)
        self.things.append(m)
        return m

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
