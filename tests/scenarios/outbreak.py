"""Outbreak rules change while mail is held: it is scanned again, here and on the manager, and released or held for another time."""
import json, os, re, signal, time
from lib import *
from cpq_lab import *

WORM = b"From: a@s.test\r\nTo: b@rcpt.test\r\nSubject: the worm of today\r\nMessage-ID: <w1@s.test>\r\n\r\nOpen me.\r\n"
FILTERS = ['outbreak.enabled=yes', 'outbreak.adaptive=no', 'outbreak_rule.R1.subjects=worm', 'outbreak_rule.R1.kind=viral', 'outbreak_rule.R2.subjects=other']
DAY = 86400000


def no_worm(g):
    """The rule update that makes it clean."""
    g.cli('settings', 'set', 'outbreak_rule.R1.subjects=snake')


def copies(g):
    """MIDs of the copies on this gateway."""
    return sorted(int(x) for x in os.listdir(os.path.join(g.home, 'quarantine', 'copies')) if x.isdigit())


def send(g, n=1, letter=WORM):
    for _ in range(n):
        assert g.smtp().send('a@s.test', 'b@rcpt.test', letter)[0] == 250


def held(h, n, seconds=30):
    wait_for('%d held' % n, lambda: len(found(h, 'quarantine=Outbreak')) == n, seconds)
    return found(h, 'quarantine=Outbreak', 'order=received')


def exit_of(h):
    return [x['quarantines'][0]['exit'] for x in found(h, 'quarantine=Outbreak', 'order=received')]


def restarted(h, role):
    """Kills a role as the kernel would and waits for the next."""
    pid = h.roles()[role, 0]
    os.kill(pid, signal.SIGKILL)
    wait_for(role, lambda: h.roles().get((role, 0), pid) not in (pid, 0), 20)


def test_a_rule_update_releases_central_mail(t):
    """Central.md 7.2, 9: the gateway keeps a copy of what the manager holds in Outbreak; a rule update makes it clean: RESCAN, released by rule, delivered once;
    DROP removes the copy. What is deleted by hand loses its copy too."""
    c = Central(t, gateway=FILTERS)
    send(c.g, 2)
    one, two = held(c.m, 2)
    wait_for('the copies', lambda: copies(c.g) == [one['mid'], two['mid']])
    assert '2 (' in c.g.cli('outbreakstatus'), c.g.cli('outbreakstatus')
    wait_for('tracking', lambda: 'the worm of today' in c.g.cli('tracking', 'events=quarantined-outbreak'), 30)
    assert 'the worm of today' not in c.g.cli('tracking', 'events=quarantined-policy')
    c.m.cli('quarantine', 'delete', str(two['id']))
    wait_for('DROP', lambda: copies(c.g) == [one['mid']], 30)
    c.g.wait_log(r'Outbreak Filters: copy of MID %d removed \(it left the quarantine\)' % two['mid'])
    no_worm(c.g)
    c.g.wait_log(r'Outbreak Filters: MID %d scanned again, verdict negative' % one['mid'])
    c.m.wait_log(r'MID %d released from quarantine "Outbreak" \(outbreak rule\) t=\d+' % one['id'])
    c.delivered(1)
    assert b'Open me.' in c.arrived()[0]['data']
    wait_for('DROP', lambda: copies(c.g) == [], 30)
    time.sleep(1)
    c.delivered(1)
    assert found(c.m) == []


def test_a_rule_update_moves_the_exit(t):
    """Central.md 7.2: another kind of threat is held for another time: RESCAN moves the exit on the manager; a message that is let out by hand leaves no copy."""
    c = Central(t, gateway=FILTERS)
    send(c.g)
    one = held(c.m, 1)[0]
    before = exit_of(c.m)[0]
    assert abs(before - one['received'] - DAY) < 60000, (before, one)
    wait_for('the copy', lambda: copies(c.g) == [one['mid']])
    c.g.cli('settings', 'set', 'outbreak_rule.R1.kind=scam')
    wait_for('the exit', lambda: exit_of(c.m)[0] != before)
    assert abs(exit_of(c.m)[0] - one['received'] - DAY // 6) < 60000, exit_of(c.m)
    c.m.wait_log(r'MID %d exit from quarantine "Outbreak" moved to .* \(Outbreak rule:R1\)' % one['id'])
    assert copies(c.g) == [one['mid']] and c.arrived() == []
    assert '1 held message will' in c.g.cli('outbreakupdate')
    wait_for('the second round', lambda: len(re.findall('scanned again, verdict positive', c.g.log())) == 2)
    c.release(one['id'])
    c.delivered(1)
    wait_for('DROP', lambda: copies(c.g) == [], 30)


def test_the_manager_is_away_at_the_update(t):
    """Central.md 7.2: no manager hears of the rule update: RESCAN comes when it is back, also over a restart of the gateway; nothing is lost or doubled."""
    c = Central(t, gateway=FILTERS)
    send(c.g, 2)
    held(c.m, 2)
    wait_for('the copies', lambda: len(copies(c.g)) == 2)
    c.m.stop()
    no_worm(c.g)
    c.g.wait_log(r'Outbreak Filters: \d new verdicts wait for the manager: ', seconds=60)
    assert len(copies(c.g)) == 2
    restarted(c.g, 'quarantine')
    c.m.start()
    c.delivered(2, 120)
    wait_for('DROP', lambda: copies(c.g) == [], 60)
    time.sleep(1)
    c.delivered(2)


def test_parts_that_die_lose_no_copy(t):
    """CPQ-65, central.md 9: kill -9 of the role that keeps copies as each is written, of the scanner, of either side's deliver and quarantine in the round: each
    message is rescanned, released and delivered once."""
    fault = {'POSTERN_FAULT': 'quarantine:quarantine.copy:2:kill-after', 'POSTERN_FAULT_LOG': '/tmp/outbreak-fault.%d' % os.getpid(), 'POSTERN_FAULT_ONCE': '1'}
    c = Central(t, gateway=FILTERS)
    c.g.stop()
    c.g.start(env=fault)
    try:
        send(c.g, 3)
        held(c.m, 3)
        wait_for('the copies', lambda: len(copies(c.g)) == 3, 60)
        assert os.path.exists(fault['POSTERN_FAULT_LOG'])
    finally:
        if os.path.exists(fault['POSTERN_FAULT_LOG']):
            os.unlink(fault['POSTERN_FAULT_LOG'])
    no_worm(c.g)
    for home, role in ((c.g, 'quarantine'), (c.g, 'scan'), (c.g, 'deliver'), (c.m, 'quarantine')):
        restarted(home, role)
    c.delivered(3, 120)
    wait_for('DROP', lambda: copies(c.g) == [], 90)
    time.sleep(1)
    c.delivered(3)


def test_rescans_of_strangers_are_refused(t):
    """Central.md 7.2: RESCAN counts for the mail of its own serial alone; what is unknown is 550, other classes and nonsense are refused, and nothing changes."""
    g, m = pair(t, gateway=FILTERS)
    other = t.home(['system.serial=GW-2', 'system.hostname=gw2.test'])
    other.serial = 'GW-2'
    identify(other)
    m.cli('settings', 'set', 'appliance.gw2.serial=GW-2', 'appliance.gw2.pvo=yes', 'appliance.gw2.spam=yes', 'appliance.gw2.migration=automatic',
          'cpq_peer.gw2.serial=GW-2', 'cpq_peer.gw2.role=gateway', 'cpq_peer.gw2.fingerprint=' + other.pin)
    send(g)
    one = held(m, 1)[0]
    exit = exit_of(m)[0]

    def session(home, port, kind='pvo', serial=None):
        s = encrypted(port, home)
        code = s.cmd('XCPQ HELLO proto=1 serial=%s role=gateway ver=1 class=%s' % (serial or home.serial, kind))[0]
        return s, code
    s, code = session(other, m.cpq)
    assert code == 250
    for words in ('verdict=clean rule=', 'verdict=hold rule=R1 exit=1999999999999'):
        code, text = s.cmd('XCPQ RESCAN mid=%d %s' % (one['mid'], words))
        assert code == 550 and text.startswith('550 5.1.1'), (code, text)
    assert session(other, m.cpq, serial='GW-1')[1] == 550
    own, code = session(g, m.cpq)
    assert code == 250
    for words, want in (('mid=%d verdict=perhaps rule=R1' % one['mid'], 501), ('mid=x verdict=clean rule=', 501), ('verdict=clean', 501),
                        ('mid=%d verdict=hold rule=R1' % one['mid'], 501), ('mid=%d verdict=hold rule=R1 exit=-1' % one['mid'], 501),
                        ('mid=%d verdict=hold rule=R1 exit=99999999999999999' % one['mid'], 501), ('mid=999999 verdict=clean rule=', 550)):
        assert own.cmd('XCPQ RESCAN ' + words)[0] == want, words
    assert own.cmd('XCPQ DROP mid=%d' % one['mid'])[0] == 504
    spam, code = session(g, m.euq, 'spam')
    assert code == 250 and spam.cmd('XCPQ RESCAN mid=%d verdict=clean rule=' % one['mid'])[0] == 504
    assert exit_of(m) == [exit]
    assert own.cmd('XCPQ RESCAN mid=%d verdict=hold rule=R1 exit=%d' % (one['mid'], exit + 7000))[0] == 250
    assert exit_of(m) == [exit + 7000]


def test_local_mail_is_scanned_again(t):
    """Central.md 9: without a manager the same: a rule update moves the exit or releases what lies in the Outbreak quarantine here; mail that was moved there by hand
    and what other rules hold stay."""
    sink = t.sink()
    g = t.home(['listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT', *FILTERS], sink_port=sink.port)
    send(g, 2)
    send(g, 1, WORM.replace(b'the worm of today', b'an other thing'))
    held(g, 3)
    before = exit_of(g)
    g.cli('settings', 'set', 'outbreak_rule.R1.kind=scam')
    wait_for('the exits', lambda: exit_of(g)[:2] != before[:2] and exit_of(g)[2] == before[2])
    assert copies(g) == []
    restarted(g, 'quarantine')
    no_worm(g)
    wait_for('deliveries', lambda: len([x for x in sink.messages if x['rcpts'] == ['b@rcpt.test']]) == 2, 30)
    assert len(held(g, 1)) == 1
    wait_for('the log', lambda: len(re.findall(r'released from quarantine "Outbreak" \(outbreak rule\)', g.log())) == 2)
