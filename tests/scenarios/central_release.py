"""Released mail goes back from the manager to its gateway: asked for by SSH at each connection, once, and never lost."""
import json, os, re, signal, socket, threading, time
from lib import *
import fleet
from cpq_lab import *


def test_release_goes_back_to_its_gateway(t):
    """CPQ-15, CPQ-16, CPQ-36, CPQ-39 to CPQ-41, CPQ-56: a release asks the gateway over SSH where it takes mail, goes there by CPQ, and is delivered; both logs
    tell it in the fixed words. How long it takes is measured by bench/cpq."""
    c = Central(t)
    s = Smtp(c.g.cpq)
    assert s.banner[0] == 220 and 'CPQ ready' in s.banner[1]
    s.close()
    one = c.hold()[0]
    c.release(one['id'])
    c.delivered(1)
    assert b'Pay soon.' in c.arrived()[0]['data']
    c.g.wait_log(r'Manager sma \(127\.0\.0\.1\): get-config cpq: OK', 'audit')
    assert len(re.findall('get-config cpq', c.g.log('audit'))) == 1
    mid = one['id']
    log = c.m.wait_log(r'Message finished MID %d done' % mid) and c.m.log()
    d = re.findall(r'New SMTP DCID (\d+) interface 127\.0\.0\.1 address 127\.0\.0\.1 port %d' % c.g.cpq, log)[-1]
    for line in (r'MID %d released from quarantine "Unclassified" \(manual\) t=\d+' % mid, r'MID %d released from all quarantines' % mid,
                 r'DCID %s TLS success protocol TLSv1\.3 cipher \S+' % d,
                 r'Delivery start DCID %s MID %d to RID \[0\] from centralized policy quarantine' % (d, mid),
                 r'Message done DCID %s MID %d to RID \[0\] \(centralized policy quarantine\) ' % (d, mid),
                 r"MID %d RID \[0\] Response 'ok:  Message \d+ accepted'" % mid):
        assert re.search(line, log), (line, log)
    new = int(re.search(r"Response 'ok:  Message (\d+) accepted'", log.split('from centralized')[1]).group(1))
    c.g.wait_log(r'MID %d received from the SMA \S+ \(MID originally %d\) on release from quarantine "Unclassified"' % (new, one['mid']))
    assert re.search(r'(?m)^\s*\d+\s+the\.cpq\.release\.host\s+0\b', c.m.cli('tophosts')), c.m.cli('tophosts')
    shown = c.m.cli('hoststatus', 'the.cpq.release.host')
    assert re.search(r'Gateway: +gw1 \(gw-1\)', shown) and re.search(r'Port: +%d' % c.g.cpq, shown) and 'Port Told:' in shown, shown
    assert found(c.m) == [] and 'CPQ ICID' in c.g.cli('grep', 'CPQ ICID', 'mail_logs')


def test_ssh_that_is_blocked_stops_releases(t):
    """CPQ-40, CPQ-42, CPQ-43, CPQ-45: SSH alone is blocked: the release waits, the error names SSH; the queue's commands show and steer it; it goes on
    when SSH is back."""
    c = Central(t)
    held = c.hold(2)
    c.wall.shut()
    c.release(*[x['id'] for x in held])
    wait_for('the error', lambda: 'SSH' in c.m.cli('hoststatus', 'the.cpq.release.host'), 60)
    shown = c.m.cli('hoststatus', 'the.cpq.release.host')
    assert re.search(r'Host up/down: +down', shown) and re.search(r'SSH to gw1 failed: ', shown), shown
    assert re.search(r'(?m)^\s*\d+\*\s+the\.cpq\.release\.host\s+2\b', c.m.cli('tophosts')), c.m.cli('tophosts')
    assert 'Total: 2 recipients' in c.m.cli('showrecipients', 'host', 'the.cpq.release.host')
    c.m.wait_log(r'the\.cpq\.release\.host/gw-1.*SSH')
    assert c.arrived() == []
    c.wall.open()
    c.m.cli('delivernow', 'host', 'the.cpq.release.host')
    c.delivered(2, 60)
    one = c.hold()[0]
    # a connection that is open needs no SSH
    wait_for('the end of the connection', lambda: len(re.findall(r'New SMTP DCID', c.m.log())) <= len(re.findall(r'DCID \d+ close', c.m.log())), 20)
    c.wall.shut()
    c.release(one['id'])
    wait_for('the recipient', lambda: 'Total: 1 recipients' in c.m.cli('showrecipients', 'host', 'the.cpq.release.host'), 40)
    wait_for('deletion', lambda: '1 recipients deleted' in c.m.cli('deleterecipients', 'host', 'the.cpq.release.host'), 40)
    assert 'Total: 0 recipients' in c.m.cli('showrecipients', 'host', 'the.cpq.release.host')


def test_the_gateway_changes_its_port(t):
    """CPQ-16, CPQ-13, CPQ-11, CPQ-35: the gateway listens elsewhere: the next release goes there; while nothing listens the release waits."""
    c = Central(t)
    held = c.hold(2)
    c.g.cli('suspendlistener', '0', 'all')
    wait_for('a closed port', lambda: not listens(c.g.cpq))
    c.release(held[0]['id'])
    c.m.wait_log(r'domain: the\.cpq\.release\.host/gw-1 IP: 127\.0\.0\.1 port: %d' % c.g.cpq, seconds=30)
    assert c.arrived() == []
    port = free_port()
    c.g.cli('resumelistener', 'all')
    c.g.cli('settings', 'set', 'cpq_listener.port=%d' % port)
    wait_for('the new port', lambda: listens(port))
    c.m.cli('delivernow', 'host', 'the.cpq.release.host')
    c.delivered(1, 40)
    c.m.wait_log(r'New SMTP DCID \d+ interface 127\.0\.0\.1 address 127\.0\.0\.1 port %d' % port)
    c.release(held[1]['id'])
    c.delivered(2, 40)


def test_parts_that_die_are_restarted(t):
    """CPQ-46 to CPQ-48: deliver, quarantine, queue and central of the manager are killed: each is back within 5 s, with a fault line and an alert, and releases go
    on without a reboot; nothing is lost or doubled."""
    c = Central(t)
    held = c.hold(4)
    for i, role in enumerate(('deliver', 'quarantine', 'central', 'queue')):
        pid = c.m.roles()[role, 0]
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        wait_for(role, lambda: c.m.roles().get((role, 0), pid) not in (pid, 0), 5)
        print('    %s is back after %.1f s' % (role, time.monotonic() - began))
        wait_for('the release', lambda: 'released' in c.release(held[i]['id']) or len(found(c.m)) < 4 - i, 20)
        c.m.wait_log(r'Critical: An application fault occurred: %s 0 ' % role)
    c.delivered(4, 90)
    assert 'An application fault occurred' in c.m.cli('displayalerts'), c.m.cli('displayalerts')


def test_a_release_is_taken_once(t):
    """CPQ-65: either side dies at each step of a release: it arrives exactly once."""
    for role, point in (('receive', 'bus.send.message_stored'), ('queue', 'queue.released')):
        log = '/tmp/postern-fault.%d' % os.getpid()
        if os.path.exists(log):
            os.unlink(log)
        c = Central(t)
        held = c.hold(1)
        c.g.stop()
        c.g.start(env={'POSTERN_FAULT': '%s:%s:1:kill-after' % (role, point), 'POSTERN_FAULT_LOG': log, 'POSTERN_FAULT_ONCE': '1'})
        ssh_up(c.g)
        c.release(held[0]['id'])
        wait_for('the fault at ' + point, lambda: os.path.exists(log), 40)
        wait_for('the port', lambda: listens(c.g.cpq), 20)
        c.m.cli('delivernow', 'host', 'the.cpq.release.host')
        c.delivered(1, 60)
        wait_for('an empty queue', lambda: re.search(r'Active Recipients +0', c.m.cli('hoststatus', 'the.cpq.release.host')), 60)
        time.sleep(1)
        assert len(c.arrived()) == 1
        os.unlink(log)
        c.g.close()
        c.m.close()


def test_spam_goes_back_by_its_own_class(t):
    """CPQ-39, central.md 10: released spam goes back to its gateway as spam-release, and is delivered without another look; with hosts set it goes to those
    by SMTP."""
    c = Central(t)
    held = c.hold(2, 'the.euq.queue')
    c.release(held[0]['id'], verb='spamquarantine')
    c.delivered(1, 40)
    c.m.wait_log(r'from offbox IronPort Spam Quarantine')
    other = t.sink()
    c.m.cli('settings', 'set', 'spam_quarantine.release_hosts=127.0.0.1:%d' % other.port)
    c.release(held[1]['id'], verb='spamquarantine')
    wait_for('the other host', lambda: len(other.messages) == 1, 40)
    assert len(c.arrived()) == 1


def test_an_alternate_is_compared(t):
    """central.md 9: the alternate release appliance must have central quarantines; what judges mail on one and not on the other is shown."""
    m, one, two = t.manager(), t.home(), t.home(['antivirus.enabled=yes', 'outbreak.enabled=no'])
    fleet.manager_ready(m)
    for g, name in ((one, 'gw1'), (two, 'gw2')):
        fleet.enrol(m, g, name)
    one.set('outbreak.enabled=yes')
    assert 'There is no appliance gw3' in m.cli('pvoconfig alternate gw3', check=False)
    m.cli('pvoconfig alternate gw2; commit -y')
    shown = lambda: m.cli('pvoconfig', 'status', check=False)
    wait_for('it is not ready', lambda: 'Alternate release appliance gw2: takes nothing, its central quarantines are not enabled' in shown(), 30)
    fleet.centralize(m, two)
    os.kill(m.roles()['central', 0], signal.SIGKILL)                       # hello is said each minute, and by a new connection
    wait_for('it is', lambda: 'Alternate release appliance gw2: ready' in shown(), 30)
    wait_for('the differences', lambda: '  gw1: anti-virus is off there, on here; outbreak is on there, off here\n' in shown(), 30)
    said = m.cli('applianceconfig delete gw2; commit -y', check=False, answers='Y\nY\n')
    assert 'pvo.alternate: appliance "gw2" does not exist' in said, said
