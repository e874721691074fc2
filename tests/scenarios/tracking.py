"""Message tracking of a gateway by itself: mail comes in, every key finds it, its steps are all there (central.md 12)."""
import json, os, re, signal, socket, time
from lib import *

FILTERS = ['message_filter.hold.text=hold: if (subject == "hold me") { quarantine("Policy"); }',
           'message_filter.drop.text=drop: if (subject == "drop me") { drop(); }',
           'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT']


def letter(subject, number):
    return ('From: a@s.test\r\nTo: b@rcpt.test\r\nSubject: %s\r\nMessage-ID: <t%d@s.test>\r\n\r\nHello.\r\n' % (subject, number)).encode()


def found(h, *words):
    answer = h.cli('tracking', *words, '--json', check=False)
    return json.loads(answer)['messages'] if answer.startswith('{') else []


def wait_found(h, *words, n=1, seconds=20):
    wait_for('%d messages by %s' % (n, ' '.join(words)), lambda: len(found(h, *words)) == n, seconds)
    return found(h, *words)


def show(h, *words):
    return json.loads(h.cli('tracking', 'show', *words, '--json'))['messages']


def test_every_key_finds_it(t):
    """ST-16: what was sent is found by each key of a search, with its sender, recipients, subject and state, within seconds."""
    sink = t.sink()
    g = t.home(FILTERS, sink_port=sink.port)
    assert g.smtp().send('Ann.Smith@s.test', ['b@rcpt.test', 'c@rcpt.test'], letter('Invoice 17 of May', 1))[0] == 250
    assert g.smtp().send('bob@other.test', 'b@rcpt.test', letter('Lunch', 2))[0] == 250
    began = time.time()
    one, = wait_found(g, 'subject=invoice', 'events=delivered')
    assert time.time() - began < 15
    assert one['sender'] == 'Ann.Smith@s.test' and sorted(one['recipients']) == ['b@rcpt.test', 'c@rcpt.test']
    assert one['state'] == 'Delivered' and one['direction'] == 'incoming' and one['bytes'] > 100
    detail, = show(g, str(one['mid']))
    keys = ['sender=ann.smith', 'sender:begins=ANN.', 'sender:is=ann.smith@s.test', 'recipient=c@rcpt', 'recipient:is=c@rcpt.test',
            'subject:begins=Invoice 17', 'subject:is=invoice 17 OF may', 'subject=17 of', 'message-id=<t1@s.test>', 'mid=%d' % one['mid'],
            'uid=' + detail['uid'], detail['uid'], str(one['mid'])]
    for key in keys:
        assert [x['mid'] for x in found(g, key)] == [one['mid']], key
    for key in ('ip=127.0.0.1', 'host=' + one['host'], 'serial=' + one['serial'], 'recipient:is=b@rcpt.test', 'events=delivered,spam', 'direction=in',
                'listener=InboundMail', 'from=%d' % (began * 1000 - 60000), 'to=%d' % (began * 1000 + 60000)):
        assert len(found(g, key)) == 2, key
    for key in ('sender=nobody', 'events=virus', 'direction=out', 'subject:empty', 'to=2020-01-01', 'host=elsewhere', 'mid=999999'):
        assert found(g, key) == [], key
    newest = found(g, 'limit=1')
    assert len(newest) == 1 and newest[0]['subject'] == 'Lunch'
    assert 'tracking availability' in g.cli('tracking', 'sender=nobody')
    assert 'there is no key' in g.cli('tracking', 'colour=red', check=False)


def test_steps_tell_the_whole_life(t):
    """ST-16: the detail view has the connection, every step in time order, the last state marked, the bounce's reason and the remote
    host's reply; a message that is held and released, one that is dropped and one that is refused say so."""
    sink = t.sink(script=lambda line, state: '550 5.1.1 unknown here' if line.startswith('RCPT TO:<unknown@') else None)
    g = t.home(FILTERS, sink_port=sink.port)
    s = g.smtp()
    assert s.send('a@s.test', 'unknown@rcpt.test', letter('no such user', 1))[0] == 250
    assert s.send('a@s.test', 'b@rcpt.test', letter('drop me', 2))[0] == 250
    assert s.send('a@s.test', 'b@rcpt.test', letter('hold me', 3))[0] == 250
    assert s.cmd('MAIL FROM:<a@s.test>')[0] == 250 and s.cmd('RCPT TO:<x@elsewhere.test>')[0] == 550
    s.quit()
    bounced, = wait_found(g, 'sender:is=a@s.test', 'events=hard-bounced')
    detail, = show(g, str(bounced['mid']))
    texts = [x['text'] for x in detail['steps']]
    assert texts[0].startswith('New SMTP ICID') and any(re.match(r'Bounced: DCID \d+ MID \d+ to RID 0 - 5\.1\.', x) for x in texts), texts
    assert 'unknown here' in detail['last_reply'] and detail['message_id'] == '<t1@s.test>' and detail['sender_ip'] == '127.0.0.1'
    last = [x for x in detail['steps'] if x['last']]
    assert len(last) == 1 and last[0]['event'] == 'delivery_bounced' and detail['state'] == 'Hard Bounced'
    assert [x['time'] for x in detail['steps']] == sorted(x['time'] for x in detail['steps'])
    dropped, = wait_found(g, 'events=dropped')
    assert dropped['state'] == 'Dropped By Message Filters' and found(g, 'filter=drop')[0]['mid'] == dropped['mid']
    aborted, = wait_found(g, 'events=aborted')
    assert aborted['bytes'] == 0 and any('Rejected by RAT' in x['text'] for x in show(g, str(aborted['mid']))[0]['steps'])
    held, = wait_found(g, 'events=quarantined-policy')
    assert held['state'] == 'Quarantined by Policy' and found(g, 'quarantine=Policy')[0]['mid'] == held['mid']
    g.cli('quarantine', 'release', '-y', 'subject=hold')
    # it keeps its uid: both numbers of it are one message
    uid = show(g, str(held['mid']))[0]['uid']
    both = wait_found(g, 'uid=' + uid, n=2)
    assert held['mid'] in [x['mid'] for x in both]
    wait_for('delivered', lambda: any(x['state'] == 'Delivered' for x in found(g, uid)), 20)
    assert 'Same message' in g.cli('tracking', 'show', str(held['mid']))
    assert len(show(g, uid)) == 2
    text = g.cli('tracking', 'show', str(bounced['mid']))
    assert re.search(r'(?m)^  \* .*Bounced: ', text) and 'Last state            Hard Bounced' in text, text


def test_rejected_connections_only_when_wanted(t):
    """ST-16, central.md 12: refused connections are tracked when the setting is on, and found by `kind=rejected`."""
    g = t.home(FILTERS + ['sender_group.BLOCKLIST.members=127.0.0.0/8'])

    def refused():
        with socket.create_connection(('127.0.0.1', g.smtp_port), 10) as s:
            assert s.recv(200).startswith(b'554')
    refused()
    g.wait_log(r'ICID \d+ REJECT SG BLOCKLIST')
    time.sleep(2)
    g.set('tracking.rejected=yes')
    refused()
    row, = wait_found(g, 'kind=rejected')
    assert row['state'] == 'Rejected' and row['events'] == ['rejected'] and 'mid' not in row
    assert [x['icid'] for x in found(g, 'kind=both', 'ip=127.0.0.1', 'group=BLOCKLIST')] == [row['icid']]
    assert found(g) == []


def test_who_may_search(t):
    """cli.md 5: guests search when they may; technicians and help desk have no such command."""
    g = t.home(FILTERS + ['user.guest1.role=guest', 'user.tech.role=technician', 'user.reader.role=read_only_operator'])
    answer = lambda user: g.cli('--user', user, 'tracking', 'status', check=False)
    assert 'Messages: ' in answer('reader')
    assert 'may not search' in answer('guest1')
    assert 'Unknown command' in answer('tech')
    g.set('tracking.guests=yes')
    assert 'Messages: ' in answer('guest1')


def test_killed_while_importing(t):
    """ST-16: role record is killed again and again while mail comes in; in the end every message is found once, with all its steps."""
    sink = t.sink()
    g = t.home(FILTERS, sink_port=sink.port)
    for i in range(30):
        assert g.smtp().send('a@s.test', 'b@rcpt.test', letter('number %d' % i, i))[0] == 250
        if i % 10 == 5:
            os.kill(g.roles()['record', 0], signal.SIGKILL)
    rows = wait_found(g, 'sender:is=a@s.test', 'events=delivered', n=30, seconds=40)
    assert len({x['mid'] for x in rows}) == 30
    for row in rows[::7]:
        events = [x['event'] for x in show(g, str(row['mid']))[0]['steps']]
        assert events.count('message_ready') == 1 and events.count('delivery_done') == 1, events
        assert events.count('connection_incoming') == 1 and events.count('message_finished') == 1, events
