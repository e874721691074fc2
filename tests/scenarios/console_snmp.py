"""snmpconfig: the dialogue and its batch form; what it sets answers monitoring tools."""
import os, re, subprocess

from console import console, run
from lib import wait_for

ENV = dict(os.environ, MIBS='', SNMPCONFPATH='/nonexistent', LC_ALL='C')
MEMORY = '.1.3.6.1.4.1.15497.1.1.1.1.0'


def get(g, *access):
    r = subprocess.run(['snmpget', *access, '-On', '-r', '0', '-t', '1', '127.0.0.1:%d' % (g.base + 161), MEMORY], capture_output=True, text=True,
                       env=ENV)
    return r.stdout


def v3(auth, privacy):
    return ('-v3', '-u', 'v3get', '-l', 'authPriv', '-a', 'SHA', '-A', auth, '-x', 'AES', '-X', privacy)


def lines(text):
    return text.replace('\r\n', '\n')


def test_snmp_is_switched_on_by_the_dialogue(t):
    """FW-17: questions of spec/snmp.md 4 in order with their defaults; then SNMPv3 and v2c answer with what was entered."""
    g = t.home(['user.op.role=operator'])
    c = console(t, g, '--user', 'op')
    out = lines(c.say('snmpconfig'))
    assert 'Current SNMP settings:\nenabled: no\n' in out and out.endswith('\nChoose the operation you want to perform:\n- SETUP - Configure SNMP.\n[]> '), out
    assert c.say('setup').endswith('Do you want to enable SNMP? [N]> ')
    assert 'yes or no' in c.say('perhaps')
    out = lines(c.say('y'))
    assert out.endswith('Please choose an IP interface for SNMP requests.\n1. Management\n[1]> '), out
    assert c.say('').endswith('[%d]> ' % (g.base + 161))
    assert 'not between 1 and 65535' in c.say('70000')
    assert lines(c.say('')).endswith('1. authNoPriv\n2. authPriv\n[2]> ')
    assert lines(c.say('')).endswith('1. MD5\n2. SHA\n[2]> ')
    assert lines(c.say('')).endswith('1. DES\n2. AES\n[2]> ')
    assert 'authentication passphrase' in c.say('')
    assert 'at least 8 characters' in c.say('short')
    c.say('first phrase')
    assert 'differ' in c.say('other phrase')
    c.say('first phrase')
    assert 'privacy passphrase' in c.say('first phrase')
    c.say('second phrase')
    assert c.say('second phrase').endswith('Service SNMP V1/V2c requests? [N]> ')
    assert c.say('y').endswith('[]> ')
    assert 'A community is needed.' in c.say('')
    assert c.say('our community').endswith('[127.0.0.1/32]> ')
    assert 'no address or network' in c.say('::1/128')
    assert c.say('127.0.0.0/8').endswith('[::1/128]> ')
    assert c.say('').endswith('[None]> ')
    assert 'is no host name' in c.say('not a host')
    out = lines(c.say(''))
    assert '\n1. resourceConservationMode ' in out and re.search(r'\n8\. connectivityFailure +Disabled\n', out), out
    assert re.search(r'\n12\. hsmResetLoginFailure +Enabled\n13\. linkUp and linkDown +Enabled\n14\. authenticationFailure +Enabled\n', out), out
    assert out.endswith('Do you want to change any of these settings? [N]> ')
    assert c.say('y').endswith('[]> ')
    assert 'Traps are numbered 1 to 14.' in c.say('15')
    assert c.say('3, 8,10').endswith('[95]> ')
    assert c.say('90').endswith('Enter the URL to check for connectivity:\r\n[]> ')
    assert c.say('http://127.0.0.1:9/').endswith('[Unknown: Not Yet Configured]> ')
    assert c.say('Rack 7').endswith('[snmp@localhost]> ')
    assert 'location: Rack 7' in c.say('noc@example.org')
    c.say('', r'> $')
    assert 'Changes committed' in c.say('commit "snmp"')
    assert 'phrase' not in c.all.replace('passphrase', '') or 'first phrase' not in c.all
    wait_for('SNMPv3', lambda: 'INTEGER' in get(g, *v3('first phrase', 'second phrase')))
    assert 'INTEGER' in get(g, '-v2c', '-c', 'our community')
    assert 'INTEGER' not in get(g, *v3('wrong phrase', 'second phrase'))
    shown = g.cli('settings show snmp')
    assert 'snmp.traps_off=highTemperature,memoryUtilizationExceeded\n' in shown and 'snmp.cpu_threshold=90' in shown, shown
    assert 'phrase' not in re.sub('passphrase=\\*+', '', shown).replace('passphrase', '')


def test_snmp_settings_stay_where_nothing_is_answered(t):
    """Empty answers keep everything, passphrases too; switched off, nothing more is asked; Ctrl-C drops the answers."""
    g = t.home(['snmp.enabled=yes', 'snmp.auth_passphrase=auth-phrase', 'snmp.privacy_passphrase=privacy phrase', 'snmp.v2c=yes', 'snmp.community=see cret',
                'snmp.trap_targets=127.0.0.1:9', 'snmp.trap_community=trap cret'])
    before = g.cli('settings show snmp')
    c = console(t, g)
    c.say('snmpconfig')
    out = c.say('setup')
    while 'Choose the operation' not in out:
        out = c.say('')
    c.say('', r'> $')
    assert 'There is no data to commit.' in c.say('commit'), c.all
    c.say('snmpconfig')
    c.say('setup')
    c.say('')
    c.say('')
    c.say('1161')
    c.type('\x03')
    c.expect(r'\^C\r\n.*> $')
    assert 'There is no data to commit.' in c.say('commit')
    c.say('snmpconfig')
    c.say('setup')
    assert 'Choose the operation' in c.say('n')
    c.say('', r'> $')
    c.say('commit "off"')
    assert g.cli('settings show snmp') == before.replace('enabled=yes', 'enabled=no')


def test_snmp_in_batch_form(t):
    """setup SETTING=VALUE, status, test N; an unusable setting stops the commit, secrets are no arguments."""
    g = t.home(['user.see.role=read_only_operator', 'user.gast.role=guest'])
    assert 'not enabled' in run(g, 'snmpconfig status')[1]
    rc, out = run(g, 'snmpconfig setup location="Rack 9" contact=a@example.org; commit x')
    assert rc == 0 and 'Rack 9' in g.cli('settings show snmp.location'), out
    for bad in ('setup port=0', 'setup nosuch=1', 'setup enabled=yes', 'setup auth_passphrase=geheim777', 'nosuch', 'test 1'):
        rc, out = run(g, 'snmpconfig %s; commit x' % bad)
        assert rc == 1 and 'Changes committed' not in out, (bad, out)
    assert 'sends no traps' in run(g, 'snmpconfig test 1', user='see')[1]
    assert run(g, 'snmpconfig status', user='see')[0] == 0
    assert run(g, 'snmpconfig status', user='gast')[1] == 'Unknown command or missing feature key: snmpconfig\n'
