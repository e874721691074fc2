"""A full disk and damaged segments: mail is refused in time, what was accepted survives, the log says what happened."""
import glob, os, re, signal, subprocess, threading, time
from disks import fill, small_disk
from lib import *

RAT = 'listener.InboundMail.rat=ALL ACCEPT'
FAST = ['bounce_profile.default.retry_first_ms=300', 'bounce_profile.default.retry_max_ms=600', 'queue.connection_failure_wait_ms=300']
SMALL = ['spool.segment_bytes=4M', 'spool.min_free_bytes=16M', 'spool.reserve_bytes=1M', 'spool.journal_bytes=1M']


def keyed(key, octets=0):
    return MESSAGE.replace(b'hello', key.encode(), 1) + (b'x' * 76 + b'\r\n') * (octets // 78)


def arrived(sink):
    return [re.search(rb'Subject: (\S+)', m['data']).group(1).decode() for m in list(sink.messages)]


class Load:
    """Clients that send until they are told to end; remembers what got 250 and every other answer."""

    def __init__(self, g, clients=3, octets=60000):
        self.g, self.octets, self.stop = g, octets, threading.Event()
        self.accepted, self.refused, self.broken = [], [], []
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(clients)]
        for th in self.threads:
            th.start()

    def run(self, n):
        c, i = None, 0
        while not self.stop.is_set():
            i += 1
            key = 'load%d-%d' % (n, i)
            try:
                if c is None:
                    c = self.g.smtp()
                code, text = c.send('a@s.test', 'b@d%d.test' % n, keyed(key, self.octets))
                if code == 250:
                    self.accepted.append(key)
                else:
                    self.refused.append((code, text))
                    c.cmd('RSET')
                    time.sleep(0.05)
            except (OSError, EOFError) as e:
                self.broken.append((key, repr(e)))
                c = None
                time.sleep(0.05)
        if c:
            c.close()

    def end(self):
        self.stop.set()
        for th in self.threads:
            th.join()


def test_disk_fills_while_mail_flows(t):
    """I3: the spool's disk is filled to the brim under load: new mail gets 452 4.3.1, accepted mail is delivered and recorded,
    the log says so; once there is space mail is taken again and nothing accepted is lost."""
    sink = t.sink()
    g = t.home([RAT] + FAST + SMALL, sink_port=sink.port, start=False)
    spool = small_disk(t, g, 60)
    g.start()
    load = Load(g)
    wait_for('some mail', lambda: len(load.accepted) >= 20)
    fill(spool + '/filler')
    wait_for('refusals', lambda: len(load.refused) >= 20)
    g.wait_log(r'Receiving stopped: only \d+ KB free on the spool disk')
    wait_for('delivery on a full disk', lambda: set(load.accepted) <= set(arrived(sink)), 20)
    before = len(load.accepted)
    os.unlink(spool + '/filler')
    wait_for('mail again', lambda: len(load.accepted) >= before + 20)
    load.end()
    g.wait_log(r'Receiving resumed: \d+ KB free on the spool disk')
    assert {c for c, text in load.refused} == {452}, load.refused[-5:]
    assert all('452 4.3.1' in text for c, text in load.refused), load.refused[-5:]
    assert len(load.broken) <= 3, load.broken  # whether it is stored could not be told (B6): at most one a client
    wait_for('all mail', lambda: set(load.accepted) <= set(arrived(sink)), 20)
    got = arrived(sink)
    doubled = {k for k in got if got.count(k) > 1}
    assert not doubled, [line for k in sorted(doubled)[:2] for mid in re.findall(r"MID (\d+) Subject '%s'" % k, g.log())
                         for line in g.log().split('\n') if 'MID %s ' % mid in line]
    log = g.log()
    assert len(re.findall('Receiving stopped:', log)) == len(re.findall('Receiving resumed:', log)) == 1
    wait_for('all recorded', lambda: len(re.findall(r'Message done DCID', g.log())) == len(got))


test_disk_fills_while_mail_flows.needs_root = True


def test_brim_and_restart(t):
    """I3: restarted on a full disk with mail in the queue: it starts, delivers, and takes mail again once there is space."""
    port = free_port()
    g = t.home([RAT] + FAST + SMALL, sink_port=port, start=False)
    spool = small_disk(t, g, 60)
    g.start()
    c = g.smtp()
    for i in range(30):
        assert c.send('a@s.test', 'b@d.test', keyed('kept-%d' % i))[0] == 250
    c.close()
    fill(spool + '/filler')
    g.stop()
    g.start()
    c = g.smtp()
    assert c.cmd('MAIL FROM:<a@s.test>')[1].startswith('452 4.3.1')
    sink = t.sink(port)
    wait_for('the queue', lambda: len(set(arrived(sink))) == 30)
    os.unlink(spool + '/filler')
    wait_for('mail again', lambda: c.send('a@s.test', 'b@d.test', keyed('last'))[0] == 250 or c.cmd('RSET')[0] == 0)
    wait_for('the last', lambda: 'last' in arrived(sink))
    assert len(arrived(sink)) == 31


test_brim_and_restart.needs_root = True


def set_setting(g, *pairs):
    g.cli('settings', 'set', *pairs)


def test_least_free_space_takes_effect_at_once(t):
    """spool.min_free_bytes above what is free: 452 4.3.1 from the next MAIL on, also in open connections; back again likewise."""
    sink = t.sink()
    g = t.home([RAT] + FAST, sink_port=sink.port)
    c = g.smtp()
    assert c.send('a@s.test', 'b@d.test', MESSAGE)[0] == 250
    set_setting(g, 'spool.min_free_bytes=1T')
    assert c.cmd('MAIL FROM:<a@s.test>') == (452, '452 4.3.1 insufficient system storage')
    g.wait_log(r'Critical: Receiving stopped: only \d+ KB free on the spool disk')
    assert c.cmd('NOOP')[0] == 250
    set_setting(g, 'spool.min_free_bytes=64M')
    assert c.send('a@s.test', 'b@d.test', MESSAGE)[0] == 250
    g.wait_log(r'Receiving resumed: \d+ KB free on the spool disk')
    set_setting(g, 'spool.min_free_percent=50', 'spool.min_free_bytes=64M')
    wait_for('two messages', lambda: len(sink.messages) == 2)


def held_mail(t, count, end=signal.SIGTERM):
    """A stopped home whose segment holds `count` messages: (home, sink port, segment path)."""
    port = free_port()
    g = t.home([RAT] + FAST, sink_port=port)
    c = g.smtp()
    for i in range(count):
        assert c.send('a@s.test', 'b@d.test', keyed('m%d' % i, 3000))[0] == 250
    c.quit()
    g.stop(end)
    for path in glob.glob(g.home + '/spool/seg/*'):
        if b'Subject: m0\r\n' in open(path, 'rb').read():
            return g, port, path
    raise AssertionError('no segment holds the mail')


def record_of(data, key):
    """Offset of the record whose body bears this subject."""
    at = data.index(b'Subject: %s\r\n' % key.encode())
    return at


def test_damaged_record_in_the_middle(t):
    """C: flipped octets in a record: it alone is lost and its sender is told, the segment is set aside
    whole, an alert says so, all others arrive."""
    g, port, path = held_mail(t, 12)
    data = open(path, 'rb').read()
    at = record_of(data, 'm5')
    with open(path, 'r+b') as f:
        f.seek(at + 200)
        f.write(bytes(b ^ 0x55 for b in data[at + 200:at + 216]))
    sink = t.sink(port)
    g.start()
    wait_for('the others', lambda: set(arrived(sink)) >= {'m%d' % i for i in range(12)} - {'m5'})
    g.wait_log(r'Critical: Spool (segment \d+ was set aside|record of MID \d+ is damaged)')
    name = os.path.basename(path)
    wait_for('the segment in aside/', lambda: glob.glob(g.home + '/spool/aside/%s*' % name))
    assert 'm5' not in arrived(sink)
    kept = open(glob.glob(g.home + '/spool/aside/%s*' % name)[0], 'rb').read()
    assert all(b'Subject: m%d\r\n' % i in kept for i in range(12))
    assert g.smtp().send('a@s.test', 'b@d.test', keyed('after'))[0] == 250
    wait_for('new mail', lambda: 'after' in arrived(sink))
    wait_for('the notice to the sender', lambda: [m for m in list(sink.messages) if m['rcpts'] == ['a@s.test']])
    assert len(arrived(sink)) == 13


def test_known_record_cut_off(t):
    """C: a segment cut inside a record that the queue knew: an alert names it, the rest arrives, mail is taken as before."""
    g, port, path = held_mail(t, 8)
    data = open(path, 'rb').read()
    os.truncate(path, record_of(data, 'm7') + 500)
    sink = t.sink(port)
    g.start()
    wait_for('the others', lambda: set(arrived(sink)) >= {'m%d' % i for i in range(7)})
    g.wait_log(r'Critical: Spool record of MID 8 is damaged')  # the queue had it: so it is more than a tail
    assert g.smtp().send('a@s.test', 'b@d.test', keyed('after'))[0] == 250
    wait_for('new mail', lambda: 'after' in arrived(sink))
    assert 'm7' not in arrived(sink)


def test_torn_tail(t):
    """C4: a segment whose last group was not whole when the power went: dropped with a line in system_logs, no alert, and
    what was answered before it arrives."""
    g, port, path = held_mail(t, 8, signal.SIGKILL)
    data = open(path, 'rb').read()
    end = max(i for i in range(0, len(data), 4096) if any(data[i:i + 4096])) + 4096
    with open(path, 'r+b') as f:        # the beginning of one more record, its body not there
        first = data[4096:8192]
        f.seek(end)
        f.write(first[:2000])
    sink = t.sink(port)
    g.start()
    wait_for('the mail', lambda: set(arrived(sink)) >= {'m%d' % i for i in range(8)})
    assert not re.search('Critical', g.log()), g.log()
    g.wait_log(r'Spool segment \d+: \d+ bytes of an unfinished group dropped at offset %d' % end, 'system_logs')
    assert g.smtp().send('a@s.test', 'b@d.test', keyed('after'))[0] == 250
    wait_for('new mail', lambda: 'after' in arrived(sink))
    assert len(arrived(sink)) == 9
