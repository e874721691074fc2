"""Migration: what a gateway holds goes to its manager when central quarantines are enabled, and what becomes of the local ones afterwards."""
import json, os, re, signal, time
from lib import *
from cpq_lab import *
from fleet import enrol, manager_ready

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


def status(h):
    """What pvoconfig tells of the only migration."""
    said = h.cli('pvoconfig', 'status', check=False)
    row = re.search(r'Migration (?:to|from) \S+(?: manager)?: (\w+), (\d+) of (\d+) messages', said)
    return {'state': row and row.group(1), 'moved': row and int(row.group(2)), 'total': row and int(row.group(3))}


def slow(m, ms, stop=True):
    """The manager needs so long to store."""
    if stop:
        m.stop()
    m.start(env={'POSTERN_FAULT': 'quarantine:quarantine.append:0:delay=%d' % ms})
    wait_for('its port', lambda: listens(m.cpq))


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


POINTS = [('g', 'deliver', 'bus.take.migrate_work', 'kill-before'), ('g', 'deliver', 'bus.send.migrate_done', 'kill-before'),
          ('g', 'deliver', 'bus.send.migrate_done', 'kill-after'), ('g', 'quarantine', 'bus.send.migrate_work', 'kill-before'),
          ('g', 'quarantine', 'bus.take.migrate_done', 'kill-before'), ('m', 'quarantine', 'quarantine.append', 'kill-before'),
          ('m', 'quarantine', 'quarantine.append', 'kill-after'), ('m', 'quarantine', 'quarantine.index', 'kill-before')]


def test_killed_at_each_step(t):
    """CPQ-65, CPQ-66, central.md 9: deliver or quarantine of the gateway, or the manager's quarantine, is killed before or after each step of a migration:
    at the end every message is on the manager once and the counts of both ends are equal."""
    g, m = lab(t)
    done = 0
    for i, (side, role, point, action) in enumerate(POINTS):
        fill(g, alpha=2, policy=3)
        done += 5
        h = {'g': g, 'm': m}[side]
        h.stop()
        mark = os.path.join(h.dir, 'fault.%d' % i)
        h.start(env={'POSTERN_FAULT': '%s:%s:%d:%s' % (role, point, 3 if 'bus' in point else 1, action), 'POSTERN_FAULT_LOG': mark, 'POSTERN_FAULT_ONCE': '1'})
        wait_for('its port', lambda: listens(m.cpq))
        g.cli('settings', 'set', 'pvo.central=yes')
        wait_for('the fault ' + point, lambda: os.path.exists(mark))
        wait_moved(g, m, done)
        wait_for('the count', lambda: status(g)['moved'] == 5 and status(g)['state'] == 'done')
        wait_for('the count there', lambda: status(m)['moved'] == 5 and status(m)['state'] == 'done')
        assert re.search(r'stored: +%d messages of this gateway, %d of them migrated' % (done, done), g.cli('pvoconfig', 'status')), point
        g.cli('settings', 'set', 'pvo.central=no')


def test_the_manager_is_away(t):
    """CPQ-64, central.md 9: in the middle the manager goes away: the rest waits on the gateway, where nothing is lost, both say so, and goes on when it is back;
    what may be there already is not decided here meanwhile."""
    g, m = lab(t)
    fill(g, alpha=40, beta=40)
    slow(m, 100)
    g.cli('settings', 'set', 'pvo.central=yes')
    wait_for('some', lambda: len(found(m, 'limit=1000')) >= 10)
    m.stop()
    g.wait_log(r'Migration to sma waits, \d+ of 80 messages are there: ')
    shown = g.cli('pvoconfig', 'status')
    assert re.search(r'Migration to the manager: running, \d+ of 80 messages; it waits: \S', shown), shown
    assert status(g)['moved'] + len(found(g, 'limit=1000')) == 80
    for x in found(g, 'limit=1000')[-3:]:
        said = g.cli('quarantine', 'delete', str(x['id']), '-y', check=False)
        assert '1 message deleted' in said or 'on its way to the manager' in said, said
    m.start()
    left = 80 - len(re.findall(r'deleted from quarantine', g.log()))
    wait_moved(g, m, left, 90)
    g.wait_log(r'Migration to sma: done, %d messages\n' % left)
    m.wait_log(r'Migration from gw1: done, %d messages\n' % left)


def test_settings_are_locked(t):
    """central.md 9, Migration: while messages move, settings of quarantines stay as they are on both ends; taking the service away is the way out; afterwards they
    may be changed."""
    g, m = lab(t)
    fill(g, alpha=3)
    m.stop()
    g.cli('settings', 'set', 'pvo.central=yes')
    time.sleep(3)
    g.cli('settings', 'set', 'quarantine.Alpha.retention_ms=20h')  # nothing has begun
    slow(m, 4000, stop=False)
    g.wait_log(r'Migration to sma: started, 3 messages')
    m.wait_log(r'Migration from gw1: started, 3 messages')
    for h in (g, m):
        said = h.cli('settings', 'set', 'quarantine.Alpha.retention_ms=30h', check=False)
        assert 'locked while a migration runs' in said, said
        h.cli('settings', 'set', 'system.timezone=Europe/Berlin')
    assert 'migration:  running' in g.cli('pvoconfig', 'status')
    wait_moved(g, m, 3)
    m.wait_log(r'Migration from gw1: done, 3 messages\n')
    for h in (g, m):
        h.cli('settings', 'set', 'quarantine.Alpha.retention_ms=30h')


def test_chosen_by_dialogue(t):
    """CPQ-58, CPQ-60, central.md 9, Enabling, Migration: the manager asks the gateway for its quarantines, makes those that are missing, lists settings that
    differ, and asks for each where it moves; the gateway names what has no place and does not enable until all have one."""
    m, sink = t.manager(), t.sink()
    g = t.home(['listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', *LOCAL, 'quarantine.Policy.retention_ms=72h'], sink_port=sink.port)
    g.cpq, m.cpq = g.base + 7025, m.base + 7025
    manager_ready(m)
    enrol(m, g, 'gw1')
    m.cli('settings', 'set', 'appliance.gw1.migration=automatic')
    wait_for('its port', lambda: listens(m.cpq))
    said = wait_for('an answer', lambda: (lambda x: 'has no place' in x and x)(g.cli('pvoconfig', 'enable', check=False)))
    assert 'Quarantine Alpha has no place on the manager: Alpha is not there.' in said and 'Quarantine Beta has no place' in said, said
    assert 'Quarantine Policy: retention_ms is 3d here, 10d on the manager.' in said, said
    said = m.cli('pvoconfig migration gw1 2; commit -y')
    assert 'Quarantine Alpha is made here, with the settings of the gateway.' in said, said
    assert 'Quarantine Policy: retention_ms is 10d here, 3d on the gateway.' in said, said
    assert value(m, 'quarantine.Beta.action') == 'release' and value(m, 'quarantine.Beta.retention_ms') == '3d'
    said = m.cli('pvoconfig migration gw1 3 Policy Legal -; commit -y')
    assert 'Quarantine Legal is made here' in said, said
    assert value(m, 'appliance.gw1.migration_map') == 'Policy=Policy,Alpha=Legal,Beta='
    g.cli('settings', 'set', 'quarantine.Gamma.kind=policy')
    said = g.cli('pvoconfig', 'enable', check=False)
    assert 'Quarantine Gamma has no place on the manager: Gamma is not in the map.' in said and 'Alpha' not in said, said
    assert value(g, 'pvo.central') == 'no'
    said = m.cli('pvoconfig migration gw1 3 Policy Legal Beta Alpha; commit -y')
    fill(g, alpha=1, beta=1, both=1)
    central(g, m)
    wait_moved(g, m, 3)
    assert sorted(n for _, n in holds(found(m))) == ['Beta', 'Legal', 'Legal', 'Policy']
    row = [x for x in found(m) if x['quarantines'][0]['name'] == 'Beta'][0]
    m.cli('quarantine', 'release', str(row['id']), '-y')
    wait_for('the released one', lambda: sink.messages, 40)


def test_disabling(t):
    """central.md 9, Disabling: the gateway's quarantines return with their settings, those that filters name and that are not there with defaults; new mail is held on the
    gateway; what is on the manager stays there; enabled again, what was held meanwhile moves too."""
    g, m = lab(t, central=['quarantine.Gamma.kind=policy'])
    fill(g, alpha=2)
    central(g, m)
    wait_moved(g, m, 2)
    m.wait_log(r'Migration from gw1: done, 2 messages\n')
    g.cli('settings', 'set', 'message_filter.gamma.text=gamma: if (subject == "gamma") { quarantine("Gamma"); }')
    g.smtp().send('a@s.test', 'b@rcpt.test', letter('gamma'))
    wait_for('the new one', lambda: len(found(m, 'quarantine=Gamma')) == 1)
    said = g.cli('pvoconfig disable y; commit -y', check=False)
    assert 'Quarantine Gamma returns, with the default settings.' in said, said
    assert value(g, 'pvo.central') == 'no' and value(g, 'quarantine.Gamma.retention_ms') == '10d' and value(g, 'quarantine.Beta.retention_ms') == '3d'
    fill(g, beta=1, gamma=1)
    assert {n for _, n in holds(found(g))} == {'Beta', 'Gamma'} and len(found(m)) == 3
    central(g, m)
    wait_moved(g, m, 5)
    assert status(m) == {'state': 'done', 'moved': 2, 'total': 2}, status(m)
    assert '5 messages of this gateway, 4 of them migrated' in g.cli('pvoconfig', 'status'), g.cli('pvoconfig', 'status')


def test_disabled_in_the_middle(t):
    """central.md 9: disabled while messages move: what has not gone stays and can be decided here; both ends say so, and the manager's settings are free again."""
    g, m = lab(t)
    fill(g, alpha=40, beta=40)
    slow(m, 150)
    g.cli('settings', 'set', 'pvo.central=yes')
    wait_for('some', lambda: len(found(m, 'limit=1000')) >= 5)
    g.cli('settings', 'set', 'pvo.central=no')
    g.wait_log(r'Migration to sma: stopped, \d+ of 80 messages\n')
    m.wait_log(r'Migration from gw1: stopped, \d+ of 80 messages\n')
    here, there = found(g, 'limit=1000'), found(m, 'limit=1000')
    assert len(here) + len(there) == 80 and not {x['mid'] for x in here} & {x['mid'] for x in there}, (len(here), len(there))
    g.cli('quarantine', 'delete', 'quarantine=Beta', '-y')
    m.cli('settings', 'set', 'quarantine.Alpha.retention_ms=30h')
    left = len(found(g, 'limit=1000'))
    g.cli('settings', 'set', 'pvo.central=yes')
    wait_moved(g, m, len(there) + left)


def test_spam_that_was_held_here(t):
    """central.md 10: spam that is held here when spam goes to the manager stays with its recipients until it expires; with spam_quarantine.migrate it moves as
    well, with its exit, for those recipients who have not decided."""
    g, m = pair(t, central=False)
    hold(g, 'the.euq.queue', 3)
    g.cli('resumedel')
    wait_for('the spam here', lambda: len(found(g, verb='spamquarantine')) == 3)
    g.cli('settings', 'set', 'spam_quarantine.central=yes')
    hold(g, 'the.euq.queue', 1)
    g.cli('resumedel')
    wait_for('the spam there', lambda: len(found(m, verb='spamquarantine')) == 1)
    time.sleep(3)
    before = {x['mid']: x['exit'] for x in found(g, verb='spamquarantine')}
    assert len(before) == 3
    g.cli('settings', 'set', 'spam_quarantine.migrate=yes')
    wait_for('all of it there', lambda: len(found(m, verb='spamquarantine')) == 4 and not found(g, verb='spamquarantine'))
    g.wait_log(r'Migration to sma \(spam\): done, 3 messages\n')
    m.wait_log(r'Migration from gw1 \(spam\): done, 3 messages\n')
    after = {x['mid']: x['exit'] for x in found(m, verb='spamquarantine')}
    assert all(after[k] == v for k, v in before.items()), (before, after)


def test_many(t):
    """central.md 9: thousands of messages move in the background, new mail is held on the manager meanwhile; a line for each tenth tells how far it is."""
    g, m = lab(t)
    fill(g, alpha=900)
    g.cli('settings', 'set', 'pvo.central=yes')
    g.wait_log(r'Migration to sma: started, 900 messages')
    g.smtp().send('a@s.test', 'b@rcpt.test', letter('policy'))
    wait_for('the new one', lambda: found(m, 'quarantine=Policy'), 30)
    g.wait_log(r'Migration to sma: done, 900 messages', seconds=60)
    for h, way in ((g, 'to sma'), (m, 'from gw1')):
        assert len(re.findall(r'Migration %s: \d+ of 900 messages' % way, h.log())) >= 8, h.log()
    assert len(found(m, 'limit=1000')) == 901 and not found(g)


def test_outbreak_mail_gets_its_copy(t):
    """central.md 9, Outbreak copy, Migration: of outbreak mail that moves the gateway keeps a copy as of new mail; a rule update releases it from the manager, and it
    is delivered once."""
    c = Central(t, gateway=['outbreak.enabled=yes', 'outbreak.adaptive=no', 'outbreak_rule.R1.subjects=worm', 'outbreak_rule.R1.kind=viral'])
    c.g.cli('settings', 'set', 'pvo.central=no')
    c.g.smtp().send('a@s.test', 'b@rcpt.test', letter('the worm'))
    mid = wait_for('it is held here', lambda: found(c.g, 'quarantine=Outbreak'))[0]['mid']
    before = holds(found(c.g))
    c.g.cli('settings', 'set', 'pvo.central=yes')
    wait_moved(c.g, c.m, 1)
    assert holds(found(c.m)) == before, (holds(found(c.m)), before)
    assert str(mid) in os.listdir(os.path.join(c.g.home, 'quarantine', 'copies'))
    c.g.cli('settings', 'set', 'outbreak_rule.R1.subjects=snake')
    c.delivered(1)
    assert not found(c.m) and not found(c.g)
