"""Watching and steering through the console: the queue's commands with their questions, rates, suspend and resume, shutdown."""
import os, re, subprocess, time

from console import console
from lib import POSTERN, Smtp, wait_for


def loaded(t, n=3, **kw):
    """A gateway with n messages for each of two hosts that wait, delivery suspended."""
    g = t.home(sink_port=kw.pop('sink_port', 1), **kw)
    g.cli('suspenddel 0')
    s = Smtp(g.base + 587)
    s.cmd('EHLO x')
    for i in range(n):
        for host in ('one.test', 'two.test'):
            assert s.send('anna@sender.test', 'user%d@%s' % (i, host), b'Subject: number %d\r\n\r\nhello\r\n' % i)[0] == 250
    s.quit()
    wait_for('the queue', lambda: re.search(r'Active Recipients +%d' % (2 * n), g.cli('status')))
    return g


def test_recipients_are_chosen_by_questions(t):
    """CPQ-63: showrecipients, deleterecipients, bouncerecipients, redirectrecipients ask 1 host 2 from 3 all, then confirm; the count ends it."""
    g = loaded(t)
    c = console(t, g)
    out = c.say('showrecipients')
    assert '1. By recipient host.\r\n2. By Envelope From address.\r\n3. All.\r\n[1]> ' in out, out
    c.say('1')
    out = c.say('one.test')
    assert out.count('number ') == 3 and 'user0@one.test' in out and 'two.test' not in out, out
    c.say('deleterecipients')
    c.say('')
    out = c.say('one.test')
    assert out.endswith('Are you sure you want to delete these recipients? [Y]> '), out
    assert '3 recipients deleted.' in c.say('y'), c.all
    c.say('bouncerecipients')
    c.say('2')
    c.say('anna@sender.test')
    assert 'recipients bounced' not in c.say('n')
    c.say('redirectrecipients')
    c.say('1')
    c.say('two.test')
    c.say('127.0.0.1')
    assert re.search(r'3 recipients redirected', c.say('y')), c.all
    assert g.cli('deleterecipients all').strip() == '3 recipients deleted.'
    assert 'Invalid arguments' in g.cli('deleterecipients some', check=False)


def test_one_message(t):
    """showmessage, archivemessage (an mbox in /configuration), oldmessage, removemessage with its summary and question."""
    g = loaded(t, 1)
    c = console(t, g)
    mid = re.search(r'(\d+)', g.cli('oldmessage')).group(1)
    assert 'Subject: number 0' in c.say('showmessage ' + mid)
    assert 'saved in file %s.mbox in the configuration directory' % mid in c.say('archivemessage ' + mid)
    mbox = open(os.path.join(g.home, 'configuration', mid + '.mbox')).read()
    assert mbox.startswith('From ') and 'Subject: number 0' in mbox
    c.say('removemessage')
    assert 'A MID is a number.' in c.say('x')
    out = c.say(mid)
    assert 'Remove this message? [N]> ' in out
    c.say('y')
    assert 'does not exist' in c.say('removemessage ' + mid)
    assert g.cli('showmessage 999999', check=False).strip()


def test_hosts(t):
    """tophosts asks what to sort by, hoststatus which host; delivernow by host or all; internal destinations are hosts too."""
    g = loaded(t)
    c = console(t, g)
    assert '1. Active Recipients\r\n2. Connections Out\r\n3. Delivered Recipients\r\n4. Soft Bounced Events\r\n5. Hard Bounced Events\r\n[1]> ' in c.say('tophosts')
    assert re.search(r'\r\n +1 +one.test +3 ', c.say(''))
    c.say('hoststatus')
    assert "Host mail status for: 'two.test'" in c.say('two.test')
    assert "Host mail status for: 'the.cpq.host'" in c.say('hoststatus the.cpq.host')
    c.say('delivernow')
    c.say('2')
    assert 'Invalid arguments' in c.say('hoststatus a b c')


def test_rates_run_and_end(t):
    """rate and hostrate print a row each time, a header first; -n COUNT ends them in exec mode, Ctrl-C on a terminal."""
    g = loaded(t)
    out = g.cli('rate 1 -n 2')
    assert len(re.findall(r'(?m)^\d\d:\d\d:\d\d ', out)) == 2 and out.count('Time') == 1, out
    assert len(re.findall(r'(?m)^\d\d:\d\d:\d\d ', g.cli('hostrate one.test 1 -n 1'))) == 1
    assert len(re.findall(r'(?m)^\d\d:\d\d:\d\d ', g.cli('workqueue rate 1 -n 1'))) == 1
    assert 'Invalid arguments' in g.cli('rate 0', check=False) and 'Invalid arguments' in g.cli('rate 4000', check=False)
    c = console(t, g)
    c.type('rate 1\r')
    c.expect(r'(?s)\d\d:\d\d:\d\d .*\d\d:\d\d:\d\d .*\n')
    c.type('\x03')
    c.expect(r'> $')


def test_the_work_queue_pauses(t):
    """workqueue: PAUSE asks (fixed text) and takes a reason; the state names it; RESUME is offered then."""
    g = t.home(sink_port=1)
    c = console(t, g)
    out = c.say('workqueue')
    assert '- PAUSE - ' in out and '- RESUME - ' not in out
    assert c.say('pause').endswith('Manually pause work queue? This will only affect unprocessed messages. [N]> ')
    c.say('y')
    out = c.say('checking a filter')
    assert re.search(r'Status: +Paused: checking a filter', out) and '- RESUME - ' in out, out
    c.say('resume')
    out = c.say('')
    assert re.search(r'Status: +Operational', g.cli('workqueue'))


def test_suspend_and_resume_by_questions(t):
    """CPQ-63, CPQ-21, CPQ-22, CPQ-23, CPQ-24 (mail listeners): suspendlistener asks which and how long; status says what is stopped and
    how it resumes; the listener does not answer, then it does again; the state outlives a restart."""
    g = t.home()
    c = console(t, g)
    out = c.say('suspendlistener')
    assert '1. All\r\n2. InboundMail\r\n3. OutboundMail\r\n[1]> ' in out, out
    assert c.say('').endswith('Enter the number of seconds to wait before forcibly closing connections.\r\n[30]> ')
    assert 'Receiving suspended' in c.say('0')

    def refused(port):
        try:
            Smtp(port, timeout=3).close()
            return False
        except (ConnectionRefusedError, EOFError, OSError):
            return True
    wait_for('both listeners closed', lambda: refused(g.base + 25) and refused(g.base + 587))
    out = g.cli('status')
    assert 'Receiving suspended' in out and 'resumelistener' in out, out
    g.proc.terminate()
    g.proc.wait()
    g.err.close()
    g.proc = None
    g.err = open(os.path.join(g.dir, 'stderr'), 'ab')
    g.proc = subprocess.Popen([POSTERN, 'run', '--home', g.home], stdout=g.err, stderr=g.err, stdin=subprocess.DEVNULL, env=g.env, start_new_session=True)
    wait_for('the console', lambda: 'Receiving suspended' in g.cli('status', check=False))
    assert refused(g.base + 25)
    g.cli('resume')
    wait_for('listening again', lambda: not refused(g.base + 25) and not refused(g.base + 587))
    assert re.search(r'System status: +Online', g.cli('status'))


def test_reboot_and_shutdown(t):
    """reboot ends every role and starts anew, queued mail is there; shutdown ends the product; offline suspends."""
    g = loaded(t, 1)
    before = g.roles()
    c = console(t, g)
    assert c.say('reboot').endswith('[30]> ')
    assert 'reboot the system? [N]> ' in c.say('0')
    c.type('y\r')
    c.ended(30)
    wait_for('new roles', lambda: len(g.roles()) >= len(before) and not set(g.roles().values()) & (set(before.values()) - {g.proc.pid}), 30)
    wait_for('the queue', lambda: re.search(r'Active Recipients +2', g.cli('status', check=False)))
    g.wait_log('User admin starts the system anew')
    assert 'reset' in g.cli('resetcounters').lower()
    g.cli('offline 0')
    assert re.search(r'System status: +Offline', g.cli('status'))
    g.cli('shutdown 0')
    wait_for('the end', lambda: g.proc.poll() is not None, 30)
