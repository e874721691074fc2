"""Retries, bounces, routes, suspend and resume."""
import email, re, time
from lib import *

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'
FAST = ['bounce_profile.default.retry_first_ms=300', 'bounce_profile.default.retry_max_ms=600', 'queue.connection_failure_wait_ms=300']


def test_a_temporary_refusal_is_tried_again(t):
    """4xx: Delayed in the log, tried again, delivered once."""
    tries = []

    def script(line, state):
        if line.startswith('RCPT') and len(tries) < 2:
            tries.append(1)
            return '450 4.2.1 mailbox busy'
    sink = t.sink(script=script)
    g = t.home([RAT] + FAST, sink_port=sink.port)
    c = g.smtp()
    assert c.send('a@s.test', 'b@rcpt.test', MESSAGE)[0] == 250
    wait_for('the message', lambda: sink.messages)
    g.wait_log(r"Delayed: DCID \d+ MID \d+ to RID 0 - 4\.\d\.\d - .* \('450', \['4\.2\.1 mailbox busy'\]\)")
    time.sleep(0.5)
    assert len(sink.messages) == 1


def test_a_refusal_bounces_to_the_sender(t):
    """5xx: Bounced line as in the worked example, a DSN from <> goes to the sender (RFC 3464), a bounce is never bounced."""
    def script(line, state):
        if line.startswith('RCPT') and 'nobody@' in line:
            return '550 5.1.1 User unknown'
    sink = t.sink(script=script)
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    assert c.send('a@s.test', ['nobody@rcpt.test', 'ok@rcpt.test'], MESSAGE)[0] == 250
    wait_for('message and DSN', lambda: len(sink.messages) == 2)
    dsn = [m for m in sink.messages if m['sender'] == ''][0]
    assert dsn['rcpts'] == ['a@s.test']
    assert b'multipart/report' in dsn['data'] and b'message/delivery-status' in dsn['data']
    assert re.search(rb'(?i)Final-Recipient: rfc822; ?nobody@rcpt.test', dsn['data'])
    assert re.search(rb'(?i)Status: 5\.1\.1', dsn['data']) and re.search(rb'(?i)Action: failed', dsn['data'])
    g.wait_log(r"Bounced: DCID \d+ MID \d+ to RID 0 - 5\.1\.1 - Bad destination email address \('550', \['5\.1\.1 User unknown'\]\)")
    g.wait_log(r'MID \d+ was generated for bounce of MID \d+')
    g.wait_log(r'Bounced: DCID \d+ MID \d+ From:<a@s.test> To:<nobody@rcpt.test> RID 0', name='bounces')
    assert c.send('', 'nobody@rcpt.test', MESSAGE)[0] == 250
    time.sleep(1.5)
    assert len(sink.messages) == 2, 'a bounce was bounced'


def test_an_unreachable_host_is_tried_until_it_comes(t):
    """Connection refused: the message waits; when the host comes back it is delivered once."""
    port = free_port()
    g = t.home([RAT] + FAST, sink_port=port)
    c = g.smtp()
    assert c.send('a@s.test', 'b@rcpt.test', MESSAGE)[0] == 250
    g.wait_log(r'Connection Error: DCID \d+ domain: rcpt.test IP: 127.0.0.1 port: %d' % port)
    sink = t.sink(port)
    wait_for('the message', lambda: sink.messages, 20)
    time.sleep(0.5)
    assert len(sink.messages) == 1


def test_a_message_too_old_bounces(t):
    """Longest time in the queue passed: 5.4.7 Delivery expired, DSN to the sender."""
    def script(line, state):
        if line.startswith('RCPT') and '@rcpt.test' in line:
            return '451 4.3.0 later'
    sink = t.sink(script=script)
    g = t.home([RAT, 'bounce_profile.default.max_age_ms=1500'] + FAST, sink_port=sink.port)
    c = g.smtp()
    assert c.send('a@s.test', 'b@rcpt.test', MESSAGE)[0] == 250
    wait_for('the DSN', lambda: sink.messages, 20)
    assert sink.messages[0]['sender'] == '' and b'5.4.7' in sink.messages[0]['data']
    g.wait_log(r'Bounced: DCID \d+ MID \d+ to RID 0 - 5\.4\.7 - Delivery expired \(message too old\)')


def test_an_answer_lost_after_the_dot_is_told(t):
    """J: the next hop takes a message but its answer never comes: it is tried again, so it arrives twice, and the log says so."""
    taken = []

    def script(line, state):
        if line == '.' and not taken:
            taken.append(state['data'])
            return 'CLOSE'
    sink = t.sink(script=script)
    g = t.home([RAT] + FAST, sink_port=sink.port)
    c = g.smtp()
    assert c.send('a@s.test', ['b@rcpt.test', 'c@rcpt.test'], MESSAGE)[0] == 250
    wait_for('the second copy', lambda: sink.messages, 20)
    assert len(taken) == 1 and len(sink.messages) == 1
    g.wait_log(r'Warning: MID \d+ RID \[0, 1\] tried again, the answer of the remote host was lost \(DCID [1-9]\d*\)')


def test_routes(t):
    """SMTP routes by domain, .domain, priority, ALL and /dev/null."""
    one, two, rest = t.sink(), t.sink(), t.sink()
    dead = free_port()
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT', 'route[one.test].hosts=127.0.0.1:%d' % one.port,
                'route[.two.test].hosts=127.0.0.1:%d /pri=0,127.0.0.1:%d /pri=10' % (dead, two.port),
                'route[void.test].hosts=/dev/null'] + FAST, sink_port=rest.port)
    c = g.smtp()
    assert c.send('a@s.test', ['x@one.test', 'x@deep.two.test', 'x@two.test', 'x@void.test'], MESSAGE)[0] == 250
    wait_for('one', lambda: one.messages)
    wait_for('two', lambda: two.messages)
    wait_for('rest', lambda: rest.messages)
    assert one.messages[0]['rcpts'] == ['x@one.test'] and two.messages[0]['rcpts'] == ['x@deep.two.test'] and rest.messages[0]['rcpts'] == ['x@two.test']
    g.wait_log(r'MID \d+ RID \[3\] discarded by SMTP route /dev/null')
    wait_for('the host counters', lambda: re.search(r'Deleted Recipients +1\b', g.cli('hoststatus', 'void.test')))
    g.wait_log(r'Message finished MID \d+ done')


def test_suspend_and_resume(t):
    """Delivery and receiving stop and go on by command; nothing is lost."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    g.cli('suspenddel', '0')
    c = g.smtp()
    assert c.send('a@s.test', 'b@rcpt.test', MESSAGE)[0] == 250
    time.sleep(1)
    assert not sink.messages
    g.cli('resumedel')
    wait_for('the message', lambda: sink.messages)
    g.cli('suspendlistener', '0', 'all')

    def refused():
        try:
            s = Smtp(g.smtp_port, timeout=3)
            s.close()
            return s.banner[0] == 421
        except (OSError, EOFError):
            return True
    wait_for('the listener to stop', refused)
    g.wait_log(r'Warning: Receiving suspended by admin')
    g.cli('resumelistener', 'all')
    wait_for('the listener to come back', lambda: not refused())
    g.wait_log(r'Info: Receiving resumed by admin')
    g.cli('workqueue', 'pause')
    c = g.smtp()
    assert c.send('a@s.test', 'b@rcpt.test', MESSAGE)[0] == 250
    time.sleep(0.5)
    assert len(sink.messages) == 1
    assert 'Paused' in g.cli('workqueue', 'status')
    g.cli('workqueue', 'resume')
    wait_for('the second', lambda: len(sink.messages) == 2)


def test_extensions_of_the_next_hop(t):
    """8-bit and UTF-8 mail towards a host without the extensions: converted, never sent raw; DSN parameters are passed on."""
    plain = t.sink(extensions=())
    sink = t.sink()
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT', 'route[old.test].hosts=127.0.0.1:%d' % plain.port], sink_port=sink.port)
    c = g.smtp()
    eight = b'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n'
    assert c.send('a@s.test', 'x@old.test', eight, ' BODY=8BITMIME')[0] == 250
    assert c.send('a@s.test', 'x@new.test', eight, ' BODY=8BITMIME RET=HDRS ENVID=e1')[0] == 250
    wait_for('new', lambda: [m for m in sink.messages if m['rcpts'] == ['x@new.test']])
    m = [m for m in sink.messages if m['rcpts'] == ['x@new.test']][0]
    assert 'BODY=8BITMIME' in m['mail'] and 'ENVID=e1' in m['mail'] and m['data'].endswith(eight)
    old = wait_for('old', lambda: plain.messages)[0]
    assert all(b < 128 for b in old['data']), 'raw 8-bit octets to a host without 8BITMIME'
    parsed = email.message_from_bytes(old['data'])
    assert parsed['Content-Transfer-Encoding'] == 'quoted-printable' and parsed['Content-Type'] == 'text/plain; charset=utf-8'
    assert parsed.get_payload(decode=True) == b'gr\xc3\xbc\xc3\x9fe\r\n', old['data']


def test_what_cannot_be_made_7_bit_bounces(t):
    """RFC 6152 3: parts are converted one by one, decoded they are the same; what is signed or lies in a message inside the
    message is never touched: 5.6.3."""
    plain, sink = t.sink(extensions=('PIPELINING',)), t.sink()
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT', 'route[old.test].hosts=127.0.0.1:%d' % plain.port], sink_port=sink.port)
    c = g.smtp()
    text, file = ('Gr\u00fc\u00dfe =\t\r\n.\r\n' * 300).encode(), bytes(range(128, 256)) * 5
    mixed = (b'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/%s; boundary="b 1"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
             b'preamble\r\n--b 1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n' + text +
             b'\r\n--b 1\r\nContent-Type: application/x-y\r\n\r\n' + file + b'\r\n--b 1\r\n\r\nascii\r\n--b 1--\r\nepilogue\r\n')
    inside = b'Subject: x\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ngr\xc3\xbcn\r\n'
    for m in (mixed.replace(b'%s', b'mixed'), mixed.replace(b'%s', b'signed'), inside):
        assert c.send('a@s.test', 'x@old.test', m, ' BODY=8BITMIME')[0] == 250
    wait_for('two bounces', lambda: len([m for m in sink.messages if m['sender'] == '' and b'5.6.3' in m['data']]) == 2)
    data = wait_for('the converted one', lambda: plain.messages)[0]['data']
    assert all(b < 128 for b in data) and max(len(x) for x in data.split(b'\r\n')) < 300
    parsed = email.message_from_bytes(data)
    parts = [p.get_payload(decode=True) for p in parsed.get_payload()]
    assert parts == [text, file, b'ascii'], parts
    assert parsed['Content-Transfer-Encoding'] == '7bit' and parsed.preamble == 'preamble' and parsed.epilogue == 'epilogue\r\n'
    assert len(plain.messages) == 1


def test_a_settings_change_drops_nobody(t):
    """A new version of the settings takes effect without ending a conversation; a broken one changes nothing."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    c.cmd('MAIL FROM:<a@s.test>')
    g.cli('settings', 'set', 'listener.InboundMail.rat=rcpt.test ACCEPT,new.test ACCEPT,ALL REJECT')
    d = g.smtp()
    wait_for('the new RAT', lambda: d.cmd('RSET') and d.cmd('MAIL FROM:<x@s.test>') and d.cmd('RCPT TO:<b@new.test>')[0] == 250)
    assert c.cmd('RCPT TO:<b@rcpt.test>')[0] == 250
    assert c.cmd('DATA')[0] == 354
    c.raw(MESSAGE + b'.\r\n')
    assert c.reply()[0] == 250
    out = g.cli('settings', 'set', 'listener.InboundMail.port=notanumber', check=False)
    assert 'listener.InboundMail.port' in out, out
    assert g.smtp().cmd('NOOP')[0] == 250
