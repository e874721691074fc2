"""Held mail: from the queue to the quarantines of this machine, what an operator does there, and back."""
import json, os, re, signal
from lib import *
from cpq_lab import LETTER, found, hold
from disks import grow, small_disk

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'


def test_held_mail_is_seen_decided_and_released(t):
    """CPQ-28, CPQ-30, CPQ-31, CPQ-33: the object the.cpq.host is listed by tophosts (what a delivery status page shows), known to
    hoststatus, showrecipients and deleterecipients, and counts what waits for the quarantine. CPQ-04, CPQ-05: what is held is found,
    shown and released whole, and the log tells it."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    hold(g, 'the.cpq.host', 3)
    assert re.search(r'(?m)^\s*\d+\s+the\.cpq\.host\s+3\b', g.cli('tophosts')), g.cli('tophosts')
    assert re.search(r'Active Recipients +3', g.cli('hoststatus', 'the.cpq.host'))
    shown = g.cli('showrecipients', 'host', 'the.cpq.host')
    assert 'Total: 3 recipients.' in shown and 'Invoice 7' in shown
    g.cli('deleterecipients', 'from', 'nobody@s.test')
    g.cli('resumedel')
    wait_for('the quarantine', lambda: len(found(g)) == 3)
    held = found(g, 'order=received')
    log = g.wait_log(r'MID %d quarantined to "Unclassified" \(no reason given\)' % held[0]['mid'])
    assert 'DCID' not in g.log() and held[0]['subject'] == 'Invoice 7' and held[0]['recipients'] == ['b@rcpt.test'], held
    assert re.search(r'Unclassified +unclassified +3 ', g.cli('quarantine', 'list'))
    assert g.cli('quarantine', 'show', str(held[0]['id']), '--message').encode().replace(b'\n', b'\r\n').replace(b'\r\r', b'\r').endswith(b'Pay soon.\r\n')
    assert g.cli('quarantine', 'release', str(held[0]['id'])).strip() == '1 message released.'
    wait_for('the released message', lambda: sink.messages)
    assert sink.messages[0]['data'].endswith(LETTER[LETTER.index(b'From:'):]) and sink.messages[0]['rcpts'] == ['b@rcpt.test']
    old = held[0]['mid']
    new = int(re.search(r'MID %d rewritten to MID (\d+) by Policy Quarantine' % old, g.wait_log('rewritten to MID') and g.log()).group(1))
    g.wait_log(r'MID %d released from quarantine "Unclassified" \(manual\) t=\d+' % old)
    lines = g.log()
    assert lines.index('MID %d released from all quarantines' % old) < lines.index('Message finished MID %d done' % old)
    assert len(re.findall('Message finished MID %d done' % old, lines)) == 1 and 'Start MID %d ICID 0' % new in lines
    for answer in ('', 'n\n'):                                               # more than one: asked for, the words are no answer
        assert g.cli('quarantine', 'delete', 'subject=invoice', answers=answer).strip() == '2 messages are chosen.\nAre you sure? [N]>'
    assert len(found(g)) == 2
    assert g.cli('quarantine', 'delay', '8h', 'subject=invoice', answers='y\n').endswith('2 messages delayed.\n')
    assert g.cli('quarantine', 'delete', '-y', 'subject=invoice').strip() == '2 messages deleted.'
    assert found(g) == [] and len(sink.messages) == 1


def test_the_holder_may_die_at_any_time(t):
    """CPQ-65, CPQ-29: the role is killed while mail waits for it and after it took some: nothing is lost or doubled."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    hold(g, 'the.cpq.host', 5)
    os.kill(g.roles()[('quarantine', 0)], signal.SIGKILL)
    g.cli('resumedel')
    wait_for('all five', lambda: len(found(g)) == 5, 30)
    os.kill(g.roles()[('quarantine', 0)], signal.SIGKILL)
    wait_for('all five again', lambda: len(found(g)) == 5, 30)
    assert len(set(m['mid'] for m in found(g))) == 5
    wait_for('their lines', lambda: len(re.findall('quarantined to', g.log())) >= 5)
    hold(g, 'the.euq.queue', 1)
    g.cli('resumedel')
    wait_for('spam', lambda: len(found(g, verb='spamquarantine')) == 1)
    mid = found(g, verb='spamquarantine')[0]['mid']
    for line in ('RPC Delivery start RCID \\d+ MID %d to local IronPort Spam Quarantine', 'ISQ: Quarantined MID %d', 'RPC Message done RCID \\d+ MID %d', 'Message finished MID %d done'):
        g.wait_log(line % mid)
    assert g.cli('spamquarantine', 'release', '1').strip() == '1 message released.'
    g.wait_log(r'ISQ: Reinjected MID %d as MID \d+' % mid)
    wait_for('the spam', lambda: sink.messages)
    assert len(re.findall('quarantined to', g.log())) == 5


def test_what_waits_for_a_quarantine_that_is_away(t):
    """CPQ-29, CPQ-31, CPQ-32, CPQ-33, CPQ-34: while the holder cannot be reached, hoststatus of the.cpq.host gives state, last error and next retry,
    tophosts marks it as down and counts, showrecipients lists, and deleterecipients takes mail away for good, with its log
    line and counters; what is left is held once the holder is back."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    there, away = (os.path.join(g.home, 'run', n) for n in ('cpq', 'cpq.away'))
    os.rename(there, away)
    hold(g, 'the.cpq.host', 3)
    g.cli('resumedel')
    g.wait_log(r'CPQ: the local quarantine \(pvo\) cannot be reached: ', seconds=30)
    wait_for('the host to be down', lambda: re.search(r'(?m)^\s*\d+\*\s+the\.cpq\.host\s+3\b', g.cli('tophosts')))
    shown = g.cli('hoststatus', 'the.cpq.host')
    assert re.search(r'Last Error:\n-+\n.+\n', shown) and re.search(r'Next Retry: +\w{3} \w{3} ', shown), shown
    assert re.search(r'Host up/down: +down', shown) and re.search(r'Active Recipients +3\n', shown), shown
    assert re.search(r'Deleted Recipients +0\n', shown) and re.search(r'Attempted Recipients +3\n', shown), shown
    assert 'Total: 3 recipients.' in g.cli('showrecipients', 'host', 'the.cpq.host')
    c = g.smtp()
    assert c.send('other@s.test', 'b@rcpt.test', LETTER)[0] == 250
    wait_for('a message that is not for it', lambda: len(sink.messages) == 1)
    assert g.cli('deleterecipients', 'host', 'the.cpq.host').strip() == '3 recipients deleted.'
    gone = re.findall(r'Deleted: MID (\d+) to RID \[0\]', g.wait_log('Deleted: MID') and g.log())
    assert len(set(gone)) == 3, gone
    for mid in gone:
        g.wait_log('Message finished MID %s done' % mid)
    shown = g.cli('hoststatus', 'the.cpq.host')
    assert re.search(r'Deleted Recipients +3\n', shown) and re.search(r'Active Recipients +0\n', shown), shown
    hold(g, 'the.cpq.host', 1)
    os.rename(away, there)
    g.cli('resumedel')
    g.cli('delivernow', 'all')
    wait_for('what is left', lambda: len(found(g)) == 1)
    assert found(g)[0]['mid'] not in [int(m) for m in gone] and len(sink.messages) == 1


def test_released_mail_is_judged_again(t):
    """CPQ-17 to CPQ-24: policy quarantine, spam quarantine, delivery; its sender becomes safe on release; a copy has no side
    effect; a guest decides where he is named and nowhere else; what the program lets out early for want of space carries a
    header, a mark and no attachments."""
    spam = FakeEngine(b'HTTP/1.1 200 OK\r\nContent-Length: 67\r\n\r\n{"score":15.0,"required_score":15.0,"action":"reject","symbols":{}}')
    virus = FakeEngine(b'1: stream: OK\0')
    t.things += [spam, virus]
    sink = t.sink()
    g = t.home([RAT, 'antispam.enabled=yes', 'antispam.rspamd_address=' + spam.address, 'mail_policy.DEFAULT.antispam=yes',
                'antivirus.enabled=yes', 'antivirus.clamd_address=' + virus.address, 'mail_policy.DEFAULT.antivirus=yes',
                'spam_quarantine.domains=rcpt.test', 'user.gus.role=guest', 'quarantine.Policy.users=gus', 'quarantine.Policy.action=release',
                'quarantine.Policy.subject_prefix=[EARLY]', 'quarantine.Policy.header_name=X-Early', 'quarantine.Policy.header_value=yes',
                'quarantine.Policy.strip_attachments=yes', 'message_filter.holdit.text=holdit: if (subject == "Invoice") { quarantine("Policy"); }'],
               sink_port=sink.port)
    assert g.smtp().send('bounces@s.test', 'b@rcpt.test', LETTER)[0] == 250
    wait_for('Policy', lambda: len(found(g)) == 1)
    held = found(g)[0]
    assert found(g, verb='spamquarantine') == []
    assert g.cli('quarantine', 'copy', 'copy@rcpt.test', str(held['id'])).strip() == '1 message copied.'
    wait_for('the copy', lambda: len(sink.messages) == 1)
    assert sink.messages[0]['rcpts'] == ['copy@rcpt.test'] and found(g)[0]['id'] == held['id']
    refused = g.cli('--user', 'gus', 'deleterecipients', 'all', check=False)
    assert 'Unknown command' in refused, refused
    assert json.loads(g.cli('--user', 'gus', 'quarantine', 'search', '--json'))['messages'][0]['id'] == held['id']
    assert 'You may not' in g.cli('--user', 'gus', 'quarantine', 'search', 'quarantine=Virus', check=False)
    assert g.cli('--user', 'gus', 'quarantine', 'release', str(held['id'])).strip() == '1 message released.'
    wait_for('the spam quarantine', lambda: len(found(g, verb='spamquarantine')) == 1)
    new = found(g, verb='spamquarantine')[0]['mid']
    g.wait_log(r'MID %d rewritten to MID %d by Policy Quarantine' % (held['mid'], new))
    g.wait_log(r'MID %d antivirus negative ' % new)
    assert not re.search(r'MID %d (interim verdict )?using engine: CASE' % new, g.log()) and found(g) == [] and len(sink.messages) == 1
    assert g.cli('spamquarantine', 'release', '--safelist', 'mid=%d' % new).strip() == '1 message released.'
    wait_for('the spam', lambda: len(sink.messages) == 2)
    assert g.cli('slbl', 'show') == 'b@rcpt.test safe bounces@s.test\nb@rcpt.test safe a@s.test\n'

    # mail for other domains is marked and delivered; the rest of it is held
    g.cli('settings', 'set', 'spam_quarantine.domains=elsewhere.test')
    assert g.smtp().send('x@y.test', 'b@rcpt.test', LETTER.replace(b'Invoice 7', b'Offer').replace(b'a@s.test', b'x@y.test'))[0] == 250
    wait_for('the marked one', lambda: len(sink.messages) == 3)
    assert b'Subject: [SPAM] Offer' in sink.messages[2]['data'] and found(g, verb='spamquarantine') == []

    # early
    g.cli('settings', 'set', 'antispam.enabled=no', 'antivirus.enabled=no', 'quarantine_service.max_bytes=1M')
    big = (b'From: a@s.test\r\nSubject: Invoice 8\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'
           b'Content-Type: text/plain\r\n\r\nText\r\n--b\r\nContent-Type: application/pdf; name="a.pdf"\r\n\r\n' + b'x' * 70 + b'\r\n') + \
        (b'y' * 70 + b'\r\n') * 5600 + b'--b--\r\n'
    for _ in range(3):
        assert g.smtp().send('a@s.test', 'b@rcpt.test', big)[0] == 250
    wait_for('the early one', lambda: len(sink.messages) == 4, 30)
    early = sink.messages[3]['data']
    assert b'X-Early: yes\r\n' in early and b'Subject: [EARLY] Invoice 8' in early and len(early) < 2000 and b'\r\nText\r\n' in early, early[:2000]
    g.wait_log(r'released \(attachments stripped\) from quarantine "Policy" \(queue full\)')


def test_a_full_quarantine_disk_keeps_mail_waiting(t):
    """CPQ-65, CPQ-29: what the quarantine has no room for stays in the queue, an alert says why, other mail flows on; with room again
    all of it is held, each once."""
    sink = t.sink()
    g = t.home([RAT, 'authentication.spf=no', 'authentication.dmarc=no',
                'message_filter.hold.text=hold: if (subject == "invoice") { quarantine("Policy"); }'], sink_port=sink.port, start=False)
    disk = small_disk(t, g, 8, 'quarantine')
    g.start()
    c = g.smtp()
    for i in range(12):
        assert c.send('a@s.test', 'b@rcpt.test', b'Subject: invoice\r\nMessage-ID: <%d@s.test>\r\n\r\n' % i + (b'x' * 70 + b'\r\n') * 14000)[0] == 250
    g.wait_log(r'MID \d+ was not taken by the quarantine: 452 4\.3\.1 .*No space left on device')
    wait_for('the alert', lambda: 'No space left on device' in g.cli('displayalerts'))
    assert c.send('a@s.test', 'b@rcpt.test', LETTER.replace(b'Invoice', b'Hello'))[0] == 250
    wait_for('other mail', lambda: sink.messages)
    assert 0 < len(found(g, 'limit=100')) < 12
    grow(disk, 64)
    g.cli('delivernow', 'all')
    wait_for('all of it', lambda: len(found(g, 'limit=100')) == 12)
    assert len(set(m['mid'] for m in found(g, 'limit=100'))) == 12 and len(sink.messages) == 1


test_a_full_quarantine_disk_keeps_mail_waiting.needs_root = True
