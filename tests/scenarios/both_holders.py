"""The quarantines of this machine and those of the manager are one code: the same tests pass against both (CPQ-66). Beside them what only a
manager has: several gateways, another one that takes releases, releases while SSH is away."""
import json, re, time
from lib import *
from cpq_lab import found
import cpq_lab, fleet

FILTERS = ['message_filter.f1.text=f1: if (subject == "one") { quarantine("Policy"); }', 'message_filter.f2.text=f2: if (subject == "two") { quarantine("Policy"); }',
           'message_filter.f3.text=f3: if (subject == "two") { quarantine("Legal"); }']
QUARANTINES = ['quarantine.Legal.retention_ms=72h', 'user.lea.role=operator', 'user.tim.role=technician', 'quarantine.Legal.users=lea',
               'quarantine.Legal.action=release']
LETTER = (b'From: "A B" <a@s.test>\r\nTo: b@rcpt.test\r\nSubject: %s\r\nMessage-ID: <%d@s.test>\r\nMIME-Version: 1.0\r\n'
          b'Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\nContent-Type: text/plain\r\n\r\nPay \xe2\x82\xac soon.\r\n--q\r\n'
          b'Content-Type: application/pdf; name="bill.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\nUERG\r\n--q--\r\n')


class Local:
    """The holder is the gateway itself."""

    def __init__(self, t):
        self.sink = t.sink()
        self.g = self.h = t.home(['system.serial=GW-1', 'system.hostname=gw1.test', 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', *FILTERS,
                                  *QUARANTINES], sink_port=self.sink.port)


class Central:
    """The holder is its manager."""

    def __init__(self, t):
        c = cpq_lab.Central(t, gateway=[*FILTERS, *QUARANTINES], manager=QUARANTINES)
        self.sink, self.g, self.h, self.wall = c.sink, c.g, c.m, c.wall
        self.h.set('route[ALL].hosts=127.0.0.1:%d' % self.sink.port)


def mail(x, *subjects):
    """Held, in this order; what a search finds."""
    before = len(found(x.h))
    s = x.g.smtp()
    for i, subject in enumerate(subjects):
        assert s.send('a@s.test', 'b@rcpt.test', LETTER % (subject, before + i))[0] == 250
        wait_for('it is held', lambda: len(found(x.h)) == before + i + 1, 30)
    s.close()
    return found(x.h, 'order=received')[before:]


def ids(x, *words):
    return [m['id'] for m in found(x.h, *words)]


def arrived(x, to='b@rcpt.test'):
    return [m for m in x.sink.messages if m['rcpts'] == [to]]


def names(m):
    return sorted(q['name'] for q in m['quarantines'])


def releases_and_deletes(t, x):
    one, two, three = mail(x, b'one', b'one', b'one')
    assert names(one) == ['Policy'] and one['serial'] == 'GW-1' and one['in_other_quarantines'] is False, one
    assert x.h.cli('quarantine', 'release', str(one['id'])).strip() == '1 message released.'
    wait_for('it', lambda: len(arrived(x)) == 1, 40)
    assert arrived(x)[0]['data'].endswith((LETTER % (b'one', 0))[10:])
    assert x.h.cli('quarantine', 'delete', '-y', str(two['id'])).strip() == '1 message deleted.'
    assert 'No such message is held.' in x.h.cli('quarantine', 'release', str(two['id']), check=False)
    assert ids(x) == [three['id']]
    assert re.search(r'Policy +policy +1 ', x.h.cli('quarantine', 'list')), x.h.cli('quarantine', 'list')
    x.h.wait_log(r'MID \d+ released from quarantine "Policy" \(manual\)')
    x.h.wait_log(r'MID \d+ deleted from quarantine "Policy" \(manual\)')


def several_quarantines(t, x):
    """Central.md 9: delivered only after release from all; deletion in any one means never delivered; listed in each until decided in all."""
    first, second = mail(x, b'two', b'two')
    assert names(first) == ['Legal', 'Policy'] and first['in_other_quarantines'] is True, first
    assert len(ids(x, 'others=yes')) == 2 and ids(x, 'others=no') == []
    x.h.cli('quarantine', 'release', str(first['id']), 'from=Policy')
    time.sleep(1)
    assert arrived(x) == [] and first['id'] in ids(x, 'quarantine=Legal')
    x.h.cli('quarantine', 'delete', '-y', str(second['id']), 'from=Policy')
    x.h.cli('quarantine', 'release', str(second['id']))
    x.h.cli('quarantine', 'release', str(first['id']), 'from=Legal')
    wait_for('the first', lambda: len(arrived(x)) == 1, 40)
    wait_for('nothing is held', lambda: ids(x) == [])
    time.sleep(1)
    assert len(arrived(x)) == 1


def rights(t, x):
    """Who is named for a quarantine sees and decides there, and that a message is in another one too; nobody else; technicians never."""
    one, two = mail(x, b'one', b'two')
    as_lea = lambda *w, **kw: x.h.cli('--user', 'lea', 'quarantine', *w, **kw)
    seen = json.loads(as_lea('search', '--json'))['messages']
    assert [m['id'] for m in seen] == [two['id']] and names(seen[0]) == ['Legal'] and seen[0]['in_other_quarantines'] is True, seen
    assert 'No held message' in as_lea('show', str(one['id']), check=False)
    assert 'Quarantine:       (another one)' in as_lea('show', str(two['id'])), as_lea('show', str(two['id']))
    assert 'You may not' in as_lea('search', 'quarantine=Policy', check=False)
    assert 'No such message is held.' in as_lea('delete', '-y', str(one['id']), check=False)
    assert 'You may not' in as_lea('release', str(two['id']), 'from=Policy', check=False)
    assert 'dministrator' in as_lea('copy', 'c@rcpt.test', str(two['id']), check=False)
    as_lea('release', str(two['id']))
    held = found(x.h, 'quarantine=Policy', 'others=yes')
    assert [m['id'] for m in held] == [two['id']], held
    tim = x.h.cli('--user', 'tim', 'quarantine', 'search', '--json', check=False)
    assert str(two['id']) not in tim, tim


def delay_move_copy(t, x):
    """Delay moves the scheduled exit; a move keeps exit and reason; a copy has no side effect."""
    one, two = mail(x, b'one', b'two')
    exit_of = lambda i, q: [y['exit'] for m in found(x.h) if m['id'] == i for y in m['quarantines'] if y['name'] == q][0]
    before = exit_of(one['id'], 'Policy')
    assert x.h.cli('quarantine', 'delay', '24', str(one['id'])).strip() == '1 message delayed.'
    assert exit_of(one['id'], 'Policy') == before + 86400000
    x.h.cli('quarantine', 'move', 'Legal', str(one['id']))
    moved = [m for m in found(x.h) if m['id'] == one['id']][0]['quarantines'][0]
    assert (moved['name'], moved['exit'], moved['reason']) == ('Legal', before + 86400000, one['quarantines'][0]['reason']), moved
    policy = exit_of(two['id'], 'Policy')
    x.h.cli('quarantine', 'move', 'Legal', str(two['id']), 'from=Policy')
    both = [m for m in found(x.h) if m['id'] == two['id']][0]
    assert names(both) == ['Legal'] and both['quarantines'][0]['exit'] == policy and both['in_other_quarantines'] is False, both
    assert x.h.cli('quarantine', 'copy', 'c@rcpt.test', str(one['id'])).strip() == '1 message copied.'
    wait_for('the copy', lambda: len(arrived(x, 'c@rcpt.test')) == 1, 40)
    assert arrived(x) == [] and one['id'] in ids(x)


def searches(t, x):
    one, two = mail(x, b'one', b'two')
    for words, wanted in ((['sender=a@s'], 2), (['recipient:is=b@rcpt.test'], 2), (['subject:starts=tw'], 1), (['subject:not-is=two'], 1), (['subject:ends=ne'], 1),
                          (['attachment=bill'], 2), (['min_attachment_size=1M'], 0), (['reason=f3'], 1), (['host=gw1.test'], 2), (['host=gw2.test'], 0),
                          (['quarantine=Legal'], 1), (['quarantine=Policy,Legal', 'subject=o'], 2), (['from=2000-01-01', 'to=2000-01-02'], 0), (['max_size=10'], 0),
                          (['mid=%d' % one['mid']], 1)):
        got = found(x.h, *words)
        assert len(got) == wanted, (words, got)
    for order, wanted in (('subject', ['one', 'two']), ('-subject', ['two', 'one']), ('received', ['one', 'two'])):
        assert [m['subject'] for m in found(x.h, 'order=' + order)] == wanted, order
    shown = x.h.cli('quarantine', 'show', str(two['id']))
    assert 'bill.pdf' in shown and 'Subject:          two' in shown, shown
    assert 'Pay \u20ac soon.' in x.h.cli('quarantine', 'show', str(two['id']), '--message')


def expiry(t, x):
    """The default action at the scheduled exit: deleted from one, released from the other."""
    x.h.set('quarantine.Policy.retention_ms=2s', 'quarantine.Legal.retention_ms=2s')
    if x.g is not x.h:
        x.g.set('quarantine.Policy.retention_ms=2s', 'quarantine.Legal.retention_ms=2s')
    s = x.g.smtp()
    assert s.send('a@s.test', 'b@rcpt.test', LETTER % (b'one', 1))[0] == 250
    x.h.wait_log(r'MID \d+ deleted from quarantine "Policy" \(expired\)')
    x.h.set('quarantine.Policy.action=release')
    if x.g is not x.h:
        x.g.set('quarantine.Policy.action=release')
    assert s.send('a@s.test', 'b@rcpt.test', LETTER % (b'two', 2))[0] == 250
    x.h.wait_log(r'MID \d+ released from quarantine "Legal" \(expired\)')
    wait_for('it', lambda: len(arrived(x)) == 1, 40)
    assert ids(x) == []


def both(check, name):
    for kind in (Local, Central):
        def run(t, kind=kind):
            check(t, kind(t))
        run.__doc__ = 'CPQ-66, central.md 9: ' + (check.__doc__ or name.replace('_', ' '))
        globals()['test_%s_%s' % (name, kind.__name__.lower())] = run


for one in (releases_and_deletes, several_quarantines, rights, delay_move_copy, searches, expiry):
    both(one, one.__name__)


def test_metadata_are_equal_on_both(t):
    """CPQ-05, CPQ-66: every field of the metadata of the same message is the same with either holder, but for times, numbers and names."""
    metas = []
    for kind in (Local, Central):
        x = kind(t)
        two, = mail(x, b'two')
        j = json.loads(x.h.cli('quarantine', 'show', str(two['id']), '--json'))
        metas.append((j['metadata'], [(q['name'], q['reason']) for q in j['quarantines']]))
    (a, holds_a), (b, holds_b) = metas
    assert holds_a == holds_b and a.keys() == b.keys(), (a, b)
    for key in a:
        if key in ('held', 'received', 'uid', 'icid', 'mid', 'client', 'holds', 'sha256', 'size', 'fallback'):
            continue
        assert a[key] == b[key], (key, a[key], b[key])
    assert a['client'].keys() == b['client'].keys() and [h['quarantine'] for h in a['holds']] == [h['quarantine'] for h in b['holds']]
    assert a['attachments'][0]['name'] == 'bill.pdf' and a['hdr']['subject'] == 'two' and a['serial'] == 'GW-1', a


def two_gateways(t, *manager):
    """A manager and two gateways with sinks of their own, quarantines central on both."""
    m = t.manager(list(manager))
    fleet.manager_ready(m)
    out = []
    for name in ('gw1', 'gw2'):
        sink = t.sink()
        g = t.home([fleet.HOLD, 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', 'system.hostname=%s.test' % name], sink_port=sink.port)
        fleet.enrol(m, g, name)
        fleet.centralize(m, g)
        out += [g, sink]
    return [m] + out


def held_by(m, *gateways):
    for i, g in enumerate(gateways):
        assert g.smtp().send('a@s.test', 'b@rcpt.test', MESSAGE.replace(b'hello', b'hold me', 1))[0] == 250
        wait_for('it is held', lambda: len(found(m)) == i + 1, 30)


def test_the_alternate_takes_what_its_gateway_cannot(t):
    """central.md 9: search by originating gateway; a release goes to its own gateway, and to the alternate release appliance when that one is down."""
    m, g1, s1, g2, s2 = two_gateways(t, 'pvo.alternate_after_ms=1s')
    held_by(m, g1, g1, g2)
    assert len(found(m, 'host=gw1.test')) == 2 and len(found(m, 'host=gw2.test')) == 1
    m.cli('pvoconfig alternate gw2; commit -y')
    one, two = [x['id'] for x in found(m, 'host=gw1.test', 'order=received')]
    m.cli('quarantine', 'release', str(one))
    wait_for('by its own', lambda: len([x for x in s1.messages if x['rcpts'] == ['b@rcpt.test']]) == 1, 40)
    g1.stop()
    m.cli('quarantine', 'release', str(two))
    for _ in range(3):
        time.sleep(2)
        m.cli('delivernow', 'host', 'the.cpq.release.host', check=False)
    wait_for('by the alternate', lambda: len([x for x in s2.messages if x['rcpts'] == ['b@rcpt.test']]) == 1, 60)
    wait_for('an empty queue', lambda: re.search(r'Active Recipients +0', m.cli('hoststatus', 'the.cpq.release.host')))
    g1.start()
    time.sleep(2)
    assert len([x for x in s1.messages if x['rcpts'] == ['b@rcpt.test']]) == 1
    assert [x['serial'] for x in found(m)] == [fleet.serial(g2)]


def test_the_last_port_serves_while_ssh_is_away(t):
    """central.md 9: with pvo.last_port a release goes to the port the gateway named last although SSH does not answer; without it, it waits."""
    x = Central(t)
    first, second = mail(x, b'one', b'one')
    x.h.cli('quarantine', 'release', str(first['id']))
    wait_for('the first', lambda: len(arrived(x)) == 1, 40)
    # a connection that is open needs no SSH
    dcid = x.h.wait_log(r'New SMTP DCID (\d+) .* port %d\b' % (x.g.base + 7025)).group(1)
    x.h.wait_log(r'DCID %s close' % dcid, seconds=40)
    x.wall.shut()
    x.h.cli('quarantine', 'release', str(second['id']))
    wait_for('it waits', lambda: 'SSH' in x.h.cli('hoststatus', 'the.cpq.release.host'), 60)
    assert len(arrived(x)) == 1
    x.h.set('pvo.last_port=yes')
    x.h.cli('delivernow', 'host', 'the.cpq.release.host')
    wait_for('the second', lambda: len(arrived(x)) == 2, 60)
