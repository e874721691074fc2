"""Towards the next hop: MTA-STS, TLS modes, AUTH, BINARYMIME by BDAT, IPv6. The peers are real: TLS, HTTPS, nsd."""
import base64, http.server, os, re, ssl, subprocess, tempfile, threading, time
from lib import *

OPEN = 'listener.InboundMail.rat=ALL ACCEPT'
FAST = ['bounce_profile.default.retry_first_ms=300', 'bounce_profile.default.retry_max_ms=600', 'queue.connection_failure_wait_ms=300']


class Policies:
    """An HTTPS server of MTA-STS policies: {host name: text}."""

    def __init__(self, ctx, files, address):
        policies = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers['Host'].split(':')[0]
                policies.asked.append((host, self.path))
                text = files.get(host, '').encode()
                self.send_response(200 if text and self.path == '/.well-known/mta-sts.txt' else 404)
                self.send_header('Content-Type', 'text/plain')
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.port = self.server.server_address[1]
        self.server.socket = ctx.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def ca(t):
    c = Ca()
    t.things.append(c)
    return c


def all_logs(g):
    text = ''
    for d, _, files in os.walk(os.path.join(g.home, 'log')):
        for f in files:
            text += open(os.path.join(d, f), 'rb').read().decode('utf-8', 'replace')
    return text + g.stderr()


def policy(mode, mx):
    return 'version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 86400\r\n' % (mode, mx)


def test_mta_sts(t):
    """FW-07, RFC 8461: with a policy in force only its hosts get mail, and only with a certificate for their own name; a
    policy in testing and a domain whose policy cannot be had are delivered to all the same."""
    authority = ca(t)
    good = t.sink(tls=authority.context('mx.example'), address='127.0.0.2')
    evil = t.sink(port=good.port, tls=authority.context('evil.example'), address='127.0.0.3')
    wrong = t.sink(port=good.port, tls=authority.context('wrong.example'), address='127.0.0.4')
    plain = t.sink(port=good.port, address='127.0.0.6')
    domains = ('right', 'mixed', 'only', 'wrong', 'clear', 'bare', 'probe')
    files = {'right': policy('enforce', 'mx.example'), 'mixed': policy('enforce', 'mx.example'), 'only': policy('enforce', '*.other.example'),
             'wrong': policy('enforce', 'mxw.example'), 'clear': policy('enforce', 'mxc.example'), 'bare': policy('enforce', 'mx.example'),
             'probe': policy('testing', 'mx.example')}
    https = Policies(authority.context(*['mta-sts.%s.example' % d for d in domains]), {'mta-sts.%s.example' % d: p for d, p in files.items()}, '127.0.0.5')
    t.things.append(https)
    nsd = t.nsd({'example': '@ NS ns\nns A 127.0.0.1\nmx A 127.0.0.2\nevil A 127.0.0.3\nmxw A 127.0.0.4\nmxc A 127.0.0.6\n'
                 'right MX 10 mx\nmixed MX 5 evil\n MX 10 mx\nonly MX 5 evil\nwrong MX 10 mxw\nclear MX 10 mxc\nbare A 127.0.0.6\nprobe MX 10 mxc\nlost MX 10 mxc\n' +
                 ''.join('_mta-sts.%s TXT "v=STSv1; id=1;"\nmta-sts.%s A 127.0.0.5\n' % (d, d) for d in domains) +
                 '_mta-sts.lost TXT "v=STSv1; id=1;"\nmta-sts.lost A 127.0.0.5\n'})
    g = t.home([OPEN, 'delivery.port=%d' % good.port, 'dns.sts_port=%d' % https.port, 'dns.sts_ca_file=' + authority.pem, 'tls.ca_file=' + authority.pem,
                'dns.domain_servers=example 127.0.0.1@%d' % nsd.port, 'dns.servers=127.0.0.1@%d' % nsd.port] + FAST)
    c = g.smtp()
    to = ['x@%s.example' % d for d in domains + ('lost',)]
    assert c.send('a@s.test', to, MESSAGE)[0] == 250
    wait_for('right and mixed', lambda: len(good.messages) >= 2, 30)
    wait_for('probe and lost', lambda: len(plain.messages) >= 2, 30)
    time.sleep(2)
    assert sorted(r for m in good.messages for r in m['rcpts']) == ['x@mixed.example', 'x@right.example'], good.messages
    assert all(m['tls'] for m in good.messages)
    assert sorted(r for m in plain.messages for r in m['rcpts']) == ['x@lost.example', 'x@probe.example'], plain.messages
    assert not evil.connections, 'a host that is not in the policy was asked'
    assert not wrong.messages and not any('MAIL' in x for x in wrong.commands), wrong.commands
    assert wrong.connections, 'the host with the wrong certificate was not tried'
    g.wait_log(r'DCID \d+ TLS success protocol TLSv1\.[23] cipher \S+ for mx\.example')
    g.wait_log(r'TLS was required but could not be successfully negotiated')
    assert all(path == '/.well-known/mta-sts.txt' for _, path in https.asked)


def test_auth_to_the_next_hop(t):
    """SMTP AUTH of a route: over TLS the peer sees the user and the passphrase, without TLS nothing; neither log nor
    settings show the passphrase; a refusal keeps the mail waiting."""
    secret = 'very-Secret-77'
    authority = ca(t)
    refuse = lambda line, state: '535 5.7.8 no' if line.startswith('AUTH') else None
    plain = t.sink(extensions=('PIPELINING', 'AUTH PLAIN LOGIN'), tls=authority.context('one.test'))
    login = t.sink(extensions=('PIPELINING', 'AUTH LOGIN'), tls=authority.context('two.test'),
                   script=lambda line, state: '334 VXNlcm5hbWU6' if line.startswith('AUTH') else None)
    clear = t.sink(extensions=('PIPELINING', 'AUTH PLAIN LOGIN'))
    no = t.sink(extensions=('PIPELINING', 'AUTH PLAIN'), tls=authority.context('three.test'), script=refuse)
    routes = []
    for name, sink in (('one.test', plain), ('clear.test', clear), ('no.test', no)):
        routes += ['route[%s].hosts=127.0.0.1:%d' % (name, sink.port), 'route[%s].auth_user=me@corp' % name,
                   'route[%s].auth_password=%s' % (name, secret), 'route[%s].auth_profile=smarthost' % name]
    g = t.home([OPEN] + routes + FAST, sink_port=login.port)
    c = g.smtp()
    assert c.send('a@s.test', ['x@one.test', 'x@clear.test', 'x@no.test'], MESSAGE)[0] == 250
    wait_for('one and clear', lambda: plain.messages and clear.messages)
    expected = base64.b64encode(b'\0me@corp\0' + secret.encode()).decode()
    assert 'AUTH PLAIN ' + expected in plain.commands and plain.messages[0]['tls']
    assert plain.commands.index('STARTTLS') < plain.commands.index('AUTH PLAIN ' + expected)
    assert not any(x.startswith('AUTH') for x in clear.commands), clear.commands
    g.wait_log(r'DCID: \d+ IP: 127\.0\.0\.1 SMTP authentication using the profile smarthost succeeded\.')
    g.wait_log(r'SMTP authentication using the profile smarthost failed: 5\.7\.8 no')
    time.sleep(0.5)
    assert not no.messages and not any(x.startswith('MAIL') for x in no.commands)
    text = all_logs(g) + g.cli('settings', 'get', 'route[one.test]', check=False)
    assert secret not in text and expected not in text, 'the passphrase is in a log'


def test_binary_mail_by_bdat(t):
    """RFC 3030: binary content goes by BDAT to a host with CHUNKING and BINARYMIME, octet for octet; a host without gets
    nothing and the sender a bounce."""
    chunks = t.sink(extensions=('PIPELINING', '8BITMIME', 'CHUNKING', 'BINARYMIME'))
    old = t.sink(extensions=('PIPELINING', '8BITMIME', 'CHUNKING'))
    rest = t.sink()
    g = t.home([OPEN, 'route[new.test].hosts=127.0.0.1:%d' % chunks.port, 'route[old.test].hosts=127.0.0.1:%d' % old.port], sink_port=rest.port)
    c = g.smtp()
    assert 'CHUNKING' in c.ehlo[1] and 'BINARYMIME' in c.ehlo[1], c.ehlo
    raw = b'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n' + \
        bytes(range(256)) * 600 + b'\n.\n\r\n.\r\nno line end'
    for to in ('x@new.test', 'x@old.test'):
        assert c.cmd('MAIL FROM:<a@s.test> BODY=BINARYMIME')[0] == 250
        assert c.cmd('RCPT TO:<%s>' % to)[0] == 250
        c.raw(b'BDAT 1000\r\n' + raw[:1000])
        assert c.reply()[0] == 250
        c.raw(b'BDAT %d LAST\r\n' % (len(raw) - 1000) + raw[1000:])
        assert c.reply()[0] == 250
    wait_for('new', lambda: chunks.messages)
    assert chunks.messages[0]['data'].endswith(b'\r\n' + raw) and 'BODY=BINARYMIME' in chunks.messages[0]['mail']
    assert not any(x.startswith('DATA') for x in chunks.commands)
    dsn = wait_for('the bounce', lambda: [m for m in rest.messages if m['sender'] == ''])[0]
    assert b'5.6.3' in dsn['data'] and not old.messages


def test_ipv6(t):
    """IPv6 in and out: listener and next hop on ::1, AAAA records, the log lines carry the addresses."""
    sink = t.sink(address='::1')
    nsd = t.nsd({'example': '@ NS ns\nns A 127.0.0.1\nsix MX 10 mx\nmx AAAA ::1\n'})
    g = t.home([OPEN, 'listener.InboundMail.address=127.0.0.1,::1', 'route[lit.test].hosts=[::1]:%d' % sink.port, 'delivery.port=%d' % sink.port,
                'sender_group.UNKNOWNLIST.members=ALL', 'dns.domain_servers=example 127.0.0.1@%d' % nsd.port, 'dns.servers=127.0.0.1@%d' % nsd.port])
    c = g.smtp(host='::1')
    assert c.send('a@s.test', ['x@six.example', 'x@lit.test'], MESSAGE)[0] == 250
    wait_for('both', lambda: len(sink.messages) == 2)
    g.wait_log(r'New SMTP ICID \d+ interface \S+ \(::1\) address ::1 ')
    g.wait_log(r'New SMTP DCID \d+ interface ::1 address ::1 port %d' % sink.port)
    assert b'[IPv6:::1]' in sink.messages[0]['data'], sink.messages[0]['data'][:300]


def test_tls_modes(t):
    """TLS modes of destinations against a self-signed peer: required takes it, required_verify waits and says nothing in
    clear, preferred takes it; without STARTTLS or with a broken handshake preferred goes on in plain text, required waits."""
    authority = ca(t)
    own = authority.context('self.test', self_signed=True)
    broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # no certificate: every handshake fails
    verify, required, preferred, signed = t.sink(tls=own), t.sink(tls=own), t.sink(tls=own), t.sink(tls=authority.context('signed.test'))
    none, none_required = t.sink(), t.sink()
    bad, bad_required = t.sink(tls=broken), t.sink(tls=broken)
    peers = {'verify.test': (verify, 'required_verify'), 'required.test': (required, 'required'), 'preferred.test': (preferred, 'preferred'),
             'signed.test': (signed, 'required_verify'), 'none.test': (none, 'preferred'), 'nonereq.test': (none_required, 'required'),
             'bad.test': (bad, 'preferred'), 'badreq.test': (bad_required, 'required'), 'off.test': (preferred, 'none')}
    lines = []
    for name, (sink, mode) in peers.items():
        lines += ['route[%s].hosts=127.0.0.1:%d' % (name, sink.port), 'destination[%s].tls=%s' % (name, mode)]
    g = t.home([OPEN, 'tls.ca_file=' + authority.pem] + lines + FAST)
    c = g.smtp()
    assert c.send('a@s.test', ['x@' + n for n in peers], MESSAGE)[0] == 250
    got = lambda s: sorted((m['rcpts'][0], m['tls']) for m in s.messages)
    wait_for('required', lambda: got(required) == [('x@required.test', True)])
    wait_for('preferred and none', lambda: got(preferred) == [('x@off.test', False), ('x@preferred.test', True)])
    wait_for('signed', lambda: got(signed) == [('x@signed.test', True)])
    wait_for('plain', lambda: got(none) == [('x@none.test', False)])
    wait_for('plain behind a broken handshake', lambda: got(bad) == [('x@bad.test', False)])
    for sink in (verify, none_required, bad_required):
        wait_for('two tries', lambda: sink.connections >= 2)
        assert not sink.messages and not [x for x in sink.commands if x.startswith(('MAIL', 'RCPT', 'DATA'))], sink.commands
    g.wait_log(r'DCID \d+ IP 127\.0\.0\.1 TLS was required but could not be successfully negotiated')
    g.wait_log(r'DCID \d+ TLS failed: ')
    g.wait_log(r'DCID \d+ TLS success protocol TLSv1\.3 cipher \S+ CN=signed\.test')
