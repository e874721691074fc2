"""Limits of receiving: who goes beyond one is told so in SMTP, everybody else is served."""
import os, re, signal, ssl, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crash
from lib import *

RAT = 'listener.InboundMail.rat=ALL ACCEPT'
FLOW = 'mail_flow_policy.ACCEPTED.'
TWO = ['roles.receive=2']


def as_peer(g, ip, ehlo='client.test'):
    """A client that is somebody else (XCLIENT); the reply to XCLIENT (the new banner) is in .banner."""
    c = g.smtp()
    c.banner = c.cmd('XCLIENT ADDR=%s NAME=[UNAVAILABLE]' % ip)
    if c.banner[0] == 220:
        c.cmd('EHLO ' + ehlo)
    return c


def take(c, to='b@d.test'):
    code, text = c.send('a@s.test', to, MESSAGE)
    assert code == 250, text


def connections_per_ip(t, settings=()):
    g = t.home([RAT, FLOW + 'max_connections=3', *settings], sink_port=t.sink().port)
    kept = [as_peer(g, '192.0.2.1') for _ in range(3)]
    assert [c.banner[0] for c in kept] == [220] * 3
    for _ in range(6):
        c = as_peer(g, '192.0.2.1')
        assert c.banner == (421, '421 4.7.0 too many connections'), c.banner
        try:
            c.reply()
            raise AssertionError('the connection lives')
        except EOFError:
            pass
    take(as_peer(g, '192.0.2.2'))
    for c in kept:
        take(c)
    g.wait_log(r'ICID \d+ Receiving Failed: Connection limit exceeded')
    kept.pop().quit()

    def again():
        c = as_peer(g, '192.0.2.1')
        return c.banner[0] == 220
    wait_for('a place', again)
    return g


def test_connections_per_address(t):
    """HAT max_connections: the fourth connection of an address gets 421, other addresses and the first three are served, and a
    place that is given back is taken again."""
    connections_per_ip(t)


def test_connections_per_address_over_two_processes(t):
    """D5: the same with two receive processes, whichever of them the connections reach."""
    g = connections_per_ip(t, TWO)
    assert ('receive', 1) in g.roles()


def listener_connections(t, settings=()):
    g = t.home([RAT, 'listener.InboundMail.max_connections=20', 'receiving.max_connections=100', *settings], sink_port=t.sink().port)
    time.sleep(0.3)
    kept, refused = [], 0
    for _ in range(30):
        try:
            c = Smtp(g.smtp_port)
            if c.banner[0] == 220:
                kept.append(c)
                continue
            assert c.banner == (421, '421 4.7.0 too many connections'), c.banner
        except ConnectionResetError:
            pass
        refused += 1
    assert (len(kept), refused) == (20, 10), (len(kept), refused)
    kept[0].cmd('EHLO x.test')
    take(kept[0])
    for c in kept[10:]:
        c.quit()
    wait_for('a place', lambda: Smtp(g.smtp_port).banner[0] == 220)
    out = Smtp(g.base + 587)
    assert out.banner[0] == 220


def test_connections_of_a_listener(t):
    """listener max_connections: 421 at the door beyond it, who is in is served, other listeners are not touched."""
    listener_connections(t)


def test_connections_of_a_listener_over_two_processes(t):
    """D5: the limit of a listener is one over all receive processes."""
    listener_connections(t, TWO)


def recipients_per_hour(t, settings=()):
    g = t.home([RAT, FLOW + 'recipients_per_hour=10', *settings], sink_port=t.sink().port)
    taken, refused = 0, []
    for _ in range(5):
        c = as_peer(g, '192.0.2.7')
        c.cmd('MAIL FROM:<a@s.test>')
        for i in range(4):
            code, text = c.cmd('RCPT TO:<b%d@d.test>' % i)
            taken += code == 250
            if code != 250:
                refused.append(text)
        c.quit()
    assert taken == 10 and len(refused) == 10, (taken, refused)
    assert set(refused) == {'452 4.7.1 too many recipients received this hour'}, refused
    take(as_peer(g, '192.0.2.8'))


def test_recipients_per_hour(t):
    """HAT recipients_per_hour: 452 4.7.1 from the eleventh on, over connections; other hosts are served."""
    recipients_per_hour(t)


def test_recipients_per_hour_over_two_processes(t):
    """D5: the same over two receive processes."""
    recipients_per_hour(t, TWO)


def test_slow_sender_is_cut(t):
    """receiving.min_rate: a peer that sends its message an octet a second is cut after 30 s, with a log line."""
    g = t.home([RAT], sink_port=t.sink().port)
    c = g.smtp()
    c.cmd('MAIL FROM:<a@s.test>')
    c.cmd('RCPT TO:<b@d.test>')
    assert c.cmd('DATA')[0] == 354
    begun = time.monotonic()
    c.s.settimeout(1)
    got = b''
    while time.monotonic() < begun + 50:
        try:
            c.raw(b'x')
            part = c.s.recv(4096)
            got += part
            if not part or b'\n' in got:
                break
        except TimeoutError:
            continue
        except OSError:
            break
    lasted = time.monotonic() - begun
    assert got.startswith(b'421 4.4.2 too slow'), got
    assert 25 < lasted < 45, lasted
    g.wait_log(r'ICID \d+ .*(timeout|no messages injected|slow)')


def test_silent_peer_times_out(t):
    """receiving.idle_ms: 421 4.4.2 and a log line; silence inside a message counts as well."""
    g = t.home([RAT, 'receiving.idle_ms=1s'], sink_port=t.sink().port)
    c = g.smtp()
    assert c.reply() == (421, '421 4.4.2 timed out waiting for input')
    c = g.smtp()
    c.cmd('MAIL FROM:<a@s.test>')
    c.cmd('RCPT TO:<b@d.test>')
    c.cmd('DATA')
    c.raw(b'half a mess')
    assert c.reply()[0] == 421
    wait_for('two lines', lambda: len(re.findall(r'no messages injected within timeout period', g.log())) == 2)
    take(g.smtp())


def test_total_time(t):
    """receiving.total_ms: a peer that keeps talking is sent away with 421 when its time is over."""
    g = t.home([RAT, 'receiving.total_ms=10s'], sink_port=t.sink().port)
    c, begun = g.smtp(), time.monotonic()
    try:
        while time.monotonic() < begun + 25:
            code, text = c.cmd('NOOP')
            if code != 250:
                break
            time.sleep(0.2)
    except EOFError:
        code, text = 0, ''
    assert (code, text) == (421, '421 4.4.2 exceeded allowable connection time'), text
    assert 9 < time.monotonic() - begun < 17


def test_too_many_errors(t):
    """receiving.max_errors: 421 at the limit, good commands before count nothing."""
    g = t.home([RAT, 'receiving.max_errors=5'], sink_port=t.sink().port)
    c = g.smtp()
    for i in range(4):
        assert c.cmd('XYZZY')[0] == 500
        assert c.cmd('NOOP')[0] == 250
    assert c.cmd('XYZZY')[0] == 500
    assert c.reply() == (421, '421 4.7.0 too many errors')


def test_overlong_lines(t):
    """RFC 5321 4.5.3.1.4: a command line beyond the limit gets 500 and the connection lives; long lines in messages pass."""
    g = t.home([RAT], sink_port=t.sink().port)
    c = g.smtp(ehlo=None)
    assert c.cmd('HELO ' + 'x' * 1000) == (500, '500 5.5.2 line too long')
    assert c.cmd('HELO client.test')[0] == 250
    assert c.cmd('NOOP ' + 'x' * 900)[0] in (250, 500)
    c = g.smtp()
    for n in (3000, 20000, 300000):
        assert c.cmd('NOOP ' + 'x' * n) == (500, '500 5.5.2 line too long')
        assert c.cmd('NOOP')[0] == 250
    code, text = c.send('a@s.test', 'b@d.test', MESSAGE + b'y' * 5000 + b'\r\n')
    assert code == 250, text


def test_many_recipients_of_a_message(t):
    """HAT max_recipients 1000: 452 4.5.3 for number 1001, those before get the message once. With 10,000 allowed all get it."""
    sink = t.sink()
    g = t.home([RAT, FLOW + 'max_recipients=1000', 'mail_flow_policy.RELAYED.max_recipients=10000'], sink_port=sink.port)

    def big(port, n):
        c = Smtp(port, timeout=60)
        c.cmd('EHLO many.test')
        c.cmd('MAIL FROM:<a@s.test>')
        c.raw(b''.join(b'RCPT TO:<r%d@d%d.test>\r\n' % (i, i % 5) for i in range(n)))
        codes = [c.reply() for _ in range(n)]
        assert c.cmd('DATA')[0] == 354
        assert c.cmd(MESSAGE + b'.')[0] == 250
        return codes

    codes = big(g.smtp_port, 1005)
    assert [r[0] for r in codes] == [250] * 1000 + [452] * 5
    assert codes[-1][1] == '452 4.5.3 too many recipients', codes[-1]
    wait_for('1000 recipients', lambda: sum(len(m['rcpts']) for m in list(sink.messages)) == 1000, 30)
    codes = big(g.base + 587, 10005)
    assert [r[0] for r in codes[:10000]].count(250) == 10000 and {r[0] for r in codes[10000:]} == {452}, codes[-1]
    wait_for('10000 recipients', lambda: sum(len(m['rcpts']) for m in list(sink.messages)) == 11000, 60)
    all_to = [r for m in sink.messages for r in m['rcpts']]
    assert len(set(all_to)) == 10000


def test_thousand_idle_connections(t):
    """1000 peers that say nothing do not slow down the one that sends."""
    g = t.home([RAT, FLOW + 'max_connections=2000'], sink_port=t.sink().port)

    def twenty():
        begun, c = time.monotonic(), g.smtp()
        for _ in range(20):
            take(c)
        c.quit()
        return time.monotonic() - begun
    alone = twenty()
    idle = [Smtp(g.smtp_port, greet=False) for _ in range(1000)]  # greeted 30 ms later: each might send PROXY
    assert all(c.reply()[0] == 220 for c in idle)
    among = twenty()
    assert among < 3 * alone + 0.5, (alone, among)
    for c in idle:
        c.close()
    take(g.smtp())


def test_two_processes_numbers_and_loss(t):
    """D5, J: with two receive processes MIDs are never given twice and rise in each; one of them is killed under load again
    and again: nothing accepted is lost."""
    sink = t.sink()
    g = t.home([RAT] + crash.FAST + TWO, sink_port=sink.port)
    wait_for('two receive processes', lambda: ('receive', 1) in g.roles())
    accepted, errors = [], []
    threads = [threading.Thread(target=crash.load, args=(g, 120, 'two%d' % n, accepted, errors)) for n in range(6)]
    for th in threads:
        th.start()
    for i in range(4):
        time.sleep(0.3)
        pid = g.roles().get(('receive', i % 2))
        if pid:
            os.kill(pid, signal.SIGKILL)
    for th in threads:
        th.join()
    assert not errors, errors
    assert len(accepted) == 720
    crash.check(g, sink, accepted)
    begun = [int(m) for m in re.findall(r'Start MID (\d+) ICID', g.log())]
    assert len(begun) == len(set(begun)), 'a MID was given twice'
    assert begun == sorted(begun), 'MIDs do not rise in the log'


def tls_again(g, session):
    """A TLS connection that offers a session; returns (session, whether it was resumed)."""

    ctx = session[0] if session else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    c = g.smtp()
    assert c.cmd('STARTTLS')[0] == 220
    s = ctx.wrap_socket(c.s, session=session[1] if session else None)
    s.sendall(b'QUIT\r\n')
    s.recv(100)
    result = (ctx, s.session), s.session_reused
    s.close()
    return result


def test_tls_sessions_resume_in_both_processes(t):
    """Tickets of one receive process are taken by the other, also after one was restarted."""
    g = t.home([RAT] + TWO, sink_port=t.sink().port)
    wait_for('two receive processes', lambda: ('receive', 1) in g.roles())
    session, again = tls_again(g, None)
    assert not again
    assert all(tls_again(g, session)[1] for _ in range(12))
    old = g.roles()
    os.kill(old['receive', 0], signal.SIGKILL)
    wait_for('a new one', lambda: g.roles().get(('receive', 0)) not in (None, old['receive', 0]))
    time.sleep(0.5)
    assert all(tls_again(g, session)[1] for _ in range(12))
