"""Central quarantines, gateway to manager: held mail goes to the manager over pinned TLS, waits when it is away, is refused for a reason."""
import json, os, re, signal, socket, ssl, subprocess, threading, time
from disks import grow, small_disk
from lib import *
from cpq_lab import *


def test_held_mail_goes_to_the_manager(t):
    """CPQ-07, CPQ-19, CPQ-28, CPQ-30, CPQ-49, CPQ-53, CPQ-56, CPQ-57: what a filter holds is handed to the manager over TLS, port as
    set there; both logs tell it in the fixed words; the message is found on the manager under its gateway."""
    g, m = pair(t)
    hold(g, 'the.cpq.host', 3)
    assert re.search(r'(?m)^\s*\d+\s+the\.cpq\.host\s+3\b', g.cli('tophosts')), g.cli('tophosts')
    g.cli('resumedel')
    wait_for('the manager', lambda: len(found(m)) == 3)
    held = found(m, 'order=received')
    assert held[0]['serial'] == g.serial and held[0]['subject'] == 'Invoice 7' and held[0]['recipients'] == ['b@rcpt.test'], held[0]
    log = g.wait_log(r'Message finished MID 1 done') and g.wait_log(r'New SMTP DCID \d+ interface 127\.0\.0\.1 address 127\.0\.0\.1 port %d' % m.cpq) and g.log()
    d = re.search(r'DCID (\d+) TLS success protocol TLSv1\.3 cipher \S+', log).group(1)
    mid = held[0]['mid']
    assert re.search(r'Delivery start DCID %s MID %d to RID \[0\] to centralized policy quarantine' % (d, mid), log), log
    assert re.search(r'Message done DCID %s MID %d to RID \[0\] \(centralized policy quarantine\) ' % (d, mid), log), log
    assert re.search(r"MID %d RID \[0\] Response 'ok:  Message %d accepted'" % (mid, held[0]['id']), log), log
    g.wait_log(r'Message finished MID %d done' % mid)
    i = m.wait_log(r'CPQ ICID (\d+) TLS success protocol TLSv1\.3 cipher \S+').group(1)
    m.wait_log(r'New SMTP CPQ ICID %s interface \S+ \(127\.0\.0\.1\) address 127\.0\.0\.1' % i)
    m.wait_log(r'Start MID %d ICID %s' % (held[0]['id'], i))
    m.wait_log(r'MID %d ready \d+ bytes from <a@s.test>' % held[0]['id'])
    m.wait_log(r'MID %d quarantined to "Unclassified"' % held[0]['id'])
    m.wait_log(r'CPQ ICID %s close' % i)
    assert 'CPQ ICID' in m.cli('grep', 'CPQ ICID', 'mail_logs')
    assert 'port %d' % m.cpq in g.cli('grep', 'port %d' % m.cpq, 'mail_logs')
    shown = g.cli('hoststatus', 'the.cpq.host')
    assert re.search(r'Port: +%d' % m.cpq, shown) and re.search(r'TLS: +TLSv1\.3', shown), shown


def test_spam_goes_to_its_own_port(t):
    """ST-11, ST-12, FW-45, CPQ-49: spam goes to 6025, policy mail to 7025, each with its words; a class is not taken on the other's port."""
    g, m = pair(t)
    hold(g, 'the.euq.queue', 1)
    g.cli('resumedel')
    wait_for('the spam', lambda: len(found(m, verb='spamquarantine')) == 1)
    log = g.wait_log(r'Message done DCID \d+ MID \d+ to RID \[0\] \(external quarantine\) ') and g.log()
    assert 'to offbox IronPort Spam Quarantine' in log and 'port %d' % m.euq in log
    s = encrypted(m.euq, g)
    assert s.cmd('XCPQ HELLO proto=1 serial=%s role=gateway ver=1 class=pvo' % g.serial)[0] == 550
    assert s.cmd('XCPQ HELLO proto=1 serial=OTHER role=gateway ver=1 class=spam')[0] == 550
    code, text = s.cmd('XCPQ HELLO proto=1 serial=%s role=gateway ver=1 class=spam' % g.serial)
    assert code == 250 and re.search(r'role=manager .* now=\d{13}', text), text
    s.close()


def test_strangers_are_refused_on_both_ends(t):
    """CPQ-49, CPQ-51: another certificate, however valid, ends the handshake in both directions; both logs name address and fingerprint, mail waits, and
    goes when the pin is right."""
    g, m = pair(t)
    other = certificate(g.dir, 'STRANGER')
    m.cli('settings', 'set', 'cpq_peer.gw.fingerprint=' + other[2])
    hold(g, 'the.cpq.host', 1)
    g.cli('resumedel')
    m.wait_log(r'CPQ ICID \d+ TLS failed: not enrolled, key fingerprint %s \(address 127\.0\.0\.1\)' % g.pin)
    g.wait_log(r'not enrolled there')
    assert found(m) == [] and re.search(r'Active Recipients +1', g.cli('hoststatus', 'the.cpq.host'))
    m.cli('settings', 'set', 'cpq_peer.gw.fingerprint=' + g.pin)
    g.cli('settings', 'set', 'cpq_peer.sma.fingerprint=' + other[2])
    g.cli('delivernow', 'host', 'the.cpq.host')
    g.wait_log(r'DCID \d+ TLS failed: not enrolled, key fingerprint %s' % m.pin)
    assert found(m) == []
    g.cli('settings', 'set', 'cpq_peer.sma.fingerprint=' + m.pin)
    g.cli('delivernow', 'host', 'the.cpq.host')
    wait_for('the message', lambda: len(found(m)) == 1)


def test_the_manager_is_away_and_comes_back(t):
    """CPQ-25, CPQ-64, CPQ-29, ST-18: with the manager away mail waits, nothing is lost; an alert is raised; it goes at once when contact returns, each
    message once. CPQ-34: deleterecipients works on it."""
    g, m = pair(t, gateway=['pvo.alert_away_ms=2s', 'pvo.alert_messages=4'])
    m.stop()
    hold(g, 'the.cpq.host', 6)
    g.cli('resumedel')
    g.wait_log(r'Connection Error: DCID \d+ domain: the\.cpq\.host IP: 127\.0\.0\.1 port: %d' % m.cpq)
    g.wait_log(r'The manager has not taken mail of the\.cpq\.host for \d+ seconds, \d+ messages wait', seconds=25)
    g.wait_log(r'6 messages \(\d+ bytes\) of the\.cpq\.host wait for the manager')
    shown = g.cli('hoststatus', 'the.cpq.host')
    assert re.search(r'Host up/down: +down', shown) and re.search(r'Next Retry:', shown), shown
    mids = sorted(int(x) for x in re.findall(r'(?m)^(\d+) ', g.cli('showrecipients', 'host', 'the.cpq.host')))
    assert len(mids) == 6, mids
    m.start()
    wait_for('the mail', lambda: len(found(m)) == 6, 40)
    wait_for('an empty queue', lambda: re.search(r'Active Recipients +0', g.cli('hoststatus', 'the.cpq.host')))
    ids = [x['mid'] for x in found(m)]
    assert sorted(ids) == mids, ids


def test_the_manager_is_away_for_seven_days(t):
    """CPQ-64: seven days later (clocks moved) nothing has expired or bounced; all of it arrives, once."""
    g, m = pair(t)
    m.stop()
    hold(g, 'the.cpq.host', 3)
    g.cli('resumedel')
    g.wait_log(r'Destination the\.cpq\.host is down')
    week = {'POSTERN_CLOCK_OFFSET_MS': str(7 * 86400000 + 3600000)}
    g.stop()
    g.start(env=week)
    g.cli('delivernow', 'all')
    time.sleep(3)
    assert re.search(r'Active Recipients +3', g.cli('hoststatus', 'the.cpq.host'))
    assert not re.search(r'Bounced|Delivery expired', g.log())
    m.start(env=week)
    wait_for('all of it', lambda: len(found(m)) == 3, 60)
    wait_for('an empty queue', lambda: re.search(r'Active Recipients +0', g.cli('hoststatus', 'the.cpq.host')))
    assert sorted(x['mid'] for x in found(m)) == [1, 2, 3]


def test_a_service_that_is_off(t):
    """CPQ-60, central.md 7.4: service off for this gateway: 550 at MAIL, the destination is down and an alert says why; mail waits."""
    g, m = pair(t)
    m.cli('settings', 'set', 'appliance.gw1.pvo=no')
    hold(g, 'the.cpq.host', 1)
    g.cli('resumedel')
    g.wait_log(r'CPQ: 127\.0\.0\.1 \(127\.0\.0\.1\) port %d does not take pvo mail: 550 5\.7\.1 the service is off for this gateway' % m.cpq)
    assert found(m) == []
    s = encrypted(m.cpq, g)
    assert s.cmd('XCPQ HELLO proto=1 serial=%s role=gateway ver=1 class=pvo' % g.serial)[0] == 250
    status = s.cmd('XCPQ STATUS')[1]
    assert 'state=not-ready' in status and 'reason=the+20service+20is+20not+20ticked' in status, status
    assert s.cmd('MAIL FROM:<a@s.test>')[1].startswith('550 5.7.1')
    s.close()
    m.cli('settings', 'set', 'appliance.gw1.pvo=yes')
    g.cli('delivernow', 'host', 'the.cpq.host')
    wait_for('the message', lambda: len(found(m)) == 1)


def test_the_port_changes(t):
    """CPQ-07, CPQ-09, CPQ-21 to CPQ-24, CPQ-20: another port on the manager is followed end to end; suspend refuses connections and status says
    so; resume brings them back. The listener is in the configuration file."""
    g, m = pair(t)
    assert '<cpq_listener>' in m.cli('showconfig')
    new = free_port()
    m.cli('settings', 'set', 'cpq_listener.port=%d' % new)
    wait_for('the new port', lambda: listens(new) and not listens(m.cpq))
    g.cli('settings', 'set', 'manager.sma.pvo_port=%d' % new)
    hold(g, 'the.cpq.host', 1)
    g.cli('resumedel')
    wait_for('the message', lambda: len(found(m)) == 1)
    g.wait_log('port %d' % new)
    m.cli('suspendlistener', '0', 'all')
    wait_for('refusal', lambda: not listens(new) and not listens(m.euq))
    assert re.search(r'cpq_listener is offline', m.cli('status')), m.cli('status')
    m.cli('resumelistener')
    wait_for('both again', lambda: listens(new) and listens(m.euq))
    m.cli('suspend', '0')
    wait_for('refusal', lambda: not listens(new))
    m.cli('resume')
    wait_for('both again', lambda: listens(new) and listens(m.euq))
    s = Smtp(new)
    assert re.match(r'220 \S+ ESMTP Postern CPQ ready$', s.banner[1]), s.banner
    assert s.cmd('MAIL FROM:<a@s.test>')[0] in (503, 530)
    s.quit()


def test_bound_to_its_interface(t):
    """CPQ-06: the manager listens on the interface that is set and on no other; mail comes by it."""
    g, m = pair(t)
    m.cli('settings', 'set', 'interface.Data.address=127.0.0.9', 'cpq_listener.interface=Data')
    wait_for('the other interface', lambda: not listens(m.cpq))
    socket.create_connection(('127.0.0.9', m.cpq), 5).close()
    g.cli('settings', 'set', 'manager.sma.address=127.0.0.9')
    hold(g, 'the.cpq.host', 1)
    g.cli('resumedel')
    wait_for('the message', lambda: len(found(m)) == 1)
    g.wait_log(r'New SMTP DCID \d+ interface \S+ address 127\.0\.0\.9 port %d' % m.cpq)


def test_the_manager_is_asked_before_enabling(t):
    """CPQ-59 to CPQ-61, CPQ-58: pvoconfig opens 7025 and asks for STATUS; enable is refused with the reason until the manager is ready; the log shows the
    port."""
    g, m = pair(t, central=False)
    m.cli('settings', 'set', 'appliance.gw1.migration=none')
    shown = g.cli('pvoconfig', 'status')
    assert 'no migration is chosen' in shown, shown
    refused = g.cli('pvoconfig', 'enable', check=False)
    assert 'no migration is chosen' in refused, refused
    g.wait_log(r'CPQ: 127\.0\.0\.1 \(127\.0\.0\.1\) port %d is not ready: no migration is chosen' % m.cpq)
    m.cli('settings', 'set', 'appliance.gw1.migration=automatic', 'appliance.gw1.pvo=no')
    assert 'not ticked' in g.cli('pvoconfig', 'enable', check=False)
    m.cli('settings', 'set', 'appliance.gw1.pvo=yes')
    m.cli('suspendlistener', '0', 'all')
    wait_for('refusal', lambda: not listens(m.cpq))
    assert 'port %d not answered' % m.cpq in g.cli('pvoconfig', 'enable', check=False)
    m.cli('resumelistener')
    wait_for('the port', lambda: listens(m.cpq))
    g.cli('pvoconfig', 'enable', 'Management', str(g.base + 41), ';', 'commit', 'enabled')
    assert value(g, 'pvo.central') == 'yes'
    wait_for('the hidden listener', lambda: listens(g.base + 41))


def test_cut_at_any_octet(t):
    """CPQ-65, ST-32, central.md 7.4: the connection is cut at octets of the hello, the handshake, the metadata, the content and the last reply, in either
    direction: nothing is lost, nothing is there twice."""
    g, m = pair(t)
    p = Proxy(m.cpq)
    t.things.append(p)
    g.cli('settings', 'set', 'manager.sma.pvo_port=%d' % p.port)
    hold(g, 'the.cpq.host', 4)
    p.limit = 10
    g.cli('resumedel')
    wait_for('a cut', lambda: p.cuts)
    for way, limits in ((0, (60, 700, 1400, 2100, 2600, 3000, 3400, 4000)), (1, (30, 900, 1500, 2000, 2300, 2500, 2700))):
        for limit in limits:
            seen, p.way, p.limit = p.cuts, way, limit
            g.cli('delivernow', 'host', 'the.cpq.host')
            try:
                wait_for('a cut', lambda: p.cuts > seen or not p.limit, 5)
            except AssertionError:
                break
    p.limit = None
    g.cli('delivernow', 'host', 'the.cpq.host')
    wait_for('all of them', lambda: re.search(r'Active Recipients +0', g.cli('hoststatus', 'the.cpq.host')), 60)
    assert sorted(x['mid'] for x in found(m)) == [1, 2, 3, 4], (found(m), p.cuts)
    assert p.cuts >= 8, p.cuts


def test_a_large_message_is_not_sent_twice(t):
    """CPQ-65, central.md 7.4: the connection ends behind the final dot and before the last reply: the gateway asks by XCPQ QUERY and does not send the
    large message again; a small one is sent again and is a duplicate. Each is there once."""
    g, m = pair(t)
    p = Proxy(m.cpq)
    t.things.append(p)
    g.cli('settings', 'set', 'manager.sma.pvo_port=%d' % p.port)
    for body, hush, again in ((b'large\r\n' + (b'y' * 70 + b'\r\n') * 10000, 600000, 20000), (b'small\r\n' + (b'x' * 70 + b'\r\n') * 400, 20000, None)):
        before, seen = len(found(m)), p.cuts
        p.hush = hush
        hold(g, 'the.cpq.host', 1, LETTER + body)
        g.cli('resumedel')
        wait_for('the cut', lambda: p.cuts > seen, 30)
        wait_for('it is stored', lambda: len(found(m)) == before + 1)
        p.hush, sent = None, p.octets
        g.cli('delivernow', 'host', 'the.cpq.host')
        wait_for('an empty queue', lambda: re.search(r'Active Recipients +0', g.cli('hoststatus', 'the.cpq.host')), 40)
        assert len(found(m)) == before + 1
        if again:
            assert p.octets - sent < again, p.octets - sent
            g.wait_log(r"MID 1 RID \[0\] Response '2\.0\.0 known id=%d state=held sha256=[0-9a-f]{64}'" % found(m)[0]['id'])
        else:
            g.wait_log(r"MID 2 RID \[0\] Response 'ok:  Message %d accepted \(duplicate\)'" % found(m, 'order=received')[1]['id'])


def test_the_managers_disk_is_full(t):
    """central.md 7.4, 11: no space on the manager's disk: 452 over 7025, the gateway keeps the mail and raises an alert; all of it is there once when
    there is space again, and what was taken before is readable."""
    g, m = pair(t)
    m.stop()
    path = small_disk(t, m, 12, 'quarantine')
    m.start()
    wait_for('its port', lambda: listens(m.cpq))
    large = LETTER + (b'z' * 70 + b'\r\n') * 14000
    hold(g, 'the.cpq.host', 25, large)
    g.cli('resumedel')
    g.wait_log(r'MID \d+ was not taken by the quarantine: 452 4\.3\.1 ', seconds=40)
    wait_for('an alert', lambda: 'was not taken by the quarantine: 452' in g.cli('displayalerts'))
    m.wait_log(r'Quarantine: cannot be written to: .*[Nn]o space')
    waiting = int(re.search(r'Active Recipients +(\d+)', g.cli('hoststatus', 'the.cpq.host')).group(1))
    assert 0 < waiting < 25 and len(found(m)) == 25 - waiting, (waiting, len(found(m)))
    grow(path, 300)
    wait_for('all of them', lambda: len(found(m)) == 25, 90)
    assert sorted(x['mid'] for x in found(m)) == list(range(1, 26))
    wait_for('an empty queue', lambda: re.search(r'Active Recipients +0', g.cli('hoststatus', 'the.cpq.host')))
    for one in (found(m)[0], found(m)[-1]):
        assert m.cli('quarantine', 'show', str(one['id']), '--message').count('z' * 70) == 14000


test_the_managers_disk_is_full.needs_root = True


def test_the_managers_spam_store_is_full(t):
    """central.md 7.4, 10: the spam quarantine is set to refuse when full: 452 over 6025, the gateway's queue grows and nothing is lost;
    with space again all of it goes."""
    g, m = pair(t, manager=['spam_quarantine.max_bytes=1M', 'spam_quarantine.full=refuse'])
    hold(g, 'the.euq.queue', 5, LETTER + (b'z' * 70 + b'\r\n') * 4000)
    g.cli('resumedel')
    g.wait_log(r'MID \d+ was not taken by the quarantine: 452 4\.3\.1 the quarantine is full', seconds=30)
    m.wait_log(r'Quarantine: the space for spam mail is used up')
    assert len(found(m, verb='spamquarantine')) < 5
    assert re.search(r'Active Recipients +[1-5]\b', g.cli('hoststatus', 'the.euq.queue'))
    m.set('spam_quarantine.max_bytes=1G')
    g.cli('delivernow', 'host', 'the.euq.queue')
    wait_for('all of them', lambda: len(found(m, verb='spamquarantine')) == 5, 40)


def test_the_dialogue_of_the_spam_quarantine(t):
    """central.md 10, cli.md 10: spamquarantineconfig: external with address, port, safelists on or off and what happens to blocklisted mail; a manager
    that is not ready is a warning; local; on a manager the listener."""
    g, m = pair(t, central=False)
    new = free_port()
    said = m.cli('spamquarantineconfig listener yes Management %d; commit -y' % new)
    wait_for('the new port', lambda: listens(new) and not listens(m.euq))
    said = g.cli('spamquarantineconfig external 127.0.0.1 %d yes delete; commit -y' % new)
    assert 'Spam goes to the manager sma (127.0.0.1).' in said and 'Warning: the spam quarantine of 127.0.0.1 is not ready: port %d' % m.euq in said, said
    assert [value(g, x) for x in ('spam_quarantine.central', 'spam_quarantine.slbl', 'mail_policy.DEFAULT.antispam_blocklist', 'manager.sma.spam_port')] == \
        ['yes', 'yes', 'delete', str(new)]
    said = g.cli('spamquarantineconfig', 'status')
    assert 'Spam is held on the manager sma (127.0.0.1), port %d.' % new in said and 'is ready.' in said, said
    hold(g, 'the.euq.queue', 1)
    g.cli('resumedel')
    wait_for('the spam there', lambda: len(found(m, verb='spamquarantine')) == 1)
    g.cli('spamquarantineconfig local no; commit -y')
    assert value(g, 'spam_quarantine.slbl') == 'no' and 'on this machine' in g.cli('spamquarantineconfig', 'status')
    hold(g, 'the.euq.queue', 1)
    g.cli('resumedel')
    wait_for('the spam here', lambda: len(found(g, verb='spamquarantine')) == 1)
    assert 'smaconfig' in t.home([]).cli('spamquarantineconfig external', check=False)


def test_suspended_transfers_refuse_new_mail(t):
    """central.md 7.4, 4: while transfers are suspended on the manager an open session hears 421 4.3.2 and ends, no new one is taken; mail waits on the
    gateway and goes when they are resumed."""
    g, m = pair(t)
    s = encrypted(m.cpq, g)
    assert s.cmd('XCPQ HELLO proto=1 serial=%s role=gateway ver=1 class=pvo' % g.serial)[0] == 250
    assert s.cmd('MAIL FROM:<a@s.test>')[0] == 250
    m.cli('suspendtransfers', '0')
    wait_for('refusal', lambda: not listens(m.cpq) and not listens(m.euq))
    assert s.f.readline().startswith(b'421 4.3.2 ') and s.f.readline() == b''
    hold(g, 'the.cpq.host', 2)
    g.cli('resumedel')
    g.wait_log(r'Destination the\.cpq\.host is down')
    assert found(m) == []
    m.cli('resumetransfers')
    wait_for('its port', lambda: listens(m.cpq))
    wait_for('the mail', lambda: len(found(m)) == 2, 40)


def test_either_side_is_killed_at_each_step(t):
    """CPQ-65: the manager's holder dies before and after its write, before its index; deliver of the gateway dies: each message is there once."""
    g, m = pair(t)
    n = 0
    for point, action in (('quarantine.append', 'kill-before'), ('quarantine.append', 'kill-after'), ('quarantine.index', 'kill-before')):
        m.stop()
        mark = os.path.join(m.dir, 'fault.%s.%s' % (point, action))
        m.start(env={'POSTERN_FAULT': 'quarantine:%s:0:%s' % (point, action), 'POSTERN_FAULT_LOG': mark, 'POSTERN_FAULT_ONCE': '1'})
        wait_for('its port', lambda: listens(m.cpq))
        hold(g, 'the.cpq.host', 2)
        n += 2
        g.cli('resumedel')
        wait_for('the fault', lambda: os.path.exists(mark))
        wait_for('its port', lambda: listens(m.cpq))
        g.cli('delivernow', 'host', 'the.cpq.host')
        wait_for('the mail', lambda: len(found(m)) == n, 40)
    hold(g, 'the.cpq.host', 2)
    g.cli('resumedel')
    os.kill(g.roles()[('deliver', 0)], signal.SIGKILL)
    wait_for('the mail', lambda: len(found(m)) == n + 2, 40)
    mids = [x['mid'] for x in found(m)]
    assert len(mids) == len(set(mids)), mids


def test_what_does_not_fit_is_set_aside(t):
    """central.md 7.4: 552: the message is set aside, an alert says so; it stays visible as refused, and others go."""
    g, m = pair(t, manager=['quarantine_service.max_message_bytes=1048576'])
    big = LETTER + b'x' * 70 + b'\r\n' + (b'y' * 70 + b'\r\n') * 17000
    hold(g, 'the.cpq.host', 1, big)
    g.cli('resumedel')
    g.wait_log(r'MID 1 is set aside, the central quarantine does not take it as it is')
    hold(g, 'the.cpq.host', 1)
    g.cli('resumedel')
    wait_for('the small ones', lambda: len(found(m)) == 1)
    assert 'refused' in g.cli('showrecipients', 'host', 'the.cpq.host')
    assert re.search(r'Refused Messages: +1', g.cli('hoststatus', 'the.cpq.host')), g.cli('hoststatus', 'the.cpq.host')


def test_weak_ciphers(t):
    """CPQ-50, CPQ-52, CPQ-53, CPQ-54: a list of anonymous ciphers alone leaves none and ends in a clear line that names the cure; HIGH:MEDIUM:-aNULL is fine."""
    g, m = pair(t)
    g.cli('settings', 'set', '--force', 'tls.outbound_ciphers=aNULL')
    hold(g, 'the.cpq.host', 1)
    g.cli('resumedel')
    g.wait_log(r'DCID \d+ TLS failed: .*the list "aNULL" leaves no cipher.*:-aNULL')
    assert found(m) == []
    g.cli('settings', 'set', 'tls.outbound_ciphers=HIGH:MEDIUM:-aNULL')
    g.cli('delivernow', 'host', 'the.cpq.host')
    wait_for('the message', lambda: len(found(m)) == 1)
