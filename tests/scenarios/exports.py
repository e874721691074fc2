"""What a gateway keeps for its managers: segments of events and figures; its own reports and what data there is."""
import ctypes, hashlib, json, os, random, re, signal
from lib import *

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'
ZSTD = ctypes.CDLL('libzstd.so.1')
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


def listed(g, kind='tracking', *words):
    text = g.cli('exports', 'list', kind, '0', '0', *words, check=False) # nothing while record is being started again
    return [json.loads(line) for line in text.splitlines() if line.startswith('{')]


def path_of(g, kind, s):
    return os.path.join(g.home, 'exports', kind, '%d-%d.seg' % (s['epoch'], s['seq']))


def read(g, kind, s):
    """The lines of a segment; its header, size and digest are those that are listed."""
    data = open(path_of(g, kind, s), 'rb').read()
    assert len(data) == s['bytes'] and hashlib.sha256(data).hexdigest() == s['sha256']
    magic, header = data[:512].split(b'\n')[:2]
    head = json.loads(header)
    assert magic == b'POSTERN-EXPORT 1' and [head[k] for k in ('seq', 'first', 'last', 'events')] == [s[k] for k in ('seq', 'first', 'last', 'events')]
    if not s['events']:
        return []
    out = ctypes.create_string_buffer(64 << 20)
    n = ZSTD.ZSTD_decompress(out, len(out), data[512:], len(data) - 512)
    lines = [json.loads(line) for line in out.raw[:n].splitlines()]
    assert [line['n'] for line in lines] == list(range(s['first'], s['last'] + 1))
    return lines


def contiguous(segments):
    for a, b in zip(segments, segments[1:]):
        assert a['epoch'] == b['epoch'] and b['seq'] == a['seq'] + 1 and b['first'] == a['last'] + 1, (a, b)
    return segments


def report(g, name, *words):
    return {row['key']: row for row in json.loads(g.cli('report', name, *words, '--json'))['rows']}


def events(g, name):
    return [line for s in listed(g) if s['state'] == 'ready' for line in read(g, 'tracking', s) if line['ev'] == name]


def test_events_become_numbered_segments(t):
    """ST-33, ST-09: each event of a message is in one segment under one number; segments follow each other; a cut shows what happened a
    moment ago; the listed digest is that of the file; `wait` holds the answer until there is a segment."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    for i in range(3):
        assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: gr\xc3\xbcn %d\r\n\r\nx\r\n' % i)[0] == 250
    wait_for('delivery', lambda: len(re.findall('Message finished', g.log())) == 3)
    time.sleep(0.3)
    first = contiguous(listed(g, 'tracking', 'cut'))
    ready = events(g, 'message_ready')
    assert first[0]['first'] == 1 and sorted(e['mid'] for e in ready) == sorted(int(m) for m in re.findall(r'MID (\d+) ready', g.log()))
    assert [e['subject'] for e in events(g, 'message_subject')] == ['grün 0', 'grün 1', 'grün 2']
    assert len(events(g, 'message_finished')) == 3
    last = first[-1]
    begin = time.monotonic()
    assert g.cli('exports', 'list', 'tracking', str(last['epoch']), str(last['seq'] + 1), 'wait=700').strip() == ''
    assert time.monotonic() - begin > 0.6
    assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: 4\r\n\r\nx\r\n')[0] == 250
    time.sleep(0.3)
    more = g.cli('exports', 'list', 'tracking', str(last['epoch']), str(last['seq'] + 1), 'wait=5000', 'cut')
    assert json.loads(more.splitlines()[0])['seq'] == last['seq'] + 1
    assert 'another digest' in g.cli('exports', 'ack', 'MGR', 'tracking', str(last['epoch']), '1-%d' % last['seq'], '0' * 64, check=False)
    g.cli('exports', 'ack', 'MGR', 'tracking', str(last['epoch']), '1-%d' % last['seq'], last['sha256'])
    assert json.loads(g.cli('exports', 'status', 'MGR', '--json'))['exports']['tracking']['acked'] == last['seq']


def test_record_dies_and_every_event_has_one_number(t):
    """ST-33: record is killed again and again under load: the segments hold every event once, without a hole in the numbers, in one epoch."""
    sink = t.sink()
    g = t.home([RAT, 'exports.segment_ms=1000'], sink_port=sink.port)
    for round in range(4):
        for i in range(10):
            assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: x\r\n\r\nx\r\n')[0] == 250
        time.sleep(0.7 * round)
        os.kill(g.roles()[('record', 0)], signal.SIGKILL)
        wait_for('record', lambda: ('record', 0) in g.roles())
    wait_for('delivery', lambda: len(re.findall('Message finished', g.log())) == 40, 30)
    wait_for('all in segments', lambda: listed(g, 'tracking', 'cut') and len(events(g, 'message_finished')) >= 40, 30)
    contiguous(listed(g))
    for name in ('message_ready', 'message_finished', 'delivery_done'):
        mids = [e['mid'] for e in events(g, name)]
        assert len(mids) == 40 and len(set(mids)) == 40, (name, len(mids))
    assert report(g, 'mail_incoming_traffic_summary')['']['total_recipients'] == 40
    capacity = report(g, 'mail_system_capacity')['']
    assert capacity['incoming_messages'] == 40 and capacity['outgoing_messages'] == 40 and capacity['left_out'] == 0


def test_reports_count_what_happened(t):
    """central.md 13, on a gateway: figures are there at once; by key, by time, as CSV; what the logs, the sink and the counters say."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    for i in range(5):
        assert g.smtp().send('u%d@s.test' % (i % 2), ['b@rcpt.test', 'c%d@rcpt.test' % i], b'Subject: offer\r\n\r\nx\r\n')[0] == 250
    c = g.smtp()
    c.cmd('MAIL FROM:<a@s.test>')
    assert c.cmd('RCPT TO:<x@elsewhere.test>')[0] == 550
    c.close()
    wait_for('delivery', lambda: len(re.findall('Message finished', g.log())) >= 5)
    time.sleep(0.3)
    row = report(g, 'mail_incoming_traffic_summary')['']
    assert row['total_recipients'] == row['total_clean_recipients'] == 10 and row['blocked_invalid_recipient'] == 1, row
    assert report(g, 'mail_destination_domain_detail')['rcpt.test']['delivered'] == 10 == sum(len(m['rcpts']) for m in sink.messages)
    users = report(g, 'mail_users_detail')
    assert users['b@rcpt.test']['incoming_total_recipients'] == 5 and users['c3@rcpt.test']['incoming_total_clean_recipients'] == 1
    assert report(g, 'mail_env_sender_stats')['u0@s.test']['num_msgs'] == 3
    assert report(g, 'mail_subject_stats')['offer']['num_msgs'] == 5
    assert report(g, 'mail_incoming_ip_hostname_detail')['127.0.0.1']['total_accepted_connections'] == len(re.findall(r'ICID \d+ ACCEPT', g.log()))
    csv = g.cli('report', 'mail_users_detail', '--csv', 'top=1', 'range=hour').splitlines()
    assert csv[0].startswith('Begin Timestamp,End Timestamp,Begin Date,End Date,Key,incoming_total_recipients,') and len(csv) == 2
    assert re.match(r'\d{10},\d{10},\d{4}-\d\d-\d\d \d\d:\d\d GMT,\d{4}-\d\d-\d\d \d\d:\d\d GMT,b@rcpt.test,5,', csv[1]), csv[1]
    assert 'Overview: incoming mail' in g.cli('report', 'list')
    assert 'There is no report nonsense' in g.cli('report', 'nonsense', check=False)
    assert 'is no range' in g.cli('report', 'mail_users_detail', 'range=soon', check=False)
    assert report(g, 'mail_users_detail', 'range=2001-01-01..2001-02-01') == {}


def test_own_events_are_found_and_available(t):
    """A lone gateway is a manager of itself: what it received is found by `tracking` within seconds, also after record was killed, and
    `tracking availability` says that nothing is missing."""
    sink = t.sink()
    g = t.home([RAT, 'exports.segment_ms=1000'], sink_port=sink.port)
    assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: needle 1\r\n\r\nx\r\n')[0] == 250
    wait_for('tracking', lambda: 'needle 1' in g.cli('tracking', 'subject=needle', check=False), 10)
    os.kill(g.roles()[('record', 0)], signal.SIGKILL)
    wait_for('record', lambda: ('record', 0) in g.roles())
    assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: needle 2\r\n\r\nx\r\n')[0] == 250
    wait_for('tracking', lambda: 'needle 2' in g.cli('tracking', 'subject=needle', check=False), 10)

    def whole():
        a = json.loads(g.cli('tracking', 'availability', '--json'))['appliances']
        return len(a) == 1 and a[0]['gaps'] == [] and a[0]['state'] == 'OK' and a[0]['last'] > a[0]['first'] > 0
    wait_for('availability', whole, 10)
    assert re.search(r'Data from \d{4}-', g.cli('tracking', 'availability'))


def test_budget_evicts_and_says_so(t):
    """ST-33: over the budget segments go that nobody fetched: their ranges stay listed as lost, log and alert name them; at 50, 75 and 90 %
    there are warnings before. Nothing goes silently."""
    sink = t.sink()
    serial = '42BBC3D17E5B08F46D21-9B3E70C4A5D8'
    g = t.home([RAT, 'exports.max_bytes=65536', 'exports.segment_bytes=65536', 'manager.m1.serial=' + serial], sink_port=sink.port)
    rnd = random.Random(5)
    for i in range(200):
        subject = '\r\n '.join('%0120x' % rnd.getrandbits(480) for _ in range(12))
        assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: ' + subject.encode() + b'\r\n\r\nx\r\n')[0] == 250
        if i % 10 == 9:
            listed(g, 'tracking', 'cut')
    wait_for('eviction', lambda: any(s['state'] == 'lost' for s in listed(g, 'tracking', 'cut')), 30)
    segments = listed(g)
    lost = [s for s in segments if s['state'] == 'lost']
    assert lost[0]['seq'] == 1 and lost[0]['events'] == lost[0]['last'] - lost[0]['first'] + 1 and lost[0]['bytes'] == 0
    ready = [s for s in segments if s['state'] == 'ready']
    assert ready[0]['first'] == lost[-1]['last'] + 1 and ready[0]['seq'] == lost[-1]['seq'] + lost[-1].get('seqs', 1)
    assert not os.path.exists(path_of(g, 'tracking', lost[0]))
    g.wait_log(r'Exports: \d+ tracking segments with \d+ records from .* to .* were deleted before a manager fetched them', 'system_logs')
    for percent in (50, 75, 90):
        assert 'Exports: %d %% of the space is in use while data waits to be fetched' % percent in g.log('system_logs')
    assert 'were deleted before a manager fetched them' in g.cli('displayalerts')


def test_service_off_is_a_stretch_that_is_named(t):
    """central.md 5: what happens while tracking is off is not exported, and a marker says from when to when; availability names it *not
    recorded*."""
    sink = t.sink()
    g = t.home([RAT, 'exports.segment_ms=1000'], sink_port=sink.port)
    assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: before\r\n\r\nx\r\n')[0] == 250
    wait_for('the first', lambda: listed(g) and events(g, 'message_finished'), 15)
    g.cli('settings', 'set', 'tracking.enabled=no')
    time.sleep(1)
    assert 'not permitted' in g.cli('exports', 'list', 'tracking', '0', '0', check=False)
    assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: meanwhile\r\n\r\nx\r\n')[0] == 250
    wait_for('the second', lambda: len(re.findall('Message finished', g.log())) == 2)
    time.sleep(1)
    g.cli('settings', 'set', 'tracking.enabled=yes')
    time.sleep(1)
    assert g.smtp().send('a@s.test', 'b@rcpt.test', b'Subject: after\r\n\r\nx\r\n')[0] == 250
    wait_for('the third', lambda: len(events(g, 'message_finished')) == 2, 15)
    assert [e['subject'] for e in events(g, 'message_subject')] == ['before', 'after']
    mark = events(g, 'recording_paused')
    assert len(mark) == 1 and mark[0]['to_ms'] - mark[0]['from_ms'] >= 2000
    contiguous(listed(g))

    def named():
        gaps = json.loads(g.cli('tracking', 'availability', '--json'))['appliances'][0]['gaps']
        return [x['cause'] for x in gaps] == ['not recorded'] and gaps[0]['start'] == mark[0]['from_ms']
    wait_for('availability', named, 10)


def test_counters_are_equal_on_both_ends(t):
    """ST-15, ST-07, ST-08: when a quarter of an hour ends, its figures are fetched by the manager over its SSH connection; every counter of every
    report is the same on both ends. The clock of both is set to shortly before the end of a quarter."""
    sys.path.insert(0, os.path.join(TOP, 'tests', 'scenarios'))
    from pulling import Pair
    left = 60
    offset = (900 - time.time() % 900 - left) % 900
    begin = int(time.time() + offset) // 900 * 900
    os.environ['POSTERN_CLOCK_OFFSET_MS'] = str(int(offset * 1000))
    try:
        p = Pair(t)
    finally:
        del os.environ['POSTERN_CLOCK_OFFSET_MS']
    for i in range(5):
        p.mail(*['offer %d' % (k % 3) for k in range(4)])
    c = p.g.smtp()
    c.cmd('MAIL FROM:<a@s.test>')
    c.cmd('RCPT TO:<nobody@elsewhere.test>')
    c.close()
    wait_for('delivery', lambda: len([m for m in p.sink.messages if m['rcpts'] == ['b@rcpt.test']]) == 20, 60) # alerts are mail too
    span = 'range=%d..%d' % (begin, begin + 900)
    names = [r['name'] for r in json.loads(p.g.cli('report', 'list', '--json'))]
    rows = lambda h, name: sorted(json.dumps(r, sort_keys=True) for r in json.loads(h.cli('report', name, span, '--json'))['rows'])
    wait_for('the end of the quarter', lambda: rows(p.m, 'mail_incoming_traffic_summary'), left + 100)
    total = 0
    for name in names:
        assert rows(p.m, name) == rows(p.g, name), (name, rows(p.m, name), rows(p.g, name))
        total += len(rows(p.m, name))
    assert total > 8 and json.loads(rows(p.m, 'mail_incoming_traffic_summary')[0])['total_recipients'] == 20
    p.wait_smad(r'Info: TRANSFER: reporting gw \S+\.reporting\.\d+-\d+\.seg \d+ bytes')
    mine = json.loads(p.m.cli('report', 'availability', '--json'))['appliances']
    assert [a['gaps'] for a in mine if a['name'] == 'gw'] == [[]]
