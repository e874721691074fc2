"""A manager as a product: what a new one has, what it answers, and the thin thread through all it is for."""
import json

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


def test_commands_of_a_manager(t):
    """A manager answers to what managers have; filters, policies and listeners are unknown there, as a wrong word is."""
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
