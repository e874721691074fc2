"""Safelists and blocklists of a manager: each change is in force on its gateways at once, and after absence."""
import json

import fleet
from lib import *


def fleet_of(t, n):
    m = t.manager()
    fleet.manager_ready(m)
    gateways = []
    for i in range(n):
        g = t.home([])
        fleet.enrol(m, g, 'gw%d' % i, services=('spam',))
        g.set('spam_quarantine.central=yes')
        gateways.append(g)
    return m, gateways


def entries(h):
    return {(e['user'], e['list'], e['entry']) for e in json.loads(h.cli('slbl show --json'))['entries']}


def version(h):
    return json.loads(h.cli('slbl status --json'))['version']


def test_in_force_in_five_seconds(t):
    """ST-34: a change on the manager is in force on both gateways in under 5 s, by deltas; a gateway's own change is refused."""
    m, gateways = fleet_of(t, 2)
    m.cli('slbl add ann@rcpt.test safe first.test')
    for g in gateways:
        wait_for('the first entry', lambda g=g: entries(g) == entries(m), 60)
    took = []
    for i in range(5):
        begun = time.monotonic()
        m.cli('slbl add ann@rcpt.test block spam%d.test' % i)
        for g in gateways:
            wait_for('entry %d' % i, lambda g=g: ('ann@rcpt.test', 'block', 'spam%d.test' % i) in entries(g), 5)
        took.append(time.monotonic() - begun)
    print('ST-34: %s s' % ' '.join('%.2f' % x for x in took))
    assert max(took) < 5, took
    m.cli('slbl remove ann@rcpt.test block spam0.test')
    for g in gateways:
        wait_for('the removal', lambda g=g: entries(g) == entries(m) and version(g) == version(m), 5)
    assert "the lists are the manager's" in gateways[0].cli('slbl add bob@rcpt.test safe x.test', check=False)
    status = m.cli('slbl', 'status')
    assert re.search(r'gw0: version %d, current' % version(m), status) and re.search(r'gw1: version', status), status
    m.wait_log(r'SLBL: version \d+ is in force on gw0 after', 'slbld_logs')


def test_after_absence(t):
    """central.md 10: after absence a gateway gets what it missed, a manager that was restarted sends a full copy; `slbl sync` does so at
    once; an imported file reaches the gateway."""
    m, (g,) = fleet_of(t, 1)
    m.cli('slbl add ann@rcpt.test safe one.test')
    wait_for('the first entry', lambda: entries(g) == entries(m), 60)
    g.stop()
    for i in range(3):
        m.cli('slbl add bob@rcpt.test safe away%d.test' % i)
    assert 'behind' in m.cli('slbl', 'status') or 'unknown' in m.cli('slbl', 'status')
    g.start()
    wait_for('what was missed', lambda: entries(g) == entries(m), 90)
    m.stop()
    m.start()
    m.cli('slbl add bob@rcpt.test block more.test')
    wait_for('what came after the restart', lambda: entries(g) == entries(m), 90)
    with open(m.home + '/configuration/lists.csv', 'w') as f:
        f.write('user,list,entry\ncat@rcpt.test,safe,friend@x.test\ncat@rcpt.test,block,.bad.test\n')
    m.cli('slblconfig import lists.csv')
    wait_for('the imported lists', lambda: entries(g) == {('cat@rcpt.test', 'safe', 'friend@x.test'), ('cat@rcpt.test', 'block', '.bad.test')}, 30)
    assert '1 appliances' in m.cli('slbl', 'sync')
    m.wait_log(r'in force on gw0 \(full copy\)', 'slbld_logs')
    assert version(g) == version(m)
