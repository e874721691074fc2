"""The firewall table's mail rows between real hosts: allowed it works; blocked only this function fails, and is named."""
import os, re, subprocess, sys, tempfile, time
from lib import *
import netlab

GW, OUT, ROOT, FWD = '192.0.2.10', '198.51.100.20', '198.41.0.4', '203.0.113.53'
FAST = ['bounce_profile.default.retry_first_ms=500', 'bounce_profile.default.retry_max_ms=1000', 'queue.connection_failure_wait_ms=500',
        'delivery.connect_ms=1000', 'dns.timeout_ms=2000', 'receiving.dns_deadline_ms=1000']


class LabHome(Home):
    """A gateway without --lab: on port 25 of a host of its own, started as root."""

    def __init__(self, net, settings):
        self.net, self.env = net, dict(os.environ)
        self.dir = tempfile.mkdtemp(prefix='postern-lab.')
        os.chmod(self.dir, 0o755)
        self.home = os.path.join(self.dir, 'home')
        args = [POSTERN, 'init', '--home', self.home, '--role', 'gateway']
        for s in ['system.hostname=gw.example', 'interface.Management.address=' + GW, 'spool.segment_bytes=8M', 'spool.min_free_bytes=64M',
                  'spool.reserve_bytes=1M'] + list(settings):
            args += ['--set', s]
        r = subprocess.run(args, capture_output=True, text=True)
        assert r.returncode == 0, r.stdout + r.stderr
        self.init_output = r.stdout
        self.err = open(os.path.join(self.dir, 'stderr'), 'ab')
        self.proc = net.popen('gw', POSTERN, 'run', '--home', self.home, stdout=self.err, stderr=self.err, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_for('the SMTP port', lambda: self.proc.poll() is None and
                 netlab.sh('sh', '-c', 'ss -Hltn sport = :25 | grep -q .', netns=net.ns('gw'), check=False).returncode == 0, 20)


def swaks(net, host, server, to, *more):
    return netlab.sh('swaks', '--server', server, '--from', 'a@sender.example', '--to', to, '--timeout', '4', *more, netns=net.ns(host), check=False)


def remote_sink(net, host, directory):
    return net.popen(host, sys.executable, os.path.join(TOP, 'tools', 'sink'), 25, directory, '0.0.0.0', stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL)


def kept(directory):
    return [open(os.path.join(directory, f), 'rb').read() for f in sorted(os.listdir(directory))] if os.path.isdir(directory) else []


ZONES = {'': '@ NS root\nroot A %s\nexample NS ns.example.\nns.example. A %s\n' % (ROOT, ROOT),
         'example': '@ NS ns\nns A %s\nrcpt MX 10 mx\nmx A %s\nsender A %s\nlate MX 10 mx\nbig MX 10 mx\n%s' %
         (ROOT, OUT, OUT, ''.join('big MX %d host-with-a-long-name-%d.somewhere\n' % (20 + i, i) for i in range(60)))}


def lab(t, settings=()):
    net = netlab.Net(gw=GW, out=OUT, root=ROOT, fwd=FWD)
    t.things.append(net)
    t.nsd(ZONES, port=53, address=ROOT, netns=net.ns('root'))
    time.sleep(0.5)
    mail = tempfile.mkdtemp(prefix='postern-sink.')
    hints = mail + '.hints'
    with open(hints, 'w') as f:
        f.write('. 3600 NS root.\nroot. 3600 A %s\n' % ROOT)
    sink = remote_sink(net, 'out', mail)
    g = LabHome(net, ['listener.InboundMail.rat=rcpt.example ACCEPT,big.example ACCEPT,late.example ACCEPT,ALL REJECT', 'dns.root_hints_file=' + hints,
                      'dns.dnssec=no', *settings] + FAST)
    t.things.append(g)

    class Stop:
        def close(self):
            sink.terminate()
            sink.wait()
            subprocess.run(['rm', '-rf', mail, hints])
    t.things.append(Stop())
    return net, g, mail


def test_sending_receiving_and_names(t):
    """FW-05, FW-06, FW-07: mail comes in on 25 from outside, names are resolved from the roots, it goes out on 25. Blocked
    one by one: only that function fails, the log names host and port, and nothing is lost."""
    net, g, mail = lab(t)
    r = swaks(net, 'out', GW, 'b@rcpt.example')
    assert r.returncode == 0, r.stdout
    wait_for('the mail outside', lambda: len(kept(mail)) == 1)
    # a large answer does not fit into UDP: TCP 53 is used
    r = swaks(net, 'out', GW, 'b@big.example')
    assert r.returncode == 0, r.stdout
    wait_for('the second mail', lambda: len(kept(mail)) == 2)
    # a bounce (null sender) is ordinary incoming mail
    r = netlab.sh('swaks', '--server', GW, '--from', '<>', '--to', 'b@rcpt.example', netns=net.ns('out'), check=False)
    assert r.returncode == 0, r.stdout
    wait_for('the bounce', lambda: len(kept(mail)) == 3)
    # FW-05 blocked (once no kept connection is left): sending waits, receiving goes on
    wait_for('kept connections to close', lambda: g.log().count('New SMTP DCID') == len(re.findall(r'DCID \d+ close', g.log())))
    net.block('ip saddr %s tcp dport 25' % GW)
    assert swaks(net, 'out', GW, 'b@rcpt.example').returncode == 0
    g.wait_log(r'Connection Error: DCID \d+ domain: rcpt\.example IP: %s port: 25' % re.escape(OUT), seconds=25)
    assert net.unblock() > 0
    wait_for('the waiting mail', lambda: len(kept(mail)) == 4, 30)
    # FW-06 blocked: nobody gets in, nothing else suffers
    net.block('ip daddr %s tcp dport 25' % GW)
    assert swaks(net, 'out', GW, 'b@rcpt.example').returncode != 0
    assert net.unblock() > 0
    # FW-07 blocked: mail waits as a temporary failure that names DNS
    g.cli('dnsflush')
    net.block('ip daddr %s udp dport 53' % ROOT)
    net.block('ip daddr %s tcp dport 53' % ROOT)
    time.sleep(1)
    assert swaks(net, 'out', GW, 'b@late.example').returncode == 0
    g.wait_log(r'DNS Temporary Failure late\.example', seconds=30)
    assert net.unblock() > 0
    g.cli('delivernow', 'all')
    wait_for('the mail after DNS', lambda: len(kept(mail)) == 5, 60)


def test_names_by_forwarders(t):
    """FW-07: the same by a resolver outside (a forwarder) in place of the roots."""
    net, g, mail = lab(t, ['dns.servers=' + FWD])
    # the forwarder here is a second name server that knows the zone and answers as a resolver would
    t.nsd(ZONES, port=53, address=FWD, netns=net.ns('fwd'))
    net.block('ip daddr %s udp dport 53' % ROOT)
    net.block('ip daddr %s tcp dport 53' % ROOT)
    time.sleep(0.5)
    assert swaks(net, 'out', GW, 'b@rcpt.example').returncode == 0
    wait_for('the mail', lambda: len(kept(mail)) == 1, 30)


test_sending_receiving_and_names.needs_root = True
test_names_by_forwarders.needs_root = True
