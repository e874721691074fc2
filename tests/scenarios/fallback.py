"""The manager is away for long: mail is held on the gateway under the same names and drains to the manager when it is back, each message once."""
import os, re, signal, time
from lib import *
from cpq_lab import *
from fleet import HOLD

FAST = ['pvo.fallback_ms=1s', 'roles.deliver=1']


def held_letter(n):
    return b'From: a@s.test\r\nTo: b@rcpt.test\r\nSubject: hold me\r\nMessage-ID: <f%d@s.test>\r\n\r\nNumber %d.\r\n' % (n, n) + (b'x' * 70 + b'\r\n') * 100


def send(g, first, n):
    s = g.smtp()
    for i in range(first, first + n):
        assert s.send('a@s.test', 'b@rcpt.test', held_letter(i))[0] == 250
    s.close()


def fall_back(g, m, n, verb='quarantine'):
    """The manager goes; what is sent is held on the gateway."""
    m.stop()
    send(g, 0, n)
    g.wait_log(r'Destination the\.cpq\.host is down')
    time.sleep(1.2)
    g.cli('delivernow', 'host', 'the.cpq.host')
    wait_for('held here', lambda: len(found(g, 'limit=1000', verb=verb)) == n, 60)


def back(m):
    m.start()
    wait_for('its port', lambda: listens(m.cpq))


def test_it_drains_to_the_manager(t):
    """CPQ-64, central.md 11: held locally under the same name, reason and exit; when the manager is back all of it goes there with the same key, and is
    held here no more."""
    g, m = pair(t, gateway=[*FAST, HOLD], manager=[])
    fall_back(g, m, 5)
    here = found(g, 'order=received')
    assert {x['quarantines'][0]['name'] for x in here} == {'Policy'}, here[0]
    g.wait_log(r'The manager is away since \d+ seconds: mail of the\.cpq\.host is held on this machine')
    kept = here[0]
    g.cli('quarantine', 'delay', '24', str(kept['id']))
    g.cli('quarantine', 'delete', '-y', str(here[1]['id']))
    exits = {x['mid']: x['quarantines'][0]['exit'] for x in found(g)}
    back(m)
    wait_for('all on the manager', lambda: len(found(m)) == 4, 60)
    wait_for('none here', lambda: found(g) == [], 20)
    there = found(m)
    assert {x['mid']: x['quarantines'][0]['exit'] for x in there} == exits, (there, exits)
    assert {x['serial'] for x in there} == {'GW-1'} and {x['quarantines'][0]['name'] for x in there} == {'Policy'}, there
    assert {x['quarantines'][0]['reason'] for x in there} == {here[0]['quarantines'][0]['reason']}, there
    g.wait_log(r'MID \d+ enqueued for transfer to centralized quarantine "Policy"')
    g.wait_log(r'Mail that was held here while the manager was away has gone to it: 4 messages')
    send(g, 10, 1)
    wait_for('new mail goes there', lambda: len(found(m)) == 5, 30)
    assert found(g) == []


def test_nothing_is_lost_or_doubled_when_roles_die(t):
    """CPQ-64, CPQ-65: quarantine, queue and deliver of the gateway and the manager's holder are killed while it drains: each message is there once."""
    g, m = pair(t, gateway=[*FAST, HOLD])
    fall_back(g, m, 300)
    mids = sorted(x['mid'] for x in found(g, 'limit=1000'))
    holder = g.roles()['quarantine', 0]
    back(m)
    g.wait_log(r'messages that were held here while the manager was away go to it now', seconds=40)
    os.kill(holder, signal.SIGKILL)
    for role, home in (('queue', g), ('quarantine', m), ('deliver', g), ('quarantine', g)):
        time.sleep(0.3)
        pid = wait_for('role', lambda: home.roles().get((role, 0)))
        os.kill(pid, signal.SIGKILL)
    wait_for('all on the manager', lambda: len(found(m, 'limit=1000')) >= 300 and found(g) == [], 120)
    g.cli('delivernow', 'host', 'the.cpq.host', check=False)
    wait_for('an empty queue', lambda: re.search(r'Active Recipients +0', g.cli('hoststatus', 'the.cpq.host', check=False)), 40)
    assert sorted(x['mid'] for x in found(m, 'limit=1000')) == mids, (len(found(m, 'limit=1000')), len(mids))


def test_the_manager_goes_again_while_it_drains(t):
    """CPQ-64: it goes away again with mail on its way: that is held here once more under its old key, and goes when it is back."""
    g, m = pair(t, gateway=[*FAST, HOLD])
    fall_back(g, m, 6)
    mids = sorted(x['mid'] for x in found(g))
    g.cli('suspenddel')
    back(m)
    wait_for('none here', lambda: found(g) == [], 40)
    assert re.search(r'Active Recipients +6', g.cli('hoststatus', 'the.cpq.host')) and found(m) == []
    m.stop()
    g.cli('resumedel')
    wait_for('a failure', lambda: len(re.findall(r'Destination the\.cpq\.host is down', g.log())) > 1, 30)
    time.sleep(1.2)
    g.cli('delivernow', 'host', 'the.cpq.host')
    wait_for('held here again', lambda: sorted(x['mid'] for x in found(g)) == mids, 40)
    back(m)
    wait_for('all on the manager', lambda: sorted(x['mid'] for x in found(m)) == mids and found(g) == [], 60)


def test_what_the_manager_may_have_is_not_held_here(t):
    """central.md 11: a message whose last transfer ended without a final reply waits in the queue while others are held here, until the manager is back and a
    replay tells that it has it: it is there once."""
    g, m = pair(t, gateway=[*FAST, HOLD])
    p = Proxy(m.cpq)
    t.things.append(p)
    g.cli('settings', 'set', 'manager.sma.pvo_port=%d' % p.port)
    p.hush = 7000
    send(g, 0, 1)
    wait_for('the cut', lambda: p.cuts)
    wait_for('it is there', lambda: len(found(m)) == 1)
    assert re.search(r'Active Recipients +1', g.cli('hoststatus', 'the.cpq.host'))
    m.stop()
    send(g, 1, 3)
    for _ in range(4):
        time.sleep(1.2)
        g.cli('delivernow', 'host', 'the.cpq.host')
    wait_for('the others here', lambda: len(found(g)) == 3, 40)
    assert re.search(r'Active Recipients +1', g.cli('hoststatus', 'the.cpq.host')) and {x['mid'] for x in found(g)} == {2, 3, 4}
    assert re.search(r'Held until the manager is back: 3', g.cli('pvoconfig', 'status'))
    p.hush = None
    back(m)
    wait_for('all there', lambda: len(found(m)) == 4 and found(g) == [], 60)
    g.cli('delivernow', 'host', 'the.cpq.host')
    wait_for('an empty queue', lambda: re.search(r'Active Recipients +0', g.cli('hoststatus', 'the.cpq.host')), 60)
    assert sorted(x['mid'] for x in found(m)) == [1, 2, 3, 4]


def test_spam_drains_too(t):
    """CPQ-64, central.md 10: spam held here meanwhile goes to the manager's spam quarantine, but for recipients decided here."""
    g, m = pair(t, gateway=FAST)
    m.stop()
    hold(g, 'the.euq.queue', 3)
    g.cli('resumedel')
    g.wait_log(r'Destination the\.euq\.queue is down')
    time.sleep(1.2)
    g.cli('delivernow', 'host', 'the.euq.queue')
    wait_for('held here', lambda: len(found(g, verb='spamquarantine')) == 3, 40)
    back(m)
    wait_for('all there', lambda: len(found(m, verb='spamquarantine')) == 3 and found(g, verb='spamquarantine') == [], 60)
