"""What bad input gets: each reply of the list, from the real program."""
import base64, os, re, subprocess
from lib import *

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'


def expect(got, code, enhanced=None):
    assert got[0] == code and (enhanced is None or enhanced in got[1]), 'wanted %s %s, got %s' % (code, enhanced, got[1])


def test_command_errors(t):
    """Unknown command 500, wrong order 503, bad syntax 501, overlong line 500; the connection lives on."""
    g = t.home([RAT])
    c = g.smtp()
    expect(c.cmd('FROBNICATE now'), 500)
    expect(c.cmd('RCPT TO:<b@rcpt.test>'), 503)
    expect(c.cmd('DATA'), 503)
    expect(c.cmd('MAIL FROM:a@b@c'), 501)
    expect(c.cmd('MAIL FROM:<a@s.test> SIZE=abc'), 501)
    expect(c.cmd('MAIL FROM:<a@s.test> NOSUCH=1'), 555)
    expect(c.cmd('MAIL FROM:<' + 'a' * 5000 + '@s.test>'), 500)
    expect(c.cmd('NOOP'), 250)
    expect(c.cmd('VRFY b@rcpt.test'), 252)
    expect(c.cmd('HELP'), 214)
    expect(c.cmd('MAIL FROM:<a@s.test>'), 250)
    expect(c.cmd('MAIL FROM:<a@s.test>'), 503)
    expect(c.cmd('RCPT TO:<b@rcpt.test'), 501)
    expect(c.cmd('RSET'), 250)
    expect(c.quit(), 221)


def test_recipients(t):
    """HD-07: no relay for outsiders: 550 5.7.1; unknown recipient in the RAT 550 5.1.1; too many 452."""
    g = t.home(['listener.InboundMail.rat=known@rcpt.test ACCEPT,rcpt.test REJECT,open.test ACCEPT,ALL REJECT',
                'mail_flow_policy.ACCEPTED.max_recipients=3'])
    c = g.smtp()
    expect(c.cmd('MAIL FROM:<a@s.test>'), 250)
    expect(c.cmd('RCPT TO:<known@rcpt.test>'), 250)
    expect(c.cmd('RCPT TO:<nobody@rcpt.test>'), 550, '5.1.1')
    expect(c.cmd('RCPT TO:<x@elsewhere.test>'), 550, '5.7.1')
    expect(c.cmd('RCPT TO:<a%elsewhere.test@elsewhere.test>'), 550, '5.7.1')
    for i in range(2):
        expect(c.cmd('RCPT TO:<u%d@open.test>' % i), 250)
    expect(c.cmd('RCPT TO:<u9@open.test>'), 452)
    g.wait_log(r'To: <x@elsewhere\.test> Rejected by RAT')


def test_sizes(t):
    """Too large: 552 at MAIL by SIZE, 552 after the data without it."""
    g = t.home([RAT, 'mail_flow_policy.ACCEPTED.max_message_bytes=100000'])
    c = g.smtp()
    expect(c.cmd('MAIL FROM:<a@s.test> SIZE=100001'), 552)
    expect(c.send('a@s.test', 'b@rcpt.test', MESSAGE + b'x' * 70 + (b'y' * 70 + b'\r\n') * 2000), 552)
    expect(c.send('a@s.test', 'b@rcpt.test', MESSAGE), 250)


def test_auth_only_under_tls(t):
    """HD-08: AUTH without TLS 538; wrong passphrase 535; the right one relays from outside; TLS required 530 5.7.0."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    m = re.search(r'(?im)login\W+(\S+)\W.*?pass\w*\W+(\S+)', g.init_output) or re.search(r'(?im)^\s*(\w+)\s*/\s*(\S+)\s*$', g.init_output)
    assert m, 'init prints no demo login: ' + g.init_output
    user, password = m.groups()
    token = base64.b64encode(b'\0' + user.encode() + b'\0' + password.encode()).decode()
    c = g.smtp()
    expect(c.cmd('AUTH PLAIN ' + token), 538)
    c.starttls()
    c.cmd('EHLO client.test')
    expect(c.cmd('AUTH PLAIN ' + base64.b64encode(b'\0x\0wrong').decode()), 535)
    expect(c.cmd('AUTH LOGIN'), 334)
    expect(c.cmd(base64.b64encode(user.encode()).decode()), 334)
    expect(c.cmd(base64.b64encode(password.encode()).decode()), 235)
    expect(c.send(user + '@rcpt.test', 'far@away.test', MESSAGE), 250)
    wait_for('relayed', lambda: sink.messages)
    log = g.log()
    assert password not in log and token not in log
    g.cli('settings', 'set', 'mail_flow_policy.ACCEPTED.tls=required')
    expect(g.smtp().cmd('MAIL FROM:<a@s.test>'), 530, '5.7.0')


def test_smuggling_makes_no_second_message(t):
    """End of data is CRLF.CRLF alone: each known smuggling sequence stays inside one message, and what is sent on holds no
    bare CR or LF."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    tricks = [b'\n.\n', b'\n.\r\n', b'\r\n.\n', b'\r.\r', b'\r.\r\n', b'\r\n.\r', b'\n.\r', b'\r\n\x00.\r\n', b'\r\r\n.\r\r\n']
    for i, trick in enumerate(tricks):
        c = g.smtp()
        c.cmd('MAIL FROM:<a@s.test>')
        c.cmd('RCPT TO:<b@rcpt.test>')
        c.cmd('DATA')
        c.raw(b'Subject: trick %d\r\n\r\nbefore' % i + trick + b'MAIL FROM:<evil@s.test>\r\nRCPT TO:<b@rcpt.test>\r\nDATA\r\n'
              b'Subject: smuggled\r\n\r\nevil\r\n.\r\n')
        code, text = c.reply()
        assert code in (250, 554), text
        c.cmd('NOOP')
        c.quit()
    wait_for('the queue to empty', lambda: len(sink.messages) >= 1)
    time.sleep(1)
    assert len(sink.messages) <= len(tricks)
    for m in sink.messages:
        assert m['sender'] == 'a@s.test', m['sender']
        rest = m['data'].replace(b'\r\n', b'')
        assert b'\r' not in rest and b'\n' not in rest and b'\0' not in rest, m['data']


def test_smuggling_is_refused_when_set(t):
    """Listener setting line_ends=reject: bare line ends get 554 5.6.0."""
    g = t.home([RAT, 'listener.InboundMail.line_ends=reject'])
    c = g.smtp()
    c.cmd('MAIL FROM:<a@s.test>')
    c.cmd('RCPT TO:<b@rcpt.test>')
    c.cmd('DATA')
    c.raw(b'Subject: x\r\n\r\na\nb\r\n.\r\n')
    expect(c.reply(), 554, '5.6.0')
    expect(c.send('a@s.test', 'b@rcpt.test', MESSAGE), 250)


def test_loops_end(t):
    """A message with more than 100 Received headers is refused: 554 5.4.6."""
    g = t.home([RAT])
    c = g.smtp()
    expect(c.send('a@s.test', 'b@rcpt.test', b'Received: from x by y; now\r\n' * 101 + MESSAGE), 554, '5.4.6')


def test_host_access(t):
    """HAT: REJECT answers 554 and lets nothing in, TCPREFUSE drops, limits of the policy hold; XCLIENT stands in for the peer."""
    g = t.home([RAT, 'sender_group.BLOCKLIST.members=192.0.2.66,198.51.100.0/24,203.0.113.5-203.0.113.9',
                'mail_flow_policy.THROTTLED.max_messages=2', 'sender_group.SUSPECTLIST.members=192.0.2.77'])
    for ip, refused in (('192.0.2.66', True), ('198.51.100.7', True), ('203.0.113.9', True), ('203.0.113.10', False)):
        c = g.smtp()
        r = c.cmd('XCLIENT ADDR=%s NAME=[UNAVAILABLE]' % ip)
        if refused and r[0] >= 400:
            assert r[0] in (554, 550, 421), r
            continue
        expect(r, 220)
        c.cmd('EHLO x.test')
        r = c.cmd('MAIL FROM:<a@s.test>')
        if r[0] == 250:
            r = c.cmd('RCPT TO:<b@rcpt.test>')
        assert (r[0] >= 500) == refused, (ip, r)
    g.wait_log(r'ICID \d+ REJECT SG BLOCKLIST match 198\.51\.100\.0/24')
    c = g.smtp()
    expect(c.cmd('XCLIENT ADDR=192.0.2.77 NAME=slow.test'), 220)
    c.cmd('EHLO x.test')
    expect(c.send('a@s.test', 'b@rcpt.test', MESSAGE), 250)
    expect(c.send('a@s.test', 'b@rcpt.test', MESSAGE), 250)
    r = c.cmd('MAIL FROM:<a@s.test>')
    assert r[0] in (421, 452), r


def test_proxy_header(t):
    """PROXY v1 and v2 from a listed peer are read before HAT and banner."""
    import struct
    g = t.home([RAT, 'listener.InboundMail.proxy=optional', 'sender_group.BLOCKLIST.members=192.0.2.66'])
    c = Smtp(g.smtp_port, greet=False)
    c.raw(b'PROXY TCP4 192.0.2.66 127.0.0.1 4000 25\r\n')
    assert c.reply()[0] in (554, 550, 220)
    g.wait_log(r'address 192\.0\.2\.66')
    c = Smtp(g.smtp_port, greet=False)
    c.raw(b'\r\n\r\n\0\r\nQUIT\n\x21\x11' + struct.pack('>H', 12) + bytes([192, 0, 2, 99, 127, 0, 0, 1]) + struct.pack('>HH', 4000, 25))
    assert c.reply()[0] == 220
    g.wait_log(r'address 192\.0\.2\.99')


def test_directory_harvest(t):
    """More unknown recipients in an hour than the limit: the connection is dropped and a warning logged."""
    g = t.home(['listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', 'mail_flow_policy.ACCEPTED.harvest_limit=5'])
    c = g.smtp()
    c.cmd('MAIL FROM:<a@s.test>')
    try:
        for i in range(20):
            r = c.cmd('RCPT TO:<guess%d@elsewhere.test>' % i)
            if r[0] == 421:
                break
        else:
            raise AssertionError('20 guesses were answered')
    except (EOFError, ConnectionError):
        pass
    g.wait_log(r'Warning: Dropping connection due to potential Directory Harvest Attack')
