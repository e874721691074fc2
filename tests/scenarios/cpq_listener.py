"""The hidden listener of the central quarantines: who reaches it, how it is stopped, and a release that comes back."""
import hashlib, json, os, re, socket, ssl, subprocess
from lib import *
from cpq_lab import fingerprint, identify

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'
LETTER = b'From: a@s.test\r\nTo: b@rcpt.test\r\nSubject: Invoice 9\r\n\r\nPay soon.\r\n'


def refused(port):
    try:
        socket.create_connection(('127.0.0.1', port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


def listens(port):
    return not refused(port)


def identity(ca, name):
    """A certificate with its key, and what it is pinned by."""
    ca.context(name, self_signed=True)
    crt, key = (os.path.join(ca.dir, name + '.' + x) for x in ('crt', 'key'))
    return crt, key, fingerprint(crt)


def encrypted(s, crt=None, key=None):
    """STARTTLS with this certificate; the answer to EHLO under TLS."""
    assert s.cmd('STARTTLS')[0] == 220
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    if crt:
        ctx.load_cert_chain(crt, key)
    s.s = ctx.wrap_socket(s.s)
    s.f = s.s.makefile('rb')
    return s.cmd('EHLO mgr.test')


def start(t):
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    g.cpq = g.base + 40
    ca = Ca()
    t.things.append(ca)
    identify(g, 'GW-1')
    g.cli('settings', 'set', 'cpq_listener.enabled=yes', 'cpq_listener.port=%d' % g.cpq)
    wait_for('the hidden listener', lambda: listens(g.cpq))
    return sink, g, ca


def test_it_is_hidden_and_suspended_with_the_others(t):
    """CPQ-17, CPQ-19 to CPQ-24: in no list of listeners, in the configuration file; listens on the port that is set, follows a
    change (CPQ-11, CPQ-13), is stopped by suspendlistener all, suspendlisteners and suspend, told as offline by status, brought
    back by resume. CPQ-27, CPQ-49: banner and first EHLO for anyone, nothing else in plain text. FW-46 names the port."""
    sink, g, ca = start(t)
    assert 'cpq_listener' not in g.cli('listenerconfig') and 'cpq_listener' not in g.cli('settings', 'list', 'listener', check=False)
    file = g.cli('showconfig')
    assert re.search(r'<cpq_listener>\s*<enabled>yes</enabled>\s*<interface></interface>\s*<port>%d</port>' % g.cpq, file), file[-3000:]
    assert re.search(r'%d\b.*cpq_listener' % g.cpq, g.cli('firewallinfo')), g.cli('firewallinfo')
    s = Smtp(g.cpq)
    assert re.match(r'220 \S+ ESMTP Postern CPQ ready$', s.banner[1]), s.banner
    assert re.fullmatch(r'250-\S+\n250-STARTTLS\n250 XCPQ 1', s.cmd('EHLO mgr.test')[1])
    for line in ('MAIL FROM:<a@s.test>', 'XCPQ HELLO proto=1 serial=X role=manager ver=1 class=pvo-release', 'RSET'):
        assert s.cmd(line)[0] == 530, line
    s.quit()
    g.wait_log(r'New SMTP CPQ ICID \d+ interface Management \(127\.0\.0\.1\) address 127\.0\.0\.1')
    g.wait_log(r'CPQ ICID \d+ close')
    old, g.cpq = g.cpq, g.cpq + 1
    g.cli('settings', 'set', 'cpq_listener.port=%d' % g.cpq)
    wait_for('the new port', lambda: listens(g.cpq) and refused(old))
    assert 'offline' not in g.cli('status')
    for stop, back in ((('suspendlistener', '0', 'all'), 'resumelistener'), (('suspendlisteners', '0'), 'resume'),
                       (('suspend', '0'), 'resume'), (('suspendlistener', '0', 'cpq_listener'), 'resumelistener')):
        g.cli(*stop)
        wait_for('refusal after %s' % (stop,), lambda: refused(g.cpq))
        assert re.search(r'cpq_listener is offline: .*Use resume', g.cli('status')), g.cli('status')
        g.cli(back)
        wait_for('the listener after %s' % back, lambda: listens(g.cpq))
        assert 'offline' not in g.cli('status')


def test_an_enrolled_manager_gives_a_message_back(t):
    """CPQ-49, CPQ-19: a certificate that is not pinned ends the handshake, and the log says who; a manager's is taken and its
    release is delivered under a new number."""
    sink, g, ca = start(t)
    crt, key, pin = identity(ca, 'mgr.test')
    bad = identity(ca, 'other.test')
    g.cli('settings', 'set', 'cpq_peer.mgr.serial=MGR-1', 'cpq_peer.mgr.fingerprint=%s' % pin)
    for who, words in ((bad[:2], 'key fingerprint ' + bad[2]), ((), 'no certificate shown')):
        s = Smtp(g.cpq)
        s.cmd('EHLO mgr.test')
        try:
            raise AssertionError('a stranger was served: %s' % (encrypted(s, *who),))
        except (OSError, EOFError):
            pass
        s.close()
        g.wait_log(r'CPQ ICID \d+ TLS failed: not enrolled, %s \(address 127\.0\.0\.1\)' % words)
    s = Smtp(g.cpq)
    s.cmd('EHLO mgr.test')
    assert encrypted(s, crt, key)[1].count('XCPQ 1') == 1
    assert s.cmd('XCPQ HELLO proto=1 serial=OTHER role=manager ver=1 class=pvo-release')[0] == 550
    assert s.cmd('XCPQ HELLO proto=1 serial=MGR-1 role=manager ver=1 class=pvo-release')[0] == 250
    meta = json.dumps(dict(v=1, serial='MGR-1', host='gw.test', mid=77, uid='u', held=1, direction='in', env_from='a@s.test',
                           rcpts=[dict(addr='b@rcpt.test')], body='7BIT', size=len(LETTER), sha256=hashlib.sha256(LETTER).hexdigest(),
                           hdr=dict(subject='Invoice 9'), holds=[dict(quarantine='Policy', kind='policy', reason='r')],
                           release={'id': '1', 'by': 'admin', 'from': ['Policy'], 'edits': {'subject_prefix': '[OK]'}}, **{'class': 'pvo-release'})).encode()
    assert s.cmd('MAIL FROM:<a@s.test>')[0] == 250 and s.cmd('RCPT TO:<b@rcpt.test>')[0] == 250
    s.raw(b'XMETA %d\r\n' % len(meta) + meta)
    assert s.reply()[0] == 250 and s.cmd('DATA')[0] == 354
    s.raw(LETTER + b'.\r\n')
    new = re.fullmatch(r'250 ok:  Message (\d+) accepted', s.reply()[1]).group(1)
    s.quit()
    wait_for('the released message', lambda: sink.messages)
    assert b'Subject: [OK] Invoice 9\r\n' in sink.messages[0]['data'] and sink.messages[0]['rcpts'] == ['b@rcpt.test']
    g.wait_log(r'CPQ ICID \d+ TLS success protocol TLSv1\.3 cipher \S+')
    g.wait_log(r'MID %s received from the SMA mgr\.test \(MID originally 77\) on release from quarantine "Policy"' % new)
    g.wait_log(r'Message finished MID %s done' % new)
