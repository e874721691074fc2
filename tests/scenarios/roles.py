"""Master and the roles: restarts, status, start and stop, one master a home, several homes."""
import os, re, signal, subprocess, time
from lib import *

ROLES = ['control', 'receive', 'queue', 'scan', 'deliver', 'lookup', 'record']


def postern(g, *words):
    r = subprocess.run([POSTERN, *words, '--home', g.home], capture_output=True, text=True, env=g.env, timeout=60)
    return r.returncode, r.stdout + r.stderr


def line(g, role, index=0):
    """(pid, state, restarts) of a role in `postern status`."""
    m = re.search(r'(?m)^%s +%d +(\d+) +(\w+) +(\d+) ' % (role, index), postern(g, 'status')[1])
    return (int(m.group(1)), m.group(2), int(m.group(3))) if m else (0, '', 0)


def alive(pid):
    try:
        return open('/proc/%d/stat' % pid).read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def runs_anew(now, former_pid):
    """One look at the state, judged whole."""
    return now[1] == 'running' and now[0] != former_pid and now


def test_each_role_comes_back(t):
    """HD-07: a role that is killed runs again within a second, its restart is counted, mail is still taken."""
    g = t.home()
    wait_for('every role', lambda: all(line(g, r)[1] == 'running' for r in ROLES))
    for role in ROLES:
        before = wait_for(role, lambda: line(g, role)[1] == 'running' and line(g, role))
        os.kill(before[0], signal.SIGKILL)
        after = wait_for(role + ' to run again', lambda: runs_anew(line(g, role), before[0]), 10)
        assert after[2] == before[2] + 1, after
        others = [r for r in ROLES if r != role]
        states = {r: line(g, r) for r in others}
        assert all(s[1] == 'running' for s in states.values()), (role, states)
        with_port = g.smtp()
        with_port.quit()


def test_a_role_that_dies_again_and_again_is_restarted_more_slowly(t):
    """A role that dies right after its start waits twice as long each time."""
    g = t.home()
    for n in range(3):
        pid = wait_for('scan', lambda: line(g, 'scan')[1] == 'running' and line(g, 'scan')[2] == n and line(g, 'scan')[0], 5)
        os.kill(pid, signal.SIGKILL)
    wait_for('the last restart', lambda: line(g, 'scan')[1:] == ('running', 3), 5)
    waits = [int(w) for w in re.findall(r'scan 0 .* restart in (\d+) ms', g.stderr())]
    assert waits == [100, 200, 400], waits


def test_sigterm_ends_everything(t):
    """`postern run` ends with 0 at SIGTERM and leaves no process and no open port behind."""
    g = t.home()
    pids = g.roles().values()
    assert len(pids) >= 8, g.roles()
    assert g.stop() == 0
    assert not any(alive(p) for p in pids)
    try:
        Smtp(g.smtp_port)
        raise AssertionError('the port still answers')
    except OSError:
        pass
    rc, text = postern(g, 'status')
    assert rc == 1 and 'not running' in text


def test_roles_end_with_their_master(t):
    """A master that is killed takes its roles with it; the next one starts at once."""
    g = t.home()
    pids = list(g.roles().values())
    os.kill(g.proc.pid, signal.SIGKILL)
    g.proc.wait()
    wait_for('the roles to end', lambda: not any(alive(p) for p in pids), 5)
    g.start()
    wait_for('record', lambda: line(g, 'record')[1] == 'running')


def test_one_master_a_home(t):
    """A second master on the same home is refused and does no harm to the first."""
    g = t.home()
    before = g.roles()
    for how in ('run', 'start'):
        rc, text = postern(g, how)
        assert rc == 1 and 'already running' in text, (rc, text)
    assert g.roles() == before


def test_start_status_stop(t):
    """`postern start` returns when everything runs and says where it listens; `stop` ends it."""
    g = t.home(start=False)
    rc, text = postern(g, 'start')
    try:
        assert rc == 0 and 'port %d' % g.smtp_port in text, (rc, text)
        g.smtp().quit()
        rc, text = postern(g, 'status')
        assert rc == 0 and all(line(g, r)[1] == 'running' for r in ROLES), text
    finally:
        rc, text = postern(g, 'stop')
    assert rc == 0, text
    assert postern(g, 'status')[0] == 1
    assert postern(g, 'stop')[0] == 1


def test_homes_side_by_side(t):
    """Two homes run at once and know nothing of each other."""
    a, b = t.home(), t.home()
    a.smtp().quit()
    b.smtp().quit()
    assert not set(a.roles().values()) & set(b.roles().values())
    a.stop()
    b.smtp().quit()


def test_a_taken_port_is_told_and_tried_again(t):
    """A listening port that is taken does not stop the rest; it is bound once it is free."""
    g = t.home(start=False)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('127.0.0.1', g.smtp_port))
    s.listen()
    rc, text = postern(g, 'start')
    try:
        assert rc == 1 and 'Address already in use' in text, (rc, text)
        s.close()

        def up():
            try:
                g.smtp().quit()
                return True
            except (OSError, EOFError):
                return False
        wait_for('the port', up, 10)
    finally:
        postern(g, 'stop')
