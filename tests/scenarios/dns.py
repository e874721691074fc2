"""Names: MX and its fall-backs, DNSSEC, DANE, reverse names, the sender's domain, DNS lists. The name server is nsd."""
import re, ssl, subprocess, time
from lib import *

OPEN = 'listener.InboundMail.rat=ALL ACCEPT'
FAST = ['bounce_profile.default.retry_first_ms=300', 'bounce_profile.default.retry_max_ms=600', 'queue.connection_failure_wait_ms=300']


def names(nsd, *zones):
    return ['dns.domain_servers=' + ','.join('%s 127.0.0.1@%d' % (z, nsd.port) for z in zones), 'dns.servers=127.0.0.1@%d' % nsd.port]


def test_mx_and_its_fall_backs(t):
    """FW-07: the MX with the lowest preference first, the next when it is down, A without MX; null MX and unknown domains
    bounce; the answer too large for UDP comes by TCP."""
    sink = t.sink(address='127.0.0.2')
    many = '\n'.join('big MX 10 m%d.some-rather-long-host-name-to-fill-the-answer.example' % i for i in range(60))
    nsd = t.nsd({'example': '@ NS ns\nns A 127.0.0.1\ntwo MX 10 dead\n MX 20 live\ndead A 127.0.0.3\nlive A 127.0.0.2\nplain A 127.0.0.2\n'
                 'null MX 0 .\n' + many + '\nbig MX 5 live\n'})
    g = t.home([OPEN, 'delivery.port=%d' % sink.port, 'delivery.connect_ms=2000'] + names(nsd, 'example') + FAST)
    c = g.smtp()
    assert c.send('s@plain.example', ['x@two.example', 'x@plain.example', 'x@null.example', 'x@none.example', 'x@big.example'], MESSAGE)[0] == 250
    wait_for('three deliveries and two bounces', lambda: len(sink.messages) >= 3 and len([m for m in sink.messages if not m['sender']]) >= 1, 30)
    got = {r for m in sink.messages if m['sender'] for r in m['rcpts']}
    wait_for('all three', lambda: {r for m in sink.messages if m['sender'] for r in m['rcpts']} == {'x@two.example', 'x@plain.example', 'x@big.example'})
    g.wait_log(r'Bounced: DCID 0 MID \d+ to RID \d - 5\.1\.2 - Bad destination host')
    dsn = wait_for('the DSNs', lambda: b''.join(m['data'] for m in sink.messages if not m['sender'] and b'none.example' in m['data']))
    wait_for('null MX in a DSN', lambda: any(b'null.example' in m['data'] for m in sink.messages if not m['sender']))


def test_names_of_all_scripts(t):
    """SMTPUTF8: a recipient in a domain of U-labels is looked up by its A-labels and delivered with the address as given."""
    sink = t.sink(address='127.0.0.2')
    nsd = t.nsd({'example': '@ NS ns\nns A 127.0.0.1\nxn--bcher-kva MX 10 mx\nmx A 127.0.0.2\n'})
    g = t.home([OPEN, 'delivery.port=%d' % sink.port] + names(nsd, 'example') + FAST)
    c = g.smtp()
    assert c.send('a@s.test', 'jos\u00e9@b\u00fccher.example', MESSAGE, ' SMTPUTF8')[0] == 250
    wait_for('the message', lambda: sink.messages)
    assert sink.messages[0]['rcpts'] == ['jos\u00e9@b\u00fccher.example'] and 'SMTPUTF8' in sink.messages[0]['mail']


def test_reverse_name_and_host_groups(t):
    """The PTR is shown as verified only when it leads back; sender groups match host names and DNS lists."""
    nsd = t.nsd({'2.0.192.in-addr.arpa': '@ NS ns.example.\n9 PTR good.partner.example.\n8 PTR liar.partner.example.\n',
                 'example': '@ NS ns\nns A 127.0.0.1\ngood.partner A 192.0.2.9\nliar.partner A 192.0.2.1\n7.2.0.192.list A 127.0.0.2\n'})
    g = t.home([OPEN, 'sender_group.BLOCKLIST.members=.partner.example,dnslist[list.example]'] + names(nsd, 'example', '2.0.192.in-addr.arpa'))
    for ip in ('192.0.2.9', '192.0.2.8', '192.0.2.7', '192.0.2.6'):
        c = g.smtp()
        try:
            c.cmd('XCLIENT ADDR=' + ip)
        except EOFError:
            pass
        c.close()
    g.wait_log(r'address 192\.0\.2\.9 reverse dns host good\.partner\.example verified yes')
    g.wait_log(r'address 192\.0\.2\.8 reverse dns host liar\.partner\.example verified no')
    g.wait_log(r'address 192\.0\.2\.6 reverse dns host unknown verified no')
    g.wait_log(r'REJECT SG BLOCKLIST match \.partner\.example')
    g.wait_log(r'REJECT SG BLOCKLIST match dnslist\[list\.example\]')


def test_sender_domain_check(t):
    """Envelope sender DNS check: a domain that does not exist is refused with 553, an unreachable one with 451."""
    nsd = t.nsd({'example': '@ NS ns\nns A 127.0.0.1\nreal A 192.0.2.1\n'})
    g = t.home([OPEN, 'mail_flow_policy.ACCEPTED.sender_dns_check=yes', 'dns.timeout_ms=1500',
                'dns.domain_servers=example 127.0.0.1@%d,dead.test 127.0.0.1@%d' % (nsd.port, free_port()), 'dns.servers=127.0.0.1@%d' % nsd.port])
    c = g.smtp()
    assert c.cmd('MAIL FROM:<a@real.example>')[0] == 250
    c.cmd('RSET')
    r = c.cmd('MAIL FROM:<a@none.example>')
    assert r[0] == 553, r
    r = c.cmd('MAIL FROM:<a@dead.test>')
    assert r[0] == 451, r
    g.wait_log(r'Address: <a@none\.example> sender rejected, envelope sender domain does not exist')
    g.wait_log(r'Address: <a@dead\.test> sender rejected, envelope sender domain could not be resolved')


def test_dane(t):
    """DANE: with a signed zone the TLSA record decides; a wrong record keeps the mail waiting, the right one lets it go."""
    g0 = t.home([OPEN], start=False)
    pem = g0.dir + '/mx'
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-days', '2', '-subj', '/CN=mx.signed.example', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:P-256', '-keyout', pem + '.key', '-out', pem + '.crt'], check=True, capture_output=True)
    spki = subprocess.run('openssl x509 -in %s.crt -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r' % pem, shell=True,
                          capture_output=True, text=True, check=True).stdout.split()[0]
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(pem + '.crt', pem + '.key')
    sink = t.sink(tls=ctx, address='127.0.0.2')
    nsd = t.nsd({'signed.example': '@ NS ns\nns A 127.0.0.1\ngood MX 10 mx\nbad MX 10 badmx\nmx A 127.0.0.2\nbadmx A 127.0.0.2\n'
                 '_%d._tcp.mx TLSA 3 1 1 %s\n_%d._tcp.badmx TLSA 3 1 1 %s\n' % (sink.port, spki, sink.port, '00' * 32)}, signed=['signed.example'])
    anchor = nsd.anchors[0].replace('\t', ' ')
    g = t.home([OPEN, 'delivery.port=%d' % sink.port, 'dns.trust_anchors=' + anchor] + names(nsd, 'signed.example') + FAST)
    c = g.smtp()
    assert c.send('a@s.test', ['x@good.signed.example', 'x@bad.signed.example'], MESSAGE)[0] == 250
    wait_for('the good one', lambda: sink.messages)
    time.sleep(1.5)
    assert [m['rcpts'] for m in sink.messages] == [['x@good.signed.example']], sink.messages
    assert sink.messages[0]['tls']
    g.wait_log(r'DCID \d+ TLS failed|TLS was required but could not be successfully negotiated')
