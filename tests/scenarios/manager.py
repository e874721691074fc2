"""A manager as a product: what a new one has, what it answers, and the thin thread through all it is for."""
import json

import fleet
from lib import *


def test_factory_state(t):
    """CPQ-02, CPQ-55: a new manager has its logs, mail_logs among them, its quarantines and no process or port that only gateways
    need; the four services are off until they are set."""
    m = t.manager()
    running = {role for role, _ in m.roles()}
    assert {'control', 'queue', 'deliver', 'quarantine', 'record', 'central', 'shell'} <= running, running
    assert not running & {'receive', 'scan'}, running
    logs = m.cli('logconfig')
    assert re.search(r'mail_logs +', logs) and re.search(r'smad_logs +', logs) and 'antispam' not in logs, logs
    assert m.cli('grep', 'x', 'mail_logs') == ''
    assert 'Policy' in m.cli('quarantine', 'list')
    ports = json.loads(m.cli('firewallinfo --json'))['rows']
    listening = {r['number'] - m.base for r in ports if 'in' in r['direction'] and r['state'] == 'on' and 'number' in r and r['number'] > m.base}
    assert listening == {22, 80, 443, 4431, 6080, 6443}, listening
    assert '(reputation)' not in m.cli('firewallinfo')     # a service of gateways
    status = m.cli('status')
    assert 'Online' in status, status


def test_needs_of_the_quarantines(t):
    """CPQ-03, CPQ-08, CPQ-12, ST-12: 7025 is the factory port on both ends; once the service is on, firewallinfo of both names FW-46 and 22, and the manual does."""
    rows = json.loads(subprocess.run([POSTERN, 'settings', '--json'], check=True, capture_output=True, text=True).stdout)
    default = {x['path']: x['default'] for x in (rows if isinstance(rows, list) else next(iter(rows.values())))}
    assert default['cpq_listener.port'] == '7025' and default['euq_listener.port'] == '6025', default['cpq_listener.port']
    assert [v for k, v in default.items() if k.startswith('manager') and k.endswith('.pvo_port')] == ['7025']
    m, g = t.manager(), t.home()
    assert 'cpq_listener.port=%d' % (m.base + 7025) in m.cli('settings', 'show', 'cpq_listener.port')
    fleet.manager_ready(m)
    fleet.enrol(m, g, 'gw1')
    fleet.centralize(m, g)
    for h, mgmt in ((m, g.base + 22), (g, g.base + 22)):
        rows = [r for r in json.loads(h.cli('firewallinfo --json'))['rows'] if r['state'] == 'on']
        named = {(i, r['direction'], r['port']) for r in rows for i in r['ids']}
        there = '7025' if h is m else str(m.base + 7025)  # a manager asks a gateway for its port each time, and shows the usual one
        assert {('FW-46', 'in', str(h.base + 7025)), ('FW-46', 'out', there)} <= named, sorted(named)
        assert any(i in ('FW-02', 'FW-03') and n == str(mgmt) for i, _, n in named), sorted(named)
    manual = open(os.path.join(TOP, 'doc', 'manager.md')).read()
    assert re.search(r'(?m)^\| 7025 \|', manual) and re.search(r'(?m)^\| 22 \|', manual)


def test_commands_of_a_manager(t):
    """CPQ-18: a manager answers to what managers have; filters, policies and listeners are unknown there, as a wrong word is."""
    m = t.manager()
    for word in ('listenerconfig', 'policyconfig', 'filters', 'antispamconfig', 'trace', 'nonsense'):
        assert m.cli(word, check=False).startswith('Unknown command or missing feature key: ' + word)
        assert not re.search(r'(?m)^%s ' % word, m.cli('help'))
    for word in ('applianceconfig', 'quarantine', 'tracking', 'suspendtransfers'):
        assert re.search(r'(?m)^%s ' % word, m.cli('help')), word
    assert 'M100V' in m.cli('version')
    assert 'three labels' in m.cli('sethostname', 'sma.test', check=False)
    for what in ('suspend 0', 'resume', 'suspendlistener 0 all', 'resumelistener all', 'topin'):
        assert 'not running' not in m.cli(what)


def test_thin_thread(t):
    """ST-30, CPQ-29: a gateway is enrolled with the passphrase of its administrator; mail through it is found on the manager; mail
    that a filter holds lies on the manager, is released there and delivered, once."""
    sink = t.sink()
    m, g = t.manager(), t.home([fleet.HOLD, 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'], sink_port=sink.port)
    fleet.manager_ready(m)
    fleet.enrol(m, g, 'gw1')
    assert 'gw1' in m.cli('applianceconfig', 'status')
    fleet.centralize(m, g)
    s = g.smtp()
    for subject in (b'plain news', b'hold me now'):
        assert s.send('a@sender.test', 'b@rcpt.test', MESSAGE.replace(b'hello', subject, 1))[0] == 250
    wait_for('the plain one at the sink', lambda: len(sink.messages) == 1)
    fleet.wait_tracked(m, 'plain')
    one = wait_for('the held one on the manager', lambda: fleet.held(m, 'subject=hold'))
    assert len(one) == 1 and not fleet.held(g, 'subject=hold')
    assert len(sink.messages) == 1
    assert '1' in m.cli('quarantine', 'release', 'subject=hold')
    wait_for('the released one at the sink', lambda: len(sink.messages) == 2, 20)
    assert b'hold me now' in sink.messages[1]['data'] and not fleet.held(m, 'subject=hold')
    fleet.wait_tracked(m, 'hold')
    assert all(x['works'] for x in fleet.services(m).values()), fleet.services(m)
