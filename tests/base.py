"""What all of tests/ stands on: where things are, ports of this process, waiting."""
import os, re, socket, threading, time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('POSTERN_BUILD', os.path.join(TOP, 'build'))
POSTERN = os.path.join(BUILD, 'postern')
# Homes of processes that run side by side lie so that no two ports of theirs can meet: the differences of these residues are
# not among those of the offsets a home uses (22, 25, 80 ... 7025).
STEP, RESIDUES = 100, (0, 2, 13, 27, 29)
_ports = {'first': int(os.environ.get('POSTERN_TEST_BASE', '10000')), 'next': os.getpid() % 90}
_base_lock = threading.Lock()


def use_ports(process):
    """This is the process with that number, from 0, of those that run scenarios side by side."""
    _ports['first'] += RESIDUES[process]


def ports_free(base):
    for p in (base + n for n in (21, 22, 25, 80, 161, 443, 587, 628, 4431, 6025, 6080, 6443, 7025)):
        s = socket.socket()
        try:
            s.bind(('127.0.0.1', p))
        except OSError:
            return False
        finally:
            s.close()
    return True


def free_base():
    """A base for a home: below the ports the system gives to outgoing connections, 100 apart, so that the ports of two homes
    (base + 22, 25, 80 ...) rarely meet; that they do not is looked at."""
    with _base_lock:
        while True:
            base = _ports['first'] + _ports['next'] * STEP % 9000
            _ports['next'] += 1
            if ports_free(base):
                return base


def free_port():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    p = s.getsockname()[1]
    s.close()
    return p


def wait_for(what, cond, seconds=15.0):
    """Polls cond() until it is true; returns its value, fails with `what` after the time."""
    end = time.monotonic() + seconds
    while True:
        v = cond()
        if v:
            return v
        if time.monotonic() > end:
            raise AssertionError('waited %gs for %s' % (seconds, what))
        time.sleep(0.02)


def child_of(parent, name):
    """Pid of the child of this process whose program is called so, 0 when there is none."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            m = re.match(r'\d+ \((.*)\) (\S) (\d+)', open('/proc/%s/stat' % pid).read())
        except OSError:
            continue
        if m and m.group(1) == name and m.group(2) != 'Z' and int(m.group(3)) == parent:
            return int(pid)
    return 0
