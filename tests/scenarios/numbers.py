"""Numbers agree: a mixed load through two gateways of one manager, and every sum is the same in the logs, in tracking, in the
report counters and at the sink, on both ends. POSTERN_NUMBERS says how many messages (default 600; 20,000 by hand)."""
import collections, concurrent.futures, json, random, threading

import fake_rspamd, fleet
from lib import *

TOTAL, AWAY = int(os.environ.get('POSTERN_NUMBERS', '600')), int(os.environ.get('POSTERN_AWAY', '60'))      # AWAY: in each three hours
FILTERS = ['message_filter.hold.text=hold: if (subject == "hold me") { quarantine("Policy"); }',
           'message_filter.drop.text=drop: if (subject == "drop me") { drop(); }']
#        kind     share  recipients
MIX = (('plain', 60, 1), ('many', 10, 3), ('hold', 10, 1), ('spam', 10, 1), ('drop', 5, 1), ('bounce', 5, 1))
SUBJECT = dict(plain='news', many='news for all', hold='hold me', spam='an offer', drop='drop me', bounce='no such user')
SUMMARY, OUTGOING, CAPACITY = 'mail_incoming_traffic_summary', 'mail_outgoing_traffic_summary', 'mail_system_capacity'


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
    """Each of these to this gateway; 50 a connection, with a recipient in between that it refuses. How many were refused."""
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


def send_all(gateways, kinds):
    refused = [None] * len(gateways)

    def one(i):
        refused[i] = send(gateways[i], kinds[i], i * TOTAL)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(gateways))]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    return refused


def later(homes, minutes):
    """The clock of all is so much before the real one, at once: each is stopped and started with it."""
    for h in homes:
        if h.proc:
            h.stop()
    for h in homes:
        h.env['POSTERN_CLOCK_OFFSET_MS'] = str(minutes * 60000)
        h.start()


LINES = dict(accepted=r'MID \d+ ready \d+ bytes from <a@sender\.test>', held=r'quarantined to "Policy"|enqueued for transfer to centralized quarantine "Policy"',
             spam=r'ISQ: Tagging MID \d+ for quarantine|ISQ: Quarantined MID', back=r'received from the SMA \S+ \(MID originally',
             dropped=r'MID \d+ .*[Dd]ropped by', refused=r'To: <x@elsewhere\.test> Rejected by RAT')


def in_logs(h, what):
    """How many lines of the mail log say so."""
    return len(re.findall(LINES[what], h.log()))


def states(h, *words):
    """{state: how many messages of the load tracking has in it}."""
    return collections.Counter(x['state'] for x in fleet.rows(fleet.tracked(h, 'sender:is=a@sender.test', 'limit=100000', *words)))


def world(t, n, *gateway_settings):
    """A sink that knows not everybody, an engine, a manager and n gateways: enrolled, quarantines central."""
    def answer(line, state):
        return '550 5.1.1 unknown here' if line.startswith('RCPT TO:<unknown@') else None
    sink, engine = t.sink(script=answer), fake_rspamd.Server()
    t.things.append(engine)
    quick = ['tracking.max_results=100000']
    m = t.manager(quick + ['central.pull_every_ms=1s'])
    gateways = [t.home(FILTERS + quick + engine.settings() + list(gateway_settings) + ['listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT',
                                                              'mail_flow_policy.ACCEPTED.max_messages=10000'], sink_port=sink.port) for _ in range(n)]
    fleet.manager_ready(m)
    for i, g in enumerate(gateways):
        fleet.enrol(m, g, 'gw%d' % (i + 1))
        fleet.centralize(m, g)
        g.serial = fleet.serial(g)
    return sink, m, gateways


def test_numbers_agree(t):
    """ST-15, ST-16, ST-33, CPQ-29, CPQ-65: the same sums everywhere after a mixed load from two gateways, then after all held mail was
    released on the manager. The quarter of an hour ends by the clock of all three being set on."""
    sink, m, gateways = world(t, 2)
    begun, quarter = time.monotonic(), int(time.time()) // 900 * 900
    kinds = [load(TOTAL // 2, seed) for seed in (1, 2)]
    refused = send_all(gateways, kinds)
    every = kinds[0] + kinds[1]
    number = {kind: sum(k == kind for k, _ in every) for kind, _, _ in MIX}
    recipients = sum(r for kind, r in every if kind in ('plain', 'many'))
    seconds = 60 + TOTAL / 20
    count = lambda: sum(len(x['rcpts']) for x in sink.messages if x['sender'])
    wait_for('everything at the sink', lambda: count() >= recipients, seconds)
    wait_for('all held', lambda: len(fleet.held(m, 'limit=10000')) == number['hold'], seconds)
    wait_for('all spam held', lambda: len(fleet.held(m, 'limit=10000', verb='spamquarantine')) == number['spam'], seconds)
    wait_for('bounces', lambda: sum(not x['sender'] for x in sink.messages) == number['bounce'], seconds)
    assert count() == recipients
    tell('the load is through', begun)
    # tracking and logs, on both ends
    for g, k, r in zip(gateways, kinds, refused):
        wait_for('tracking of the gateway', lambda: sum(states(g).values()) == len(k) + r, 30)
        wait_for('its rows on the manager', lambda: states(m, 'serial=' + g.serial) == states(g), 60)
        assert (in_logs(g, 'accepted'), states(g)['Aborted']) == (len(k), r)
    wait_for('the end of each', lambda: states(m) == ends(number, sum(refused)), 30)
    for what, kind in (('held', 'hold'), ('spam', 'spam')):
        wait_for(what + ' in the logs', lambda: sum(in_logs(g, what) for g in gateways) == in_logs(m, what) == number[kind])
    # all held mail is let go on the manager: it arrives once
    m.cli('quarantine', 'release', '-y', 'subject=hold')
    m.cli('spamquarantine', 'release', '-y', 'subject=offer')
    released = number['hold'] + number['spam']
    wait_for('the released', lambda: count() >= recipients + released, seconds)
    tell('what was held is released', begun)
    wait_for('the last line', lambda: sum(in_logs(g, 'back') for g in gateways) == released)
    assert count() == recipients + released
    ids = [re.search(rb'Message-ID: <(n\d+)@', x['data']).group(1) for x in sink.messages if x['sender']]
    assert len(set(ids)) == len(ids), 'delivered twice'
    # counters: those of both gateways together are those of the manager
    span = 'range=%d..%d' % (quarter, int(time.time()) // 900 * 900 + 900)
    later([m] + gateways, 15)
    tell('the quarter is over', begun)
    names = [r['name'] for r in json.loads(m.cli('report', 'list', '--json')) if r['name'] != CAPACITY]

    def of_gateways(names):
        return sum((sums(g, names, span) for g in gateways), collections.Counter())
    wait_for('the figures of both gateways', lambda: sums(m, [SUMMARY], span) == of_gateways([SUMMARY]), 60)
    tell('the first counters are equal', begun)
    ours, theirs = sums(m, names, span), of_gateways(names)
    assert ours == theirs, (ours - theirs, theirs - ours)
    tell('the counters of %d reports are equal' % len(names), begun)
    accepted = sum(r for _, r in every)
    wanted = dict(total_recipients=accepted, detected_spam=number['spam'], threat_content_filter=number['drop'],
                  total_clean_recipients=accepted - number['spam'] - number['drop'], blocked_invalid_recipient=sum(refused))
    got = {k: ours[SUMMARY, '', k] for k in wanted}
    assert got == wanted, (got, wanted)
    assert ours[OUTGOING, '', 'total_recipients_delivered'] == count() + number['bounce'], ours      # our bounces are mail too
    assert ours[OUTGOING, '', 'total_hard_bounces'] == number['bounce'], ours
    print('  numbers: %s' % dict(got, delivered=count(), bounced=number['bounce'], held=number['hold'], released=released))


def ends(number, refused):
    """What tracking says at last of so many of each kind."""
    return {'Delivered': number['plain'] + number['many'], 'Quarantined by Policy': number['hold'], 'Quarantined as Spam': number['spam'],
            'Dropped By Message Filters': number['drop'], 'Hard Bounced': number['bounce'], 'Aborted': refused}


def sums(h, names, span):
    """{(report, key, column): sum} of these reports, whose figures can be added."""
    def rows(name):
        return name, json.loads(h.cli('report', name, span, '--json'))['rows']
    out = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:      # each report waits until what happened is in it
        for name, found in pool.map(rows, names):
            for row in found:
                for column, value in row.items():
                    if isinstance(value, int) and column not in ('begin', 'end'):
                        out[name, row.get('key', ''), column] += value
    return +out


def each(h, spans):
    """The summary of each of these ranges."""
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        return list(pool.map(lambda x: sums(h, [SUMMARY], x), spans))


def tell(what, begun):
    print('  numbers: %d messages: %s after %.1f s' % (TOTAL, what, time.monotonic() - begun))


def test_thirty_hours_away(t):
    """CPQ-64, ST-33, ST-15, ST-16: the manager is off for 30 hours, by the clock of both ends, while mail of all kinds comes in. Alerts are
    raised, nothing is lost, nothing expires; when it is back all of it is there, each message once, no gap, the figures of each stretch of three
    hours are equal on both ends, and it took less than a twentieth of the time."""
    sink, m, (g,) = world(t, 1, 'pvo.alert_away_ms=1s')
    m.stop()
    start, stretches, every, refused = int(time.time()) // 900 * 900, 10, [], 0
    for i in range(stretches):
        later([g], 180 * i) if i else None
        kinds = load(AWAY, i)
        refused += send(g, kinds, i * AWAY)
        every += kinds
    number = {kind: sum(k == kind for k, _ in every) for kind, _, _ in MIX}
    recipients = sum(r for kind, r in every if kind in ('plain', 'many'))
    count = lambda: sum(len(x['rcpts']) for x in sink.messages if x['sender'])
    wait_for('the rest at the sink', lambda: count() == recipients, 60)
    waits = lambda name: int(re.search(r'Active Recipients +([\d,]+)', g.cli('hoststatus', name)).group(1).replace(',', ''))
    wait_for('what waits', lambda: (waits('the.cpq.host'), waits('the.euq.queue')) == (number['hold'], number['spam']))
    g.wait_log(r'The manager has not taken mail of the\.cpq\.host', 'system_logs', 20)
    later([g], 1800)
    m.env['POSTERN_CLOCK_OFFSET_MS'] = str(1800 * 60000)
    m.start()
    begun = time.monotonic()
    wait_for('tracking', lambda: sum(states(m).values()) == len(every) + refused, 120 + len(every) / 50)
    wait_for('the held', lambda: len(fleet.held(m, 'limit=10000')) == number['hold'], 120)
    wait_for('the spam', lambda: len(fleet.held(m, 'limit=10000', verb='spamquarantine')) == number['spam'], 120)
    spans = ['range=%d..%d' % (start + i * 10800, start + i * 10800 + 10800) for i in range(stretches)]
    wait_for('the figures', lambda: each(m, spans) == each(g, spans), 60)
    took = time.monotonic() - begun
    print('  away: 30 hours, %d messages in %.1f s: %.0f times real time, %.0f messages/s' % (len(every), took, 108000 / took, len(every) / took))
    assert took * 20 < 30 * 3600
    for h in (m, g):
        wait_for('the end of each on the ' + h.role, lambda: states(h) == ends(number, refused), 30)
    for kind in ('tracking', 'report'):
        gaps = [a['gaps'] for a in json.loads(m.cli(kind, 'availability', '--json'))['appliances'] if a['name'] == 'gw1']
        assert gaps == [[]], (kind, gaps)
    assert all(each(m, spans))
    assert count() == recipients and sum(not x['sender'] for x in sink.messages) == number['bounce']    # nothing else came back


test_numbers_agree.alone = test_thirty_hours_away.alone = True
