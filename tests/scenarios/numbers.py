"""Numbers agree: a mixed load through two gateways of one manager, and every sum is the same in the logs, in tracking, in the
report counters and at the sink, on both ends. POSTERN_NUMBERS says how many messages (default 300; 20,000 by hand)."""
import random

import fake_rspamd, fleet
from lib import *

TOTAL = int(os.environ.get('POSTERN_NUMBERS', '300'))
FILTERS = ['message_filter.hold.text=hold: if (subject == "hold me") { quarantine("Policy"); }',
           'message_filter.drop.text=drop: if (subject == "drop me") { drop(); }']
#        kind     share  recipients
MIX = (('plain', 60, 1), ('many', 10, 3), ('hold', 10, 1), ('spam', 10, 1), ('drop', 5, 1), ('bounce', 5, 1))
SUBJECT = dict(plain='news', many='news for all', hold='hold me', spam='an offer', drop='drop me', bounce='no such user')
SUMMARY = 'mail_incoming_traffic_summary'


def load(n, seed):
    """n messages as (kind, recipients): the shares of MIX, shuffled."""
    kinds = [(kind, rcpts) for kind, share, rcpts in MIX for _ in range(n * share // 100)]
    kinds += [('plain', 1)] * (n - len(kinds))
    random.Random(seed).shuffle(kinds)
    return kinds


def letter(kind, number):
    return ('From: a@sender.test\r\nTo: b@rcpt.test\r\nSubject: %s\r\nMessage-ID: <n%d@sender.test>\r\n\r\n%s\r\n' %
            (SUBJECT[kind], number, 'buy now' if kind == 'spam' else 'hello')).encode()


def send(g, kinds, first):
    s, refused = g.smtp(), 0
    for i, (kind, rcpts) in enumerate(kinds):
        if i and i % 50 == 0:
            assert s.cmd('MAIL FROM:<a@sender.test>')[0] == 250 and s.cmd('RCPT TO:<x@elsewhere.test>')[0] == 550
            refused += 1
            s.quit()
            s = g.smtp()
        to = ['unknown@rcpt.test'] if kind == 'bounce' else ['b%d@rcpt.test' % k for k in range(rcpts)]
        assert s.send('a@sender.test', to, letter(kind, first + i))[0] == 250
    s.quit()
    return refused


def in_logs(g):
    """What the mail log of a gateway says: accepted messages with their sender's address, and those that are done."""
    log = g.log()
    return (len(re.findall(r'MID \d+ ready \d+ bytes from <a@sender\.test>', log)), len(re.findall(r'RID \d+ Response .*Ok: queued', log)),
            len(re.findall(r'quarantined to "Policy"|enqueued for transfer to centralized quarantine "Policy"', log)))


def counted(h, *words):
    """How many messages of the load tracking has."""
    return len(fleet.rows(fleet.tracked(h, 'sender:is=a@sender.test', 'limit=100000', *words)))


def test_numbers_agree(t):
    """ST-15, ST-16, ST-33, CPQ-29, CPQ-65: the same sums everywhere after a mixed load from two gateways, then after all held mail was
    released on the manager."""
    def answer(line, state):
        return '550 5.1.1 unknown here' if line.startswith('RCPT TO:<unknown@') else None
    sink = t.sink(script=answer)
    engine = fake_rspamd.Server()
    t.things.append(engine)
    m = t.manager(['tracking.max_results=100000'])
    gateways = [t.home(FILTERS + engine.settings() + ['listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', 'tracking.max_results=100000',
                                                      'mail_flow_policy.ACCEPTED.max_messages=10000'], sink_port=sink.port) for _ in range(2)]
    fleet.manager_ready(m)
    for i, g in enumerate(gateways):
        fleet.enrol(m, g, 'gw%d' % (i + 1))
        fleet.centralize(m, g)
        g.serial = fleet.serial(g)
    kinds = [load(TOTAL // 2, seed) for seed in (1, 2)]
    refused = [send(g, k, i * TOTAL) for i, (g, k) in enumerate(zip(gateways, kinds))]
    every = kinds[0] + kinds[1]
    number = {kind: sum(k == kind for k, _ in every) for kind, _, _ in MIX}
    recipients = sum(r for kind, r in every if kind in ('plain', 'many'))
    seconds = 60 + TOTAL / 20
    count = lambda: sum(len(x['rcpts']) for x in sink.messages if x['sender'])
    wait_for('everything at the sink', lambda: count() >= recipients, seconds)
    wait_for('all held', lambda: len(fleet.held(m, 'limit=100000')) == number['hold'], seconds)
    wait_for('all spam held', lambda: len(fleet.held(m, 'limit=100000', verb='spamquarantine')) == number['spam'], seconds)
    wait_for('bounces', lambda: sum(not x['sender'] for x in sink.messages) == number['bounce'], seconds)
    assert count() == recipients
    for g, k in zip(gateways, kinds):
        wait_for('tracking of the gateway', lambda: counted(g) == len(k), 30)
        wait_for('its rows on the manager', lambda: counted(m, 'serial=' + g.serial) == len(k), 60)
        assert in_logs(g)[0] == len(k)
    assert counted(m) == TOTAL
    assert sum(in_logs(g)[2] for g in gateways) == number['hold']
    # all held mail is let go on the manager: it arrives once
    m.cli('quarantine', 'release', '-y', 'subject=hold')
    m.cli('spamquarantine', 'release', '-y', 'subject=offer')
    wait_for('the released', lambda: count() >= recipients + number['hold'] + number['spam'], seconds)
    time.sleep(1)
    assert count() == recipients + number['hold'] + number['spam']
    ids = [re.search(rb'Message-ID: <(n\d+)@', x['data']).group(1) for x in sink.messages if x['sender']]
    assert len(set(ids)) == len(ids), 'delivered twice'
    # counters: those of both gateways together are those of the manager
    def figures(h):
        return {k: v for k, v in fleet.figures(h, SUMMARY).items() if isinstance(v, int)}

    def equal():
        ours, theirs = figures(m), [figures(g) for g in gateways]
        return ours and all(ours[k] == sum(x.get(k, 0) for x in theirs) for k in ours)
    wait_for('equal counters on both ends', equal, 1000)
    assert figures(m)['detected_spam'] == number['spam']
    assert sum(refused) == figures(m)['blocked_invalid_recipient']


test_numbers_agree.alone = True
test_numbers_agree.by_hand = 'waits for the end of a quarter of an hour'
