"""connectivity: each outgoing path tried, each failure told apart with the words of whoever failed; the central services' lines."""
import json, socket, struct

from lib import *


class Listener:
    """A server on a free port: says `first` to whoever comes, then what `answer(line)` returns; None = a reset."""

    def __init__(self, first=b'', answer=None, port=0):
        self.s = socket.create_server(('127.0.0.1', port))
        self.port, self.first, self.answer = self.s.getsockname()[1], first, answer
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(c,), daemon=True).start()

    def talk(self, c):
        try:
            if self.first is None:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                c.close()
                return
            c.sendall(self.first)
            for line in c.makefile('rb'):
                if self.answer:
                    c.sendall(self.answer(line))
        except OSError:
            pass

    def close(self):
        self.s.close()


def probes(g, *words):
    return json.loads(g.cli('connectivity', *words, '--json', check=False))


def test_each_failure_is_told_apart(t):
    """Every result of the list but those that need a firewall: ok, dns, refused, reset, no_banner, wrong_banner, tls, peer, off; the
    peer's words with it, and the exit status says whether something failed."""
    dns = t.nsd({'example.test': '@ NS ns\nns A 127.0.0.1\nhere A 127.0.0.1\n'})
    g = t.home(['dns.servers=127.0.0.1@%d' % dns.port, 'system.hostname=gw.example.test'])
    http = Listener(answer=lambda line: b'HTTP/1.1 200 fine\r\n\r\n' if line == b'\r\n' else b'')
    ssh, silent, reset = Listener(b'SSH-2.0-OpenSSH_9.2\r\n'), Listener(), Listener(None)
    no, wrong = Listener(b'554 5.7.1 not you\r\n'), Listener(b'+OK a post office\r\n')
    closed = free_port()
    t.things += [http, ssh, silent, reset, no, wrong]
    g.set('service_host.downloads.hosts=here.example.test', 'service_host.downloads.port=%d' % http.port,
          'service_host.updates.hosts=nowhere.example.test', 'service_host.updatecheck.hosts=127.0.0.1', 'service_host.updatecheck.port=%d' % ssh.port,
          'service_host.manifest_hw.hosts=127.0.0.1', 'service_host.manifest_hw.port=%d' % closed,
          'service_host.tunnel_all.hosts=127.0.0.1', 'service_host.tunnel_all.port=%d' % ssh.port,
          'service_host.tunnel_c.hosts=127.0.0.1', 'service_host.tunnel_c.port=%d' % silent.port,
          'service_host.tunnel_s.hosts=127.0.0.1', 'service_host.tunnel_s.port=%d' % wrong.port,
          'route[a.test].hosts=127.0.0.1:%d' % no.port, 'route[b.test].hosts=127.0.0.1:%d' % reset.port)

    def one(word, port=None):
        rows = [p for p in probes(g, word)['probes'] if port in (None, p['port'])]
        assert len(rows) == 1, rows
        return rows[0]['result'], rows[0]['text']

    assert one('downloads') == ('ok', 'HTTP/1.1 200 fine')
    assert one('updates')[0] == 'dns' and 'nowhere.example.test' in one('updates')[1]
    assert one('updatecheck')[0] == 'tls'
    assert one('manifest_hw') == ('refused', 'Connection refused')
    assert one('tunnel_all') == ('ok', 'SSH-2.0-OpenSSH_9.2')
    assert one('tunnel_c')[0] == 'no_banner'
    assert one('tunnel_s') == ('wrong_banner', '+OK a post office')
    assert one('FW-05', no.port) == ('peer', '554 5.7.1 not you')
    assert one('FW-05', reset.port)[0] == 'reset'
    assert one('FW-20') == ('off', 'this service is off')
    assert one('FW-07')[0] == 'ok'
    assert subprocess.run([g.postern, 'cli', '--home', g.home, 'connectivity', 'downloads'], capture_output=True).returncode == 0
    assert subprocess.run([g.postern, 'cli', '--home', g.home, 'connectivity', 'updates'], capture_output=True).returncode == 1
    line = g.cli('connectivity', '127.0.0.1', str(g.smtp_port))
    assert re.search(r'127\.0\.0\.1:%d +127\.0\.0\.1 +ok +\d+ ms  220 gw\.example\.test' % g.smtp_port, line), line
    assert len(probes(g, 'tunnel')['probes']) > 6         # hosts without a port of their own: all six
    assert 'Invalid arguments' in g.cli('connectivity', 'nothing', check=False)


def test_services_of_a_gateway(t):
    """FW-45, FW-46 and what connectivity says of them on a gateway: a port that nobody answers, one that is no CPQ server, one whose
    STARTTLS was taken out on the way; the queue where the mail waits is named. firewallinfo has the ports."""
    g = t.home()
    closed, plain = free_port(), t.sink()
    stripped = t.sink(extensions=('PIPELINING', 'XCPQ 1'))
    g.set('manager.sma.address=127.0.0.1', 'manager.sma.destination=yes', 'manager.sma.spam_port=%d' % closed, 'manager.sma.pvo_port=%d' % plain.port)
    services = {x['service']: x for x in probes(g, 'services')['services']}
    spam, pvo = services['Spam quarantine'], services['Policy, virus, outbreak quarantine']
    assert (spam['result'], spam['opened_by'], spam['port'], spam['works']) == ('refused', 'gateway', closed, False), spam
    assert 'the.euq.queue' in spam['text']
    assert pvo['result'] == 'wrong_banner' and 'the.cpq.host' in pvo['text'], pvo
    assert services['Tracking']['opened_by'] == services['Reporting']['opened_by'] == 'manager'
    g.set('manager.sma.pvo_port=%d' % stripped.port)
    pvo = [x for x in probes(g, 'FW-46')['services'] if x['service'].startswith('Policy')][0]
    assert pvo['result'] == 'tls' and 'TLS removed on the way' in pvo['text'], pvo
    info = g.cli('firewallinfo')
    assert re.search(r'(?m)^%d +TCP +out +127\.0\.0\.1 \(sma\) +spam quarantine' % closed, info), info
    assert re.search(r'(?m)^%d +TCP +out +127\.0\.0\.1 \(sma\) +policy, virus and outbreak' % stripped.port, info), info
    g.set('manager.sma.link=only', 'manager.sma.link_ports=tls:8443')
    info = g.cli('firewallinfo')
    assert re.search(r'(?m)^8443 +TCP +out +127\.0\.0\.1 \(sma\) +link', info) and 'spam quarantine' not in info.split('link')[0], info
