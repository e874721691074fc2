"""The main thread: a message comes in, is kept, delivered and told about."""
import re, time
from lib import *

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,.sub.test ACCEPT,ALL REJECT'


def test_a_message_reaches_the_sink_and_the_log(t):
    """FW-05, FW-06: mail accepted on the SMTP port is delivered to the next hop and every step is in mail_logs."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    code, text = c.send('a@sender.test', 'b@rcpt.test', MESSAGE)
    assert code == 250, text
    c.quit()
    wait_for('the message at the sink', lambda: sink.messages)
    m = sink.messages[0]
    assert m['sender'] == 'a@sender.test' and m['rcpts'] == ['b@rcpt.test']
    head, body = m['data'].split(b'\r\n\r\n', 1)
    assert m['data'].endswith(MESSAGE), m['data']
    assert m['data'].startswith(b'Authentication-Results: ') and b'\r\nReceived: from client.test' in head, head
    g.wait_log(r'Message finished MID \d+ done')
    g.wait_log(r'DCID \d+ close', seconds=20)
    log = g.log()
    mid = re.search(r'Start MID (\d+) ICID (\d+)', log)
    n, icid = mid.groups()
    order = ['New SMTP ICID %s interface ' % icid, 'ICID %s ACCEPT SG ' % icid, 'Start MID %s ICID %s' % (n, icid),
             'MID %s ICID %s From: <a@sender.test>' % (n, icid), 'MID %s ICID %s RID 0 To: <b@rcpt.test>' % (n, icid),
             "MID %s Message-ID '<m1@sender.test>'" % n, "MID %s Subject 'hello'" % n, 'MID %s ready ' % n,
             'MID %s matched all recipients for per-recipient policy DEFAULT in the inbound table' % n,
             'MID %s queued for delivery' % n, 'Delivery start DCID ', 'Message done DCID ', "MID %s RID [0] Response '2.0.0 Ok: queued as 1'" % n,
             'Message finished MID %s done' % n]
    at = -1
    for want in order:
        pos = log.find(want)
        assert pos > at, 'missing or out of order: %s\n%s' % (want, log)
        at = pos
    assert re.search(r'(?m)^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} Info: Message done DCID \d+ MID \d+ to RID \[0\] $', log)
    assert log.startswith(log[:24] + ' Info: Begin Logfile\n')


def test_every_extension_is_announced(t):
    """EHLO names what RFC 5321 and its extensions ask for; AUTH only under TLS (HD-08)."""
    g = t.home([RAT])
    c = g.smtp()
    code, text = c.ehlo
    names = {l[4:].split(' ')[0] for l in text.split('\n')[1:]}
    assert {'PIPELINING', 'SIZE', '8BITMIME', 'SMTPUTF8', 'CHUNKING', 'DSN', 'ENHANCEDSTATUSCODES', 'STARTTLS'} <= names, text
    assert 'AUTH' not in names, text
    c.starttls()
    code, text = c.cmd('EHLO client.test')
    names = {l[4:].split(' ')[0] for l in text.split('\n')[1:]}
    assert 'AUTH' in names and 'STARTTLS' not in names, text
    c.quit()


def test_one_connection_serves_many_messages(t):
    """Connections to a destination are reused across messages."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    for i in range(60):
        assert c.send('a@sender.test', 'b@rcpt.test', MESSAGE)[0] == 250
    c.quit()
    wait_for('60 messages', lambda: len(sink.messages) == 60)
    assert sink.connections <= 30, sink.connections


def test_pipelined_commands_in_one_packet(t):
    """RFC 2920: a whole transaction in one packet is answered in order."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    c.raw(b'MAIL FROM:<a@s.test>\r\nRCPT TO:<b@rcpt.test>\r\nRCPT TO:<x@elsewhere.test>\r\nRCPT TO:<c@x.sub.test>\r\nDATA\r\n')
    codes = [c.reply()[0] for _ in range(5)]
    assert codes == [250, 250, 550, 250, 354], codes
    c.raw(MESSAGE + b'.\r\nMAIL FROM:<>\r\nRCPT TO:<b@rcpt.test>\r\nDATA\r\n')
    codes = [c.reply()[0] for _ in range(4)]
    assert codes == [250, 250, 250, 354], codes
    c.raw(MESSAGE + b'.\r\nQUIT\r\n')
    assert [c.reply()[0] for _ in range(2)] == [250, 221]
    wait_for('both, the first to two domains', lambda: sum(len(m['rcpts']) for m in sink.messages) == 3)


def test_bdat_chunks_make_one_message(t):
    """RFC 3030: BDAT in pieces, the body arrives whole."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    c.cmd('MAIL FROM:<a@s.test> BODY=8BITMIME')
    c.cmd('RCPT TO:<b@rcpt.test>')
    half = len(MESSAGE) // 2
    c.raw(b'BDAT %d\r\n' % half + MESSAGE[:half])
    assert c.reply()[0] == 250
    c.raw(b'BDAT %d LAST\r\n' % (len(MESSAGE) - half) + MESSAGE[half:])
    assert c.reply()[0] == 250
    wait_for('the message', lambda: sink.messages)
    assert sink.messages[0]['data'].endswith(MESSAGE)


def test_large_and_empty_messages(t):
    """A message of 5 MB (in a file of its own) and one without any body pass unchanged."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    big = MESSAGE + (b'x' * 76 + b'\r\n') * 65000 + b'.dot\r\n..two\r\n'
    assert c.send('a@s.test', 'b@rcpt.test', big, ' SIZE=%d' % len(big))[0] == 250
    assert c.send('a@s.test', 'b@rcpt.test', b'Subject: none\r\n\r\n')[0] == 250
    wait_for('both', lambda: len(sink.messages) == 2)
    assert any(m['data'].endswith(big) for m in sink.messages)
    assert any(m['data'].endswith(b'Subject: none\r\n\r\n') for m in sink.messages)


def test_tls_inbound_and_outbound(t):
    """HD-11: STARTTLS on both sides works, and a client that offers only anonymous or null ciphers gets nowhere."""
    import ssl, subprocess, os
    g = t.home([RAT], start=False)
    keys = os.path.join(g.dir, 'sink')
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-days', '2', '-subj', '/CN=sink.test', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:P-256', '-keyout', keys + '.key', '-out', keys + '.crt'], check=True, capture_output=True)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(keys + '.crt', keys + '.key')
    sink = t.sink(tls=ctx)
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    c.starttls()
    c.cmd('EHLO client.test')
    assert c.send('a@s.test', 'b@rcpt.test', MESSAGE)[0] == 250
    c.quit()
    wait_for('the message', lambda: sink.messages)
    assert sink.messages[0]['tls'], 'delivery was not encrypted'
    g.wait_log(r'ICID \d+ TLS success protocol TLSv1\.3 cipher TLS_\w+\n')
    g.wait_log(r'DCID \d+ TLS success protocol TLSv1\.3 cipher TLS_\w+ \n')
    for ciphers in ('aNULL:@SECLEVEL=0', 'eNULL:@SECLEVEL=0'):
        r = subprocess.run(['openssl', 's_client', '-starttls', 'smtp', '-connect', '127.0.0.1:%d' % g.smtp_port, '-tls1_2',
                            '-cipher', ciphers], capture_output=True, text=True, input='', timeout=20)
        assert 'Cipher is (NONE)' in r.stdout + r.stderr, r.stdout
    g.wait_log(r'ICID \d+ TLS failed')


def test_plain_http_and_garbage_cost_nothing(t):
    """A peer that speaks no SMTP gets clear answers and harms nobody."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    before = g.roles()
    c = Smtp(g.smtp_port)
    c.raw(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    assert c.reply()[0] == 500
    c.close()
    c = Smtp(g.smtp_port)
    c.raw(bytes(range(256)) * 40 + b'\r\n')
    c.reply()
    c.close()
    c = g.smtp()
    assert c.send('a@s.test', 'b@rcpt.test', MESSAGE)[0] == 250
    wait_for('the message', lambda: sink.messages)
    assert g.roles() == before


def test_qmqp_injects(t):
    """FW-41: a QMQP client injects when the listener is switched on; off by default."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    try:
        socket.create_connection(('127.0.0.1', g.base + 628), 2).close()
        raise AssertionError('QMQP listens by default')
    except ConnectionRefusedError:
        pass
    port = g.base + 628
    g.cli('settings', 'set', 'listener.Qmqp.protocol=qmqp', 'listener.Qmqp.type=private', 'listener.Qmqp.port=%d' % port,
          'listener.Qmqp.address=127.0.0.1', 'listener.Qmqp.interface=Management', 'sender_group.QMQPLIST.listener=Qmqp',
          'sender_group.QMQPLIST.policy=RELAYED', 'sender_group.QMQPLIST.members=127.0.0.1')

    def ns(b):
        return b'%d:%s,' % (len(b), b)

    def connect():
        try:
            return socket.create_connection(('127.0.0.1', port), 5)
        except ConnectionRefusedError:
            return None
    s = wait_for('the QMQP port', connect)
    s.sendall(ns(ns(MESSAGE.replace(b'\r\n', b'\n')) + ns(b'a@s.test') + ns(b'b@rcpt.test') + ns(b'c@anywhere.test')))
    reply = s.recv(1000)
    assert b':K' in reply, reply
    wait_for('both recipients', lambda: sum(len(m['rcpts']) for m in sink.messages) == 2)
    assert sink.messages[0]['data'].endswith(MESSAGE)
