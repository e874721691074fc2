"""Kill a role at each place: every message that got 250 arrives, twice only where the next hop's answer was lost."""
import os, re, signal, threading, time
from lib import *

RAT = 'listener.InboundMail.rat=ALL ACCEPT'
FAST = ['bounce_profile.default.retry_first_ms=300', 'bounce_profile.default.retry_max_ms=600', 'queue.connection_failure_wait_ms=300']


def load(g, count, prefix, accepted, errors, stop=None):
    """Sends `count` numbered messages, a new connection whenever one breaks; remembers those that got 250."""
    c = None
    for i in range(count):
        if stop and stop.is_set():
            break
        key = '%s-%d' % (prefix, i)
        for attempt in range(60):
            try:
                if c is None:
                    c = Smtp(g.smtp_port, timeout=10)
                    c.cmd('EHLO load.test')
                code, text = c.send('a@s.test', 'b@d%d.test' % (i % 3), MESSAGE.replace(b'hello', key.encode(), 1))
                if code == 250:
                    accepted.append(key)
                    break
                c.cmd('RSET')
                time.sleep(0.1)
            except (OSError, EOFError):
                c = None
                time.sleep(0.1)
        else:
            errors.append(key)
    if c:
        c.close()


def arrived(sink):
    counts = {}
    for m in list(sink.messages):
        k = re.search(rb'Subject: (\S+)', m['data']).group(1).decode()
        counts[k] = counts.get(k, 0) + 1
    return counts


def check(g, sink, accepted, seconds=40, settle=1):
    wait_for('all accepted messages', lambda: set(accepted) <= set(arrived(sink)), seconds)
    time.sleep(settle)
    doubles = {k: n for k, n in arrived(sink).items() if n > 1 and k in accepted}
    if doubles:
        log = g.log()
        uncertain = len(re.findall(r'tried again, the answer of the remote host was lost', log))
        recovered = len(re.findall(r'recovered from the spool', log))
        assert sum(n - 1 for n in doubles.values()) <= uncertain + recovered, \
            'doubled without a log line: %r (uncertain %d, recovered %d)' % (doubles, uncertain, recovered)


def kill_role_under_load(t, role):
    sink = t.sink()
    g = t.home([RAT] + FAST, sink_port=sink.port)
    accepted, errors = [], []
    threads = [threading.Thread(target=load, args=(g, 120, '%s%d' % (role, n), accepted, errors)) for n in range(4)]
    for th in threads:
        th.start()
    for _ in range(3):
        time.sleep(0.25)
        pid = g.roles().get((role, 0))
        if pid:
            os.kill(pid, signal.SIGKILL)
    for th in threads:
        th.join()
    assert not errors, errors
    assert len(accepted) == 480
    check(g, sink, accepted)
    wait_for('the fault line', lambda: re.search(r'Critical: An application fault occurred: .*%s' % role, g.log()))


def test_receive_killed(t):
    """receive dies under load: restarted, nothing accepted is lost."""
    kill_role_under_load(t, 'receive')


def test_queue_killed(t):
    """queue dies under load."""
    kill_role_under_load(t, 'queue')


def test_scan_killed(t):
    """scan dies under load."""
    kill_role_under_load(t, 'scan')


def test_deliver_killed(t):
    """deliver dies under load."""
    kill_role_under_load(t, 'deliver')


def test_record_killed(t):
    """record dies under load: no log line lost or doubled."""
    kill_role_under_load(t, 'record')


def test_control_and_lookup_killed(t):
    """control and lookup die: mail goes on with the old settings."""
    kill_role_under_load(t, 'control')
    kill_role_under_load(t, 'lookup')


def test_everything_killed(t):
    """The whole process tree is killed at once with mail in every stage; after the restart all of it arrives."""
    port = free_port()
    g = t.home([RAT] + FAST, sink_port=port)
    accepted, errors, stop = [], [], threading.Event()
    threads = [threading.Thread(target=load, args=(g, 100, 'all%d' % n, accepted, errors)) for n in range(4)]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    g.stop(signal.SIGKILL)
    time.sleep(0.3)
    sink = t.sink(port)
    g.start()
    check(g, sink, accepted)


# Every place where a role writes, sends or takes a message on a message's way, and the passes to act on.
EARLY, LATE = ((1, 'before'), (1, 'after'), (4, 'before'), (9, 'after')), ((1, 'before'), (1, 'after'))
POINTS = {
    'receive': {'bus.send.message_stored': EARLY, 'bus.take.message_known': EARLY, 'spool.append': EARLY, 'spool.sync': EARLY,
                'event.write': EARLY, 'spool.make': LATE, 'spool.header': LATE, 'event.open': LATE},
    'queue': {'bus.take.message_stored': EARLY, 'bus.send.message_known': EARLY, 'bus.send.scan_work': EARLY,
              'bus.take.scan_verdict': EARLY, 'bus.send.deliver_work': EARLY, 'bus.take.deliver_done': EARLY, 'journal.write': EARLY,
              'journal.sync': EARLY, 'event.write': EARLY, 'journal.open': LATE, 'queue.numbers': LATE},
    'scan': {'bus.take.scan_work': EARLY, 'bus.send.scan_verdict': EARLY, 'event.write': EARLY},
    'deliver': {'bus.take.deliver_work': EARLY, 'bus.send.deliver_done': EARLY, 'event.write': EARLY},
    'record': {'log.write': EARLY, 'record.state': LATE, 'record.sync': LATE},
    'control': {'bus.send.conf_snapshot': LATE},
}
# Disk faults on the way of a message: an answer of the 4xx kind, and nothing accepted is lost.
DISK = {'receive': ['spool.append', 'spool.sync', 'spool.make', 'event.write'], 'queue': ['journal.write', 'journal.sync', 'event.write'],
        'record': ['log.write', 'record.state']}


def one_fault(role, point, n, action, messages=24):
    """A gateway with this fault under load from four clients; returns whether the point was reached."""
    sink = Sink()
    g = Home([RAT] + FAST, sink_port=sink.port, start=False)
    mark = os.path.join(g.dir, 'fault')
    try:
        g.start(env={'POSTERN_FAULT': '%s:%s:%d:%s' % (role, point, n, action), 'POSTERN_FAULT_LOG': mark, 'POSTERN_FAULT_ONCE': '1'})
        accepted, errors = [], []
        threads = [threading.Thread(target=load, args=(g, messages // 4, 'f%d' % k, accepted, errors)) for k in range(4)]
        for th in threads:
            th.start()
        for th in threads:
            th.join()
        assert not errors, errors
        check(g, sink, accepted, settle=0.2)
        return os.path.exists(mark)
    except AssertionError as e:
        raise AssertionError('%s %s pass %d of %s: %s\n%s' % (role, action, n, point, e, g.log()[-2500:]))
    finally:
        g.close()
        sink.close()


def walk(faults):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda f: (f, one_fault(*f)), faults))
    missed = ['%s:%s:%d:%s' % f for f, reached in results if not reached]
    print('  (%d faults acted%s)' % (len(results) - len(missed), ', not reached: ' + ' '.join(missed) if missed else ''))
    return len(results) - len(missed)


def test_killed_at_each_point(t):
    """J: each role is killed before and after each of its writes and bus messages; nothing accepted is lost, nothing doubled
    without a log line."""
    faults = [(role, point, n, 'kill-' + when) for role, points in POINTS.items() for point, passes in points.items() for n, when in passes]
    assert walk(faults) >= 0.85 * len(faults)


def test_disk_faults_at_each_write(t):
    """A write or sync that fails (no space, I/O error, short write) at each place: 4xx at worst, nothing accepted is lost."""
    faults = [(role, point, n, action) for role, points in DISK.items() for point in points for action in ('enospc', 'eio', 'short') for n in (1, 5)]
    assert walk(faults) >= 0.7 * len(faults)
