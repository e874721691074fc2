"""Held mail: from the queue to the quarantines of this machine, what an operator does there, and back."""
import json, os, re, signal
from lib import *

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'
LETTER = b'From: a@s.test\r\nTo: b@rcpt.test\r\nSubject: Invoice 7\r\nMessage-ID: <q7@s.test>\r\n\r\nPay soon.\r\n'


def hold(g, destination, n=1, to='b@rcpt.test'):
    """Mail that waits for its host is sent to a quarantine's object instead, as an operator may."""
    g.cli('suspenddel')
    for _ in range(n):
        assert g.smtp().send('a@s.test', to, LETTER)[0] == 250
    wait_for('the queue', lambda: len(re.findall(r'queued for delivery', g.log())) >= n)
    g.cli('redirectrecipients', 'all', 'to', destination)


def found(g, *words, verb='quarantine'):
    """What a search finds; nothing while the role is being started again."""
    answer = g.cli(verb, 'search', *words, '--json', check=False)
    return json.loads(answer)['messages'] if answer.startswith('{') else []


def test_held_mail_is_seen_decided_and_released(t):
    """CPQ-28 to CPQ-34: the object the.cpq.host is listed by tophosts, known to hoststatus, showrecipients and deleterecipients,
    and counts what waits for the quarantine. CPQ-04, CPQ-05: what is held is found, shown and released whole, and the log tells it."""
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
    assert len(re.findall('quarantined to', g.log())) == 5
    hold(g, 'the.euq.queue', 1)
    g.cli('resumedel')
    wait_for('spam', lambda: len(found(g, verb='spamquarantine')) == 1)
    mid = found(g, verb='spamquarantine')[0]['mid']
    for line in ('RPC Delivery start RCID \\d+ MID %d to local IronPort Spam Quarantine', 'ISQ: Quarantined MID %d', 'RPC Message done RCID \\d+ MID %d', 'Message finished MID %d done'):
        g.wait_log(line % mid)
    assert g.cli('spamquarantine', 'release', '1').strip() == '1 message released.'
    g.wait_log(r'ISQ: Reinjected MID %d as MID \d+' % mid)
    wait_for('the spam', lambda: sink.messages)
