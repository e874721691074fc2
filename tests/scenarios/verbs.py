"""Watching and steering: the verbs of the queue, of hosts and of connections, against a gateway with mail in it."""
import json, subprocess, mailbox, os, re, signal, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import *

RAT = 'listener.InboundMail.rat=ALL ACCEPT'
SLOW = ['queue.connection_failure_wait_ms=1h', 'bounce_profile[default].retry_first_ms=1h']
INTERNAL = ['the.encryption.queue', 'the.euq.queue', 'the.euq.release.queue', 'the.cpq.host', 'the.cpq.release.host']


def held(t, *settings, **kw):
    """A gateway that takes mail and delivers none."""
    sink = t.sink(**kw)
    g = t.home([RAT, *SLOW, *settings], sink_port=sink.port)
    g.cli('suspenddel', '0')
    return g, sink


def put(g, to='b@rcpt.test', sender='a@s.test', data=MESSAGE):
    c = g.smtp()
    code, text = c.send(sender, to, data)
    assert code == 250, text
    c.quit()


def settled(g, n):
    """Until n recipients are active and none is in the work queue."""
    wait_for('%d active recipients' % n, lambda: sum(h['active'] for h in json.loads(g.cli('tophosts', '--json'))) == n and
             'Messages:                     0' in g.cli('workqueue'))


def mids(g):
    return [int(m) for m in re.findall(r'(?m)^(\d+) +\d+ +\S', g.cli('showrecipients', 'all'))]


def test_recipients_are_shown_as_two_lines(t):
    """showrecipients: MID, bytes, sender, time and the subject of the header; below RID, attempts and address of each recipient."""
    g, sink = held(t)
    put(g, ['b@one.test', 'c@two.test'])
    put(g, 'd@one.test', 'e@s.test', MESSAGE.replace(b'hello', b'evil \x1b[2J thing', 1))
    settled(g, 3)
    text = g.cli('showrecipients', 'all')
    assert re.search(r'(?m)^\d+ +\d+ +a@s\.test +\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}  hello$', text), text
    assert '[0]        [0]       b@one.test\n' in text and '[1]        [0]       c@two.test\n' in text
    assert '\x1b' not in text and 'evil' in text
    assert text.endswith('Total: 3 recipients.\n')
    assert g.cli('showrecipients', 'host', 'ONE.test').endswith('Total: 2 recipients.\n')
    assert g.cli('showrecipients', 'from', '<e@s.test>').endswith('Total: 1 recipients.\n')
    data = json.loads(g.cli('showrecipients', 'all', '--json'))
    assert [m['subject'] for m in data['messages']][0] == 'hello' and data['recipients'] == 3 and 'next' not in data
    bad = g.cli('showrecipients', 'host', check=False)
    assert bad.startswith('Invalid arguments\nUsage: showrecipients '), bad


def test_a_long_list_is_whole(t):
    """showrecipients: a list longer than a part is joined, text and json; each part by itself goes on where the one before ended."""
    g, sink = held(t)
    for i in range(12):
        put(g, ['%s%03d@rcpt.test' % ('x' * 60, k) for k in range(1000)])
    settled(g, 12000)
    text = g.cli('showrecipients', 'all')
    assert text.count('MID/ ') == 1 and text.count('@rcpt.test\n') == 12000 and text.endswith('Total: 12000 recipients.\n')
    data = json.loads(g.cli('showrecipients', 'all', '--json'))
    assert sum(len(m['recipients']) for m in data['messages']) == 12000 and len(data['messages']) == 12
    assert data['recipients'] == 12000 and 'next' not in data
    token, parts = '0.0', []
    while token:
        part = json.loads(g.cli('showrecipients', 'all', 'at', token, '--json'))
        parts += [m['mid'] for m in part['messages']]
        token = part.get('next')
    assert parts == [m['mid'] for m in data['messages']]


def test_recipients_are_deleted_bounced_and_redirected(t):
    """deleterecipients, bouncerecipients, redirectrecipients: by host, by sender, all; the count, the log line, the new host."""
    g, sink = held(t)
    other = t.sink()
    g.cli('settings', 'set', 'route[other.test].hosts=127.0.0.1:%d' % other.port)
    for to in ('a@one.test', 'b@one.test', 'c@two.test', 'd@three.test'):
        put(g, to)
    put(g, 'e@four.test', 'sender@del.test')
    settled(g, 5)
    assert g.cli('deleterecipients', 'host', 'two.test') == '1 recipients deleted.\n'
    assert g.cli('deleterecipients', 'from', 'sender@del.test') == '1 recipients deleted.\n'
    assert g.cli('deleterecipients', 'host', 'nowhere.test') == '0 recipients deleted.\n'
    g.wait_log(r'Deleted: MID \d+ to RID \[0\]')
    assert g.cli('redirectrecipients', 'host', 'one.test', 'to', 'other.test') == '2 recipients redirected.\n'
    assert g.cli('bouncerecipients', 'host', 'three.test') == '1 recipients bounced.\n'
    g.wait_log(r'was generated for bounce of MID')
    assert 'Invalid arguments' in g.cli('redirectrecipients', 'host', 'one.test', 'to', 'a b', check=False)
    g.cli('resumedel')
    wait_for('both at the other host', lambda: len(other.messages) == 2)
    wait_for('the bounce', lambda: any(m['rcpts'] == ['a@s.test'] for m in sink.messages))


def test_internal_destinations(t):
    """CPQ-30 to CPQ-34, CPQ-41 to CPQ-44: every command of the queue takes the internal destinations, with and without mail."""
    g, sink = held(t)
    for name in INTERNAL:
        text = g.cli('hoststatus', name)
        assert "Host mail status for: '%s'\n" % name in text and 'Host up/down:                 unknown' in text
        assert 'Peer:' in text and 'Port:' in text and 'TLS:' in text and 'Next Retry:' in text and 'MX Records' not in text
        assert g.cli('showrecipients', 'host', name).endswith('Total: 0 recipients.\n')
        for verb in ('deleterecipients', 'bouncerecipients'):
            assert re.match(r'0 recipients ', g.cli(verb, 'host', name))
        assert g.cli('redirectrecipients', 'host', name, 'to', 'x.test') == '0 recipients redirected.\n'
        g.cli('delivernow', 'host', name)
        g.cli('hostrate', name, '-n', '1')
    put(g, 'b@rcpt.test')
    settled(g, 1)
    assert g.cli('redirectrecipients', 'all', 'to', 'the.cpq.host') == '1 recipients redirected.\n'
    assert re.search(r'(?m)^ 1   the\.cpq\.host +1 ', g.cli('tophosts'))
    assert 'Total: 1 ' in g.cli('showrecipients', 'host', 'the.cpq.host')
    assert g.cli('deleterecipients', 'host', 'the.cpq.host') == '1 recipients deleted.\n'
    assert 'does not exist' in g.cli('hoststatus', 'nowhere.test', check=False)


def test_top_hosts(t):
    """tophosts: at most 20 rows in the order asked for, `*` at hosts that were down."""
    down = free_port()
    g, sink = held(t, 'route[down.test].hosts=127.0.0.1:%d' % down)
    put(g, 'a@down.test')
    for i in range(25):
        put(g, ['%d@d%d.test' % (k, i) for k in range(i % 3 + 1)])
    g.cli('resumedel')
    wait_for('down', lambda: re.search(r'(?m)^ 1\*  down\.test +1 ', g.cli('tophosts')))
    text = g.cli('tophosts', 'deliv_recip')
    rows = re.findall(r'(?m)^ *\d+[ *]  (\S+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$', text)
    assert text.startswith('Status as of:') and len(rows) == 20, text
    delivered = [int(r[3]) for r in rows]
    assert delivered == sorted(delivered, reverse=True) and delivered[0] == 3
    assert 'Invalid arguments' in g.cli('tophosts', 'loudest', check=False)


def test_host_status_of_a_host_that_refuses(t):
    """hoststatus: addresses, last 5XX answer and TLS error of a host, its counters, its oldest message."""
    def script(line, state):
        if line.startswith('RCPT'):
            return '550 5.1.1 no such user here'
        if line.startswith('STARTTLS'):
            return '454 4.7.0 no TLS today'
    g, sink = held(t, script=script, extensions=('PIPELINING', '8BITMIME', 'STARTTLS'))
    put(g, 'b@rcpt.test')
    settled(g, 1)
    text = g.cli('hoststatus', 'rcpt.test')
    assert 'up/down:                 unknown (delivery suspended)' in text and re.search(r'(?m)^Oldest Message +\w{3} \w{3}', text)
    g.cli('resumedel')
    wait_for('5XX', lambda: 'no such user here' in g.cli('hoststatus', 'rcpt.test'))
    text = g.cli('hoststatus', 'rcpt.test')
    assert re.search(r'(?m)^Last 5XX Error:\n-+\n.*no such user here\n\(at \w{3} .*\)\n', text), text
    assert re.search(r'Ordered IP addresses: +\(expiring at .*\)\n +Preference +IPs\n +0 +127\.0\.0\.1\n', text), text
    assert re.search(r'5XX Hard Bounces +1\n', text) and re.search(r'Oldest Message +No Messages', text)
    assert re.search(r'Last TLS Error:\n-+\n.*\n\(at', text), text
    assert 'Virtual gateway information:' in text


def test_mx_records_in_host_status(t):
    """hoststatus: preference and host of each MX record, addresses in the order of trial with their expiry."""
    sink = t.sink()
    nsd = t.nsd({'mx.test': '@ MX 10 mail\n@ MX 20 backup\nmail A 127.0.0.1\nbackup A 127.0.0.2'})
    g = t.home([RAT, 'dns.domain_servers=mx.test 127.0.0.1@%d' % nsd.port, 'dns.servers=127.0.0.1@%d' % nsd.port, 'route[ALL].hosts=USEDNS', 'delivery.port=%d' % sink.port])
    put(g, 'b@mx.test')
    wait_for('the message', lambda: sink.messages)
    text = g.cli('hoststatus', 'mx.test')
    assert 'Host up/down:                 up\n' in text
    assert re.search(r'MX Records:\n +Preference +Hostname\n +10 +mail\.mx\.test\.?\n +20 +backup\.mx\.test', text), text
    assert re.search(r'IPs\n +10 +127\.0\.0\.1\n +20 +127\.0\.0\.2\n', text), text


def test_messages_one_by_one(t):
    """showmessage, archivemessage (mbox), removemessage with its summary, oldmessage; all of a large message, in parts."""
    g, sink = held(t)
    big = b'Subject: big\r\nFrom: a@s.test\r\n\r\n' + b''.join(b'From the line %07d of a large message, to fill it\r\n' % i for i in range(60000))
    put(g, 'b@rcpt.test')
    put(g, 'b@rcpt.test', data=big)
    settled(g, 2)
    small, large = mids(g)
    shown = g.cli('showmessage', str(large)).encode()
    assert b'line 0059999' in shown and len(shown) > 60000 * 50, len(shown)
    assert 'saved in file' in g.cli('archivemessage', str(large))
    box = mailbox.mbox(os.path.join(g.home, 'configuration', '%d.mbox' % large))
    assert len(box) == 1 and box[0]['Subject'] == 'big', len(box)
    assert box[0].get_payload().count('>From the line') == 60000
    assert re.match(r'MID %d: (\d+ mins? )?\d+ secs? old\nReceived: ' % small, g.cli('oldmessage'))
    summary = g.cli('removemessage', str(small), 'show')
    assert 'Subject: hello\n' in summary and 'Message-ID: <m1@sender.test>' in summary
    assert small in mids(g)
    assert run_with(g, 'y\n', 'removemessage', str(small)).endswith('MID %d removed.\n' % small)
    assert mids(g) == [large]
    g.wait_log(r'Deleted: MID %d to RID \[0\]' % small)
    assert 'does not exist' in g.cli('showmessage', str(small), check=False)


def stuck(t, *settings):
    """A gateway whose one message is under way: the next hop is silent after the dot."""
    sink = t.sink(script=lambda line, state: (time.sleep(60), None)[1] if line.startswith('RCPT') else None)
    g = t.home([RAT, *SLOW, *settings], sink_port=sink.port)
    put(g)
    wait_for('the connection', lambda: sink.connections and any('RCPT' in c for c in sink.commands))
    return g, sink


def test_a_message_under_way_is_not_removed(t):
    """removemessage refuses a message that is being delivered."""
    g, sink = stuck(t)
    mid = g.wait_log(r'Start MID (\d+)').group(1)
    assert 'cannot be removed' in g.cli('removemessage', mid, check=False)
    g.stop(signal.SIGKILL)


def test_suspended_delivery_is_closed_after_its_delay(t):
    """suspenddel DELAY waits for deliveries under way, then closes their connections and says so; the message stays queued
    and status names what is stopped, also after a restart."""
    g, sink = stuck(t)
    begun = time.monotonic()
    assert g.cli('suspenddel', '1') == 'Mail delivery suspended.\n'
    assert 0.9 < time.monotonic() - begun < 5
    assert json.loads(g.cli('tophosts', '--json'))[0]['active'] == 1
    assert g.cli('status').endswith('Delivery is suspended. Use resumedel to resume.\n')
    g.stop()
    g.start()
    wait_for('still suspended', lambda: 'System status:                Delivery suspended' in g.cli('status'))
    g.cli('resumedel')
    g.cli('suspenddel', '0', 'one.test,two.test')
    wait_for('status', lambda: g.cli('status').endswith('Delivery is suspended to: one.test, two.test. Use resumedel to resume.\n'))
    g.cli('resumedel', 'one.test', 'two.test')
    assert 'is suspended' not in g.cli('status')


def test_suspended_listeners_wait_for_open_connections(t):
    """CPQ-21, CPQ-22: suspendlistener DELAY and suspend DELAY answer as soon as the last connection ends, after the delay they close it with
    421; new connections are refused, others listeners go on, the state survives a restart."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    c = g.smtp()
    threading.Timer(0.7, c.quit).start()
    begun = time.monotonic()
    assert 'Receiving suspended.' in g.cli('suspendlistener', '30', 'InboundMail')
    assert 0.5 < time.monotonic() - begun < 5
    assert door(g) == 0  # refused
    assert Smtp(g.base + 587).banner[0] == 220
    assert g.cli('status').endswith('Receiving is suspended on: InboundMail. Use resumelistener to resume.\n')
    g.stop()
    g.wait_up = lambda: wait_for('the refusal after a restart', lambda: 'Username' in g.cli('whoami', check=False) and door(g) == 0)
    g.start()
    g.cli('resumelistener', 'all')
    wait_for('the listener', lambda: door(g) == 220)
    c = g.smtp()
    begun = time.monotonic()
    text = g.cli('suspend', '1')
    assert 'Receiving suspended.' in text and 'Mail delivery suspended.' in text
    assert 0.9 < time.monotonic() - begun < 5
    assert c.reply() == (421, '421 4.3.2 service temporarily suspended')
    assert 'System status:                Offline' in wait_for('Offline', lambda: 'Offline' in g.cli('status') and g.cli('status'))
    assert 'Receiving is suspended on all listeners, hidden ones included.' in g.cli('status')
    g.cli('resume')


def run_with(g, answers, *words):
    return subprocess.run([g.postern, 'cli', '--home', g.home, *words], input=answers, capture_output=True, text=True, env=g.env).stdout


def door(g):
    """The code of the greeting; 0 = no connection."""
    try:
        return Smtp(g.smtp_port, timeout=3).banner[0]
    except (OSError, EOFError):
        return 0


def test_incoming_connections_are_added_up(t):
    """topin: connections by address and listener over all receive processes."""
    g = t.home([RAT, 'roles.receive=2', 'mail_flow_policy.ACCEPTED.max_connections=100'], sink_port=t.sink().port)
    kept = [g.smtp() for _ in range(12)]
    text = g.cli('topin')
    assert re.search(r'(?m)^ +1 +\S* +127\.0\.0\.1 +InboundMail +12$', text), text
    assert text.startswith('Status as of:')
    assert json.loads(g.cli('topin', '--json')) == [{'ip': '127.0.0.1', 'name': json.loads(g.cli('topin', '--json'))[0]['name'], 'listener': 'InboundMail', 'connections': 12}]
    for c in kept:
        c.quit()


def test_samples(t):
    """rate, hostrate, workqueue rate: one sample as text and json; `next` goes on from it with what came since. dnsstatus,
    resetcounters."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    first = json.loads(g.cli('rate', '--json'))
    work = json.loads(g.cli('workqueue', 'rate', '--json'))
    host = None
    for i in range(3):
        put(g, ['x@rcpt.test', 'y@rcpt.test'])
        host = host or wait_for('delivery', lambda: sink.messages and json.loads(g.cli('hostrate', 'rcpt.test', '--json')))
    wait_for('three', lambda: len(sink.messages) == 3)
    wait_for('counters', lambda: json.loads(g.cli('rate', '--json'))['delivered'] == 6)
    row = g.cli('rate', 'next', *first['next'].split()).split()
    assert row[3:8] == ['6', '6', '6', '6', '6'], row
    row = g.cli('workqueue', 'rate', 'next', *work['next'].split()).split()
    assert row[1:] == ['0', '3', '3'], row
    row = g.cli('hostrate', 'rcpt.test', 'next', *host['next'].split()).split()
    assert row[1] == 'up' and int(row[4]) in (4, 6), row
    assert g.cli('hostrate', 'rcpt.test', '-n', '1').startswith('Time ') and g.cli('rate', '-n', '1').startswith('Time ')
    assert re.search(r'DNS Requests +\d+\n +Network Requests +\d+\n +Cache Hits +\d+\n +Cache Misses +\d+\n +Cache Exceptions +\d+\n +Cache Expired +\d+\n', g.cli('dnsstatus'))
    assert g.cli('resetcounters').endswith('Counters reset.\n')
    wait_for('the reset', lambda: re.search(r'Messages Received +0 ', g.cli('status')))


def test_delivernow(t):
    """delivernow host NAME tries that host now; all tries everything and sets the counters of the hosts to zero."""
    busy = [True]
    g, sink = held(t, script=lambda line, state: '450 4.2.0 busy' if line.startswith('RCPT') and busy[0] else None)
    put(g, 'a@one.test')
    put(g, 'b@two.test')
    settled(g, 2)
    g.cli('resumedel')
    wait_for('both busy', lambda: all(h['soft_bounced'] for h in json.loads(g.cli('tophosts', '--json'))))
    busy[0] = False
    assert g.cli('delivernow', 'host', 'one.test') == 'Delivery of 1 recipients rescheduled for now.\n'
    wait_for('one', lambda: len(sink.messages) == 1)
    assert sink.messages[0]['rcpts'] == ['a@one.test']
    wait_for('the count', lambda: any(h['delivered'] for h in json.loads(g.cli('tophosts', '--json'))))
    assert g.cli('deliverynow', 'all') == 'Delivery of 1 recipients rescheduled for now.\n'
    wait_for('two', lambda: len(sink.messages) == 2)
    hosts = {h['host']: h for h in json.loads(g.cli('tophosts', '--json'))}
    assert hosts['one.test']['delivered'] == 0 and hosts['one.test']['soft_bounced'] == 0, hosts
