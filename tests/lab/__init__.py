"""The sync topologies as hosts of their own: gateways, a manager, a mail host and a name server, each a network namespace on its
own wire to a router with packet rules (netlab.py). A capture on the router says who opened what. Needs root.

    site = Site(t, 'T1')           T1: the manager in the cloud; T2: the gateways; T3: nobody
    site.manager, site.gateways    the real program on its usual ports
    site.opened()                  {(from, to, port)} of every TCP connection that was tried, by names of hosts
"""
import os, re, subprocess, sys, tempfile, time

import fake_rspamd, fleet, netlab
from lib import Home, Manager, TOP, wait_for

MANAGER, GATEWAYS, OUT, DNS = '198.51.100.10', ('192.0.2.11', '192.0.2.12'), '203.0.113.25', '203.0.113.53'
CLOUD_PORTS, ENGINE = '25, 587', 11333
QUICK = ['spool.segment_bytes=8M', 'spool.min_free_bytes=64M', 'spool.reserve_bytes=1M', 'dns.servers=' + DNS, 'dns.timeout_ms=2000', 'dns.dnssec=no',
         'delivery.connect_ms=2000', 'queue.connection_failure_wait_ms=500', 'roles.scan=1', 'roles.receive=1', 'roles.deliver=1']
ZONE = '''@ NS ns
ns A %s
mx A %s
sma A %s
gw1 A %s
gw2 A %s
rcpt MX 10 mx
''' % (DNS, OUT, MANAGER, *GATEWAYS)


class Site:
    """One topology, standing until the scenario ends. settings: of every gateway; manager: of the manager."""

    def __init__(self, t, topology, gateways=1, settings=(), manager=()):
        self.t, self.topology = t, topology
        names = ['gw%d' % (i + 1) for i in range(gateways)]
        self.address = dict(zip(names, GATEWAYS), sma=MANAGER, out=OUT, dns=DNS)
        self.net = netlab.Net(**self.address)
        t.things.append(self.net)
        self.dir = tempfile.mkdtemp(prefix='postern-site.')
        t.things.append(self)
        self.things = []
        self.rules(topology)
        self.capture_begin()
        t.nsd({'lab.test': ZONE, 'sender.test': '@ NS ns\nns A %s\n@ A %s\n' % (DNS, OUT)}, port=53, address=DNS, netns=self.net.ns('dns'))
        self.mail = os.path.join(self.dir, 'mail')
        self.things.append(self.net.popen('out', sys.executable, os.path.join(TOP, 'tools', 'sink'), 25, self.mail, '0.0.0.0',
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        cloud = {'T1': ['sma'], 'T2': names, 'T3': []}[topology]
        own = lambda name: ['system.hostname=%s.lab.test' % name, 'interface.Management.address=' + self.address[name],
                            'central.site=' + ('cloud' if name in cloud else 'external')] + QUICK
        self.manager = Manager(own('sma') + list(manager), netns=self.net.ns('sma'), start=False)
        t.things.append(self.manager)
        self.gateways = []
        for name in names:
            self.things.append(self.net.popen(name, sys.executable, fake_rspamd.__file__, ENGINE))
            g = Home(own(name) + ['user.admin.must_change=no', 'listener.InboundMail.rat=rcpt.lab.test ACCEPT,ALL REJECT', fleet.HOLD] +
                     fake_rspamd.engine_settings(ENGINE) + list(settings), netns=self.net.ns(name), start=False)
            g.name, g.address = name, self.address[name]
            t.things.append(g)
            self.gateways.append(g)
        for h in [self.manager] + self.gateways:
            h.start()
        self.gateway = self.gateways[0]

    # --- packet rules

    def rules(self, topology):
        """A cloud site lets in what it began itself and ports 25 and 587; everything may leave it. SSH of an external gateway is for
        the manager alone (HD-01)."""
        for name, address in self.address.items():
            if not self.in_cloud(name, topology):
                continue
            for rule in ('ct state established,related accept', 'tcp dport { %s } accept' % CLOUD_PORTS, 'counter drop'):
                self.rule('ip daddr %s %s' % (address, rule))
        for name, address in self.address.items():
            if name.startswith('gw') and not self.in_cloud(name, topology):
                self.rule('ip daddr %s tcp dport 22 ip saddr != %s counter drop' % (address, MANAGER))

    def in_cloud(self, name, topology=None):
        return {'T1': name == 'sma', 'T2': name.startswith('gw'), 'T3': False}[topology or self.topology]

    def rule(self, text):
        netlab.sh('nft', 'add rule inet fw forward ' + text, netns=self.net.router)

    def block(self, match, action='drop'):
        """Drops (or does otherwise with) what matches, in front of all other rules."""
        netlab.sh('nft', 'insert rule inet fw forward %s counter %s' % (match, action), netns=self.net.router)

    def unblock(self):
        """The rules of the topology alone."""
        netlab.sh('nft', 'flush chain inet fw forward', netns=self.net.router)
        self.rules(self.topology)

    # --- what happened on the wires

    def capture_begin(self):
        self.pcap = os.path.join(self.dir, 'router.pcap')
        self.tcpdump = subprocess.Popen(['ip', 'netns', 'exec', self.net.router, 'tcpdump', '-i', 'any', '-nn', '-U', '--immediate-mode', '-Z', 'root',
                                         '-w', self.pcap, 'tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn'], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.things.append(self.tcpdump)
        wait_for('the capture', lambda: os.path.exists(self.pcap) and os.path.getsize(self.pcap) > 0)
        self.seen = 0

    def opened(self, anew=False):
        """{(from, to, port)}: each connection that somebody tried to open, since the last call with `anew`."""
        out = subprocess.run(['tcpdump', '-nn', '-r', self.pcap], capture_output=True, text=True).stdout
        lines = re.findall(r'IP (\d+\.\d+\.\d+\.\d+)\.\d+ > (\d+\.\d+\.\d+\.\d+)\.(\d+): Flags \[S', out)
        name = {a: n for n, a in self.address.items()}
        got = {(name.get(a, a), name.get(b, b), int(port)) for a, b, port in lines[self.seen:]}
        if anew:
            self.seen = len(lines)
        return got

    def dropped(self):
        """How many packets the rules have dropped."""
        out = netlab.sh('nft', 'list', 'chain', 'inet', 'fw', 'forward', netns=self.net.router).stdout
        return sum(int(w) for a, w in zip(out.split(), out.split()[1:]) if a == 'packets')

    # --- doing

    def on(self, name, *cmd, **kw):
        return netlab.sh(*cmd, netns=self.net.ns(name), check=False, **kw)

    def port(self, host, to, port, seconds=2):
        """What a connection from host to that port meets: open, closed (a reset), filtered (nothing)."""
        r = self.on(host, sys.executable, '-c', 'import socket,sys\ntry: socket.create_connection(("%s",%d),%g)\n'
                    'except ConnectionRefusedError: sys.exit(3)\nexcept OSError: sys.exit(4)' % (self.address[to], port, seconds))
        return {0: 'open', 3: 'closed', 4: 'filtered'}[r.returncode]

    def banner(self, host, to, port):
        r = self.on(host, sys.executable, '-c', 'import socket\ns=socket.create_connection(("%s",%d),4)\nprint(s.makefile().readline().strip())' %
                    (self.address[to], port))
        return r.stdout.strip()

    def send(self, gateway, subject, sender='a@sender.test', to='b@rcpt.lab.test', body='hello'):
        r = self.on('out', 'swaks', '--server', self.address[gateway.name], '--from', sender, '--to', to, '--header', 'Subject: ' + subject,
                    '--body', body, '--timeout', '10')
        assert r.returncode == 0, r.stdout + r.stderr

    def delivered(self, text):
        """How many messages with this text arrived at the mail host."""
        if not os.path.isdir(self.mail):
            return 0
        return sum(text.encode() in open(os.path.join(self.mail, f), 'rb').read() for f in os.listdir(self.mail))

    def close(self):
        for p in self.things:
            p.terminate()
            p.wait()
        if not os.environ.get('POSTERN_KEEP'):
            subprocess.run(['rm', '-rf', self.dir])
