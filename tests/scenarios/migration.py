"""Migration: what a gateway holds goes to its manager when central quarantines are enabled, and what becomes of the local ones afterwards."""
import json, os, re, signal, time
from lib import *
from cpq_lab import *

NAMES = ('Alpha', 'Beta', 'Policy')
FILTERS = ['message_filter.to%s.text=to%s: if (subject == "%s") { quarantine("%s"); }' % (n, n, n.lower(), n) for n in NAMES]
BOTH = 'message_filter.both.text=both: if (subject == "both") { quarantine("Alpha"); quarantine("Policy"); }'
LOCAL = ['quarantine.Alpha.kind=policy', 'quarantine.Beta.kind=policy', 'quarantine.Beta.retention_ms=72h', 'quarantine.Beta.action=release', *FILTERS, BOTH]


def letter(subject, text='text'):
    return ('From: a@s.test\r\nTo: b@rcpt.test\r\nSubject: %s\r\nMessage-ID: <%s@s.test>\r\n\r\n%s\r\n' % (subject, text, text)).encode()


def lab(t, migration='automatic', central=(), gateway=()):
    """A gateway that holds mail itself, and a manager with quarantines of the same names, that has chosen how they move."""
    g, m = pair(t, gateway=[*LOCAL, *gateway], manager=['quarantine.Alpha.kind=policy', 'quarantine.Beta.kind=policy', *central], central=False)
    m.cli('settings', 'set', 'appliance.gw1.migration=' + migration)
    return g, m


def fill(g, **numbers):
    """So many messages into each quarantine of the gateway."""
    before = len(found(g, 'limit=1000'))
    s, n = g.smtp(), 0
    for name, count in numbers.items():
        for _ in range(count):
            n += 1
            assert s.send('a@s.test', 'b@rcpt.test', letter(name, '%s-%d' % (name, n)))[0] == 250
    s.quit()
    return wait_for('what was held', lambda: len(found(g, 'limit=1000')) == before + n and found(g, 'limit=1000'), 60)


def central(g, m):
    g.cli('pvoconfig', 'enable', 'Management', str(g.cpq), ';', 'commit', 'enabled')


def runs(h):
    """{(class): row} of the migrations that pvoconfig tells of."""
    return json.loads(h.cli('pvoconfig', 'status', '--json'))


def holds(rows):
    """{(gateway's number, quarantine): (exit, action, reason)}"""
    return {(x['mid'], q['name']): (q['exit'], q['action'], q['reason']) for x in rows for q in x['quarantines'] if q['state'] == 'held'}


def wait_moved(g, m, n, seconds=60):
    wait_for('the messages on the manager', lambda: len(found(m, 'limit=1000')) == n and not found(g, 'limit=1000'), seconds)
    mids = [x['mid'] for x in found(m, 'limit=1000')]
    assert len(mids) == len(set(mids)) == n, mids


def test_automatic(t):
    """CPQ-05, CPQ-66, central.md 7.3 and 9, Migration: everything that policy quarantines hold goes to the manager with its exit, action and reason;
    quarantines of one name merge; both ends count the same and say when it began and ended."""
    g, m = lab(t)
    before = holds(fill(g, alpha=3, beta=2, policy=1, both=1))
    central(g, m)
    wait_moved(g, m, 7)
    assert holds(found(m)) == before, (holds(found(m)), before)
    g.wait_log(r'Migration to sma: started, 7 messages')
    g.wait_log(r'Migration to sma: done, 7 messages\n')
    m.wait_log(r'Migration from gw1: started, 7 messages')
    m.wait_log(r'Migration from gw1: done, 7 messages\n')
    g.wait_log(r'MID \d+ enqueued for transfer to centralized quarantine "Beta" \(')
    g.wait_log(r'Message done DCID \d+ MID \d+ to RID \[0\] \(centralized policy quarantine\)')
    shown = g.cli('pvoconfig', 'status')
    assert re.search(r'migration: +done', shown) and re.search(r'stored: +7 messages of this gateway, 7 of them migrated', shown), shown
    assert 'Migration to the manager: done, 7 of 7 messages' in shown, shown
    assert 'Migration from gw1: done, 7 of 7 messages' in m.cli('pvoconfig', 'status'), m.cli('pvoconfig', 'status')


def test_custom(t):
    """CPQ-66, central.md 9, Migration: by the map a quarantine moves under another name, merges, or is left out, together with what is in it and in others;
    new mail is held under the mapped name."""
    g, m = lab(t, 'custom', ['quarantine.Legal.kind=policy'])
    m.cli('settings', 'set', 'appliance.gw1.migration_map=Alpha=Legal,Beta=,Policy=Policy')
    fill(g, alpha=2, beta=2, policy=1, both=1)
    central(g, m)
    wait_for('what moves', lambda: len(found(m)) == 4 and len(found(g)) == 2)
    assert sorted(n for _, n in holds(found(m))) == ['Legal', 'Legal', 'Legal', 'Policy', 'Policy'], holds(found(m))
    assert {n for _, n in holds(found(g))} == {'Beta'}
    g.wait_log(r'Migration to sma: done, 4 messages\n')
    g.smtp().send('a@s.test', 'b@rcpt.test', letter('alpha', 'new'))
    wait_for('the new one', lambda: len(found(m, 'quarantine=Legal')) == 4)
    m.wait_log(r'MID \d+ quarantined to "Legal" \(message filter:toAlpha\)')
    g.cli('quarantine', 'delay', '8', 'quarantine=Beta', '-y')
    before = holds(found(g))
    m.cli('settings', 'set', 'appliance.gw1.migration_map=Alpha=Legal,Beta=Beta,Policy=Policy')
    g.cli('settings', 'set', 'pvo.alert_messages=900')
    wait_for('the rest', lambda: len(found(m, 'quarantine=Beta')) == 2 and not found(g))
    assert holds(found(m, 'quarantine=Beta')) == before
