"""The programs that bench/run compares: each is started in a fresh directory, listens on one loopback port and relays
everything to another. CPU is that of the whole process family (a cgroup where there is one, else /proc)."""
import glob, os, re, shutil, signal, socket, subprocess, tempfile, time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICK = os.sysconf('SC_CLK_TCK')


def free_ports(n, start=[11000]):
    """n free loopback ports in a row."""
    while True:
        base, start[0] = start[0], start[0] + 1100
        if start[0] > 30000:
            start[0] = 11000
        try:
            for p in range(base, base + n):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(('127.0.0.1', p))
                s.close()
            return base
        except OSError:
            pass


def greets(port):
    try:
        with socket.create_connection(('127.0.0.1', port), 2) as s:
            s.settimeout(5)
            ok = s.recv(200).startswith(b'220')
            s.sendall(b'QUIT\r\n')
            s.recv(200)
            return ok
    except OSError:
        return False


def children(pid):
    """pid and all its descendants."""
    parents = {}
    for d in glob.glob('/proc/[0-9]*/stat'):
        try:
            f = open(d).read()
        except OSError:
            continue
        parents.setdefault(int(f.rsplit(')', 1)[1].split()[1]), []).append(int(f.split(' ', 1)[0]))
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += parents.get(p, [])
    return out


class Sink:
    """smtp-sink -c: its counter line is read from a file."""

    def __init__(self):
        self.port = free_ports(1)
        self.file = tempfile.NamedTemporaryFile(prefix='postern-sink.')
        user = ['-u', 'nobody'] if os.geteuid() == 0 else []
        self.proc = subprocess.Popen(['/usr/sbin/smtp-sink', '-c', *user, '127.0.0.1:%d' % self.port, '2000'], stdout=self.file, stderr=subprocess.DEVNULL,
                                     stdin=subprocess.DEVNULL)
        while not greets(self.port):
            time.sleep(0.05)
        self.zero = self._count()

    def _count(self):
        with open(self.file.name, 'rb') as f:
            f.seek(max(0, os.path.getsize(self.file.name) - 400))
            m = re.findall(rb'mesg=(\d+)', f.read())
        return int(m[-1]) if m else 0

    def count(self):
        return self._count() - self.zero

    def cpu(self):
        f = open('/proc/%d/stat' % self.proc.pid).read().rsplit(')', 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf('SC_CLK_TCK')

    def close(self):
        self.proc.terminate()
        self.proc.wait()


class Peer:
    name = '?'

    def __init__(self, options=None):
        self.options = options or {}
        self.dir = tempfile.mkdtemp(prefix='postern-bench.')
        os.chmod(self.dir, 0o755)
        self.sink_port = self.options.get('sink_port', 9)
        self.cgroup = None
        for base in ('/sys/fs/cgroup/cpuacct', '/sys/fs/cgroup'):
            path = '%s/postern-bench.%d' % (base, os.getpid())
            try:
                if os.path.exists(base + '/cgroup.procs') or base.endswith('cpuacct'):
                    os.makedirs(path, exist_ok=True)
                    if os.path.exists(path + '/cgroup.procs'):
                        self.cgroup = path
                        break
            except OSError:
                pass
        self.proc = None

    def _join(self):
        if self.cgroup:
            with open(self.cgroup + '/cgroup.procs', 'w') as f:
                f.write(str(os.getpid()))

    def start(self):
        self.log = open(self.dir + '/driver.log', 'ab')
        self.proc = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                     start_new_session=True, preexec_fn=self._join)
        end = time.time() + 60
        while not greets(self.port):
            if self.proc.poll() is not None or time.time() > end:
                raise RuntimeError('%s did not start: %s' % (self.name, open(self.dir + '/driver.log', errors='replace').read()[-2000:]))
            time.sleep(0.05)
        return self

    def pids(self):
        if self.cgroup:
            return [int(x) for x in open(self.cgroup + '/cgroup.procs').read().split()]
        return children(self.proc.pid)

    def cpu(self):
        """CPU seconds used by the family so far."""
        if self.cgroup and os.path.exists(self.cgroup + '/cpuacct.usage'):
            return int(open(self.cgroup + '/cpuacct.usage').read()) / 1e9
        if self.cgroup and os.path.exists(self.cgroup + '/cpu.stat'):
            return int(re.search(r'usage_usec (\d+)', open(self.cgroup + '/cpu.stat').read()).group(1)) / 1e6
        total = 0
        for p in self.pids():
            try:
                f = open('/proc/%d/stat' % p).read().rsplit(')', 1)[1].split()
                total += sum(int(x) for x in f[11:15])
            except OSError:
                pass
        return total / TICK

    def by_process(self):
        """{name: CPU seconds} of the running processes."""
        out = {}
        for p in self.pids():
            try:
                f = open('/proc/%d/stat' % p).read()
                name, rest = f[f.index('(') + 1:f.rindex(')')], f.rsplit(')', 1)[1].split()
                out[name] = out.get(name, 0) + (int(rest[11]) + int(rest[12])) / TICK
            except OSError:
                pass
        return out

    def memory(self):
        """PSS of the family in MiB."""
        total = 0
        for p in self.pids():
            try:
                m = re.search(r'(?m)^Pss:\s+(\d+)', open('/proc/%d/smaps_rollup' % p).read())
                total += int(m.group(1)) if m else 0
            except OSError:
                pass
        return total / 1024

    def stop(self, sig=signal.SIGTERM):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(20)
            except subprocess.TimeoutExpired:
                pass
        for s in (signal.SIGTERM, signal.SIGKILL):
            for _ in range(30):
                left = self.pids() if self.cgroup else []
                if not left:
                    break
                for p in left:                     # all of them were started by us
                    try:
                        os.kill(p, s)
                    except OSError:
                        pass
                time.sleep(0.05)

    def close(self):
        self.stop()
        if self.cgroup:
            for _ in range(40):
                try:
                    os.rmdir(self.cgroup)
                    break
                except OSError:
                    time.sleep(0.05)
        shutil.rmtree(self.dir, ignore_errors=True)


# What the peers without SPF, DKIM and DMARC do not do either.
UNJUDGED = ['authentication.%s=no' % k for k in ('spf', 'dkim', 'dmarc', 'arc', 'add_header')]


def start_rspamd(d, port, milter):
    """Debian's rspamd with two workers, off-line: a milter by itself, or asked by HTTP. The same rules either way."""
    c = d + '/rspamd/etc'
    for sub in ('/etc/local.d', '/etc/override.d', '/db', '/run', '/log'):
        os.makedirs(d + '/rspamd' + sub)
    files = {'options.inc': 'local_addrs = []; dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }',
             'logging.inc': 'type = "file"; filename = "%s/rspamd/log/rspamd.log"; level = "notice";' % d,
             'worker-controller.inc': 'bind_socket = "127.0.0.1:%d";' % (port + 1), 'worker-fuzzy.inc': 'enabled = false;',
             'worker-proxy.inc': 'enabled = false;', 'worker-normal.inc': 'bind_socket = "127.0.0.1:%d"; count = 2;' % port}
    if milter:
        files['worker-normal.inc'] = 'enabled = false;'
        files['worker-proxy.inc'] = ('bind_socket = "127.0.0.1:%d"; milter = yes; timeout = 120s; count = 2; '
                                     'upstream "local" { default = yes; self_scan = yes; }' % port)
    for m in ('rbl surbl spf dkim dkim_signing dmarc arc asn mx_check fuzzy_check greylist ratelimit replies history_redis neural url_redirector '
              'reputation known_senders bimi p0f redis').split():
        files[m + '.conf'] = 'enabled = false;'
    for name, text in files.items():
        open('%s/local.d/%s' % (c, name), 'w').write(text + '\n')
    for sub in ('db', 'run', 'log'):
        shutil.chown('%s/rspamd/%s' % (d, sub), '_rspamd', '_rspamd')
    proc = subprocess.Popen(['/usr/bin/rspamd', '-f', '-u', '_rspamd', '-g', '_rspamd', '--var=LOCAL_CONFDIR=' + c, '--var=DBDIR=%s/rspamd/db' % d,
                             '--var=RUNDIR=%s/rspamd/run' % d, '--var=LOGDIR=%s/rspamd/log' % d], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + 90
    while time.time() < end:
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            break
        except OSError:
            time.sleep(0.2)
    time.sleep(5)                                  # patterns are being compiled
    return proc


class Postern(Peer):
    name = 'postern'

    def __init__(self, options=None):
        super().__init__(options)
        self.base = free_ports(700)
        self.port = self.base + 25
        self.home = self.dir + '/home'
        o = self.options
        sets = ['route[ALL].hosts=127.0.0.1:%d' % self.sink_port, 'listener.InboundMail.rat=ALL ACCEPT', 'receiving.reverse_dns=no',
                'listener.InboundMail.proxy_from=', 'spool.segment_bytes=64M', 'receiving.max_connections=20000', 'listener.InboundMail.max_connections=20000',
                'mail_flow_policy.ACCEPTED.max_connections=20000', 'mail_flow_policy.ACCEPTED.max_messages=0',
                'destination.default.max_messages_per_connection=1000', 'destination.default.max_connections=20']
        if o.get('cert'):
            sets += ['certificate.Bench.cert_file=keys/bench.crt', 'certificate.Bench.key_file=keys/bench.key', 'listener.InboundMail.certificate=Bench']
        args = [TOP + '/build/postern', 'init', '--home', self.home, '--role', 'gateway', '--lab', str(self.base)]
        for s in sets + UNJUDGED + o.get('sets', []):
            args += ['--set', s]
        subprocess.run(args, check=True, stdout=subprocess.DEVNULL)
        if o.get('cert'):
            shutil.copy(o['cert'], self.home + '/keys/bench.crt')
            shutil.copy(o['key'], self.home + '/keys/bench.key')

    def command(self):
        return [TOP + '/build/postern', 'run', '--home', self.home]

    def cli(self, *words):
        return subprocess.run([TOP + '/build/postern', 'cli', '--home', self.home, *words], capture_output=True, text=True).stdout

    def hold(self):
        self.cli('suspenddel', '0')


class Postfix(Peer):
    """Debian's Postfix with an instance of its own. Durable as delivered: each message is synced before its 250."""
    name = 'postfix'
    main = ''

    def __init__(self, options=None):
        super().__init__(options)
        self.port = free_ports(3)
        o, d = self.options, self.dir
        for sub in ('etc', 'spool', 'data'):
            os.makedirs('%s/%s' % (d, sub))
        shutil.chown(d + '/data', 'postfix')
        lines = ['compatibility_level = 3.6', 'queue_directory = %s/spool' % d, 'data_directory = %s/data' % d, 'mail_owner = postfix',
                 'setgid_group = postdrop', 'daemon_directory = /usr/lib/postfix/sbin', 'command_directory = /usr/sbin',
                 'meta_directory = /etc/postfix', 'shlib_directory = /usr/lib/postfix', 'myhostname = mx.bench.test', 'mydestination =',
                 'inet_interfaces = 127.0.0.1', 'inet_protocols = ipv4', 'mynetworks = 127.0.0.0/8', 'alias_maps =', 'alias_database =',
                 'local_recipient_maps =', 'relayhost = [127.0.0.1]:%d' % self.sink_port, 'message_size_limit = 52428800',
                 'maillog_file_prefixes = ' + d, 'maillog_file = %s/mail.log' % d]
        limit = '-'
        if o.get('hold'):
            lines.append('smtpd_client_restrictions = static:HOLD')
        if o.get('cert'):
            lines += ['smtpd_tls_security_level = may', 'smtpd_tls_cert_file = ' + o['cert'], 'smtpd_tls_key_file = ' + o['key']]
        if o.get('sessions', 0) > 90:
            limit = str(o['sessions'] + 200)
        if o.get('idle'):
            lines.append('default_process_limit = %d' % (o['idle'] + 300))
            limit = str(o['idle'] + 200)
        services = ['127.0.0.1:%d inet n - n - %s smtpd' % (self.port, limit)]
        services += ['pickup unix n - n 60 1 pickup', 'cleanup unix n - n - 0 cleanup', 'qmgr unix n - n 300 1 qmgr', 'tlsmgr unix - - n 1000? 1 tlsmgr',
                     'rewrite unix - - n - - trivial-rewrite', 'bounce unix - - n - 0 bounce', 'defer unix - - n - 0 bounce',
                     'trace unix - - n - 0 bounce', 'verify unix - - n - 1 verify', 'flush unix n - n 1000? 0 flush',
                     'proxymap unix - - n - - proxymap', 'proxywrite unix - - n - 1 proxymap', 'smtp unix - - n - - smtp',
                     'relay unix - - n - - smtp', 'showq unix n - n - - showq', 'error unix - - n - - error', 'retry unix - - n - - error',
                     'discard unix - - n - - discard', 'anvil unix - - n - 1 anvil', 'scache unix - - n - 1 scache',
                     'postlog unix-dgram n - n - 1 postlogd']
        open(d + '/etc/main.cf', 'w').write('\n'.join(lines) + '\n' + self.main)
        open(d + '/etc/master.cf', 'w').write('\n'.join(services) + '\n')

    def command(self):
        return ['/usr/sbin/postfix', '-c', self.dir + '/etc', 'start-fg']

    def hold(self):
        pass                                       # options['hold'] did it


class PostfixTuned(Postfix):
    """The best settings found for a busy relay on a small machine: reused connections, no per-client bookkeeping."""
    name = 'postfix-tuned'
    main = '\n'.join(['in_flow_delay = 0', 'max_use = 10000', 'smtpd_peername_lookup = no', 'smtpd_client_connection_count_limit = 0',
                      'smtpd_client_connection_rate_limit = 0', 'local_header_rewrite_clients =', 'smtp_connection_cache_on_demand = yes',
                      'smtp_connection_cache_destinations = 127.0.0.1', 'smtp_connection_reuse_count_limit = 1000',
                      'smtp_destination_concurrency_limit = 20', 'initial_destination_concurrency = 10',
                      'qmgr_message_active_limit = 40000', ''])


class PosternRspamd(Postern):
    """With rspamd as engine, asked for every message."""
    name = 'postern-rspamd'

    def __init__(self, options=None):
        port = free_ports(2)
        super().__init__(dict(options or {}, sets=['antispam.enabled=yes', 'antispam.rspamd_address=127.0.0.1:%d' % port,
                                                   'antispam.rspamd_controller=127.0.0.1:%d' % (port + 1), 'roles.scan=4']))
        self.engine = start_rspamd(self.dir, port, False)

    def close(self):
        self.engine.terminate()
        self.engine.wait()
        super().close()


class PostfixRspamd(PostfixTuned):
    """Postfix (tuned) with rspamd as milter."""
    name = 'postfix-rspamd'

    def __init__(self, options=None):
        port = free_ports(2)
        self.main = PostfixTuned.main + '\n'.join(['smtpd_milters = inet:127.0.0.1:%d' % port, 'milter_default_action = tempfail', 'milter_protocol = 6', ''])
        super().__init__(options)
        self.engine = start_rspamd(self.dir, port, True)

    def close(self):
        self.engine.terminate()
        self.engine.wait()
        super().close()


PEERS = {p.name: p for p in (Postern, Postfix, PostfixTuned, PosternRspamd, PostfixRspamd)}
