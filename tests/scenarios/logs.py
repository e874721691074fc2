"""Logs as an operator meets them: subscriptions, files, searching, alerts by mail."""
import os, re, signal, subprocess, time
from lib import *

DEFAULTS = ('amp amparchive antispam antivirus asarchive authentication avarchive bounces cli_logs encryption error_logs euq_logs euqgui_logs '
            'gui_logs mail_logs status ftpd_logs reportd_logs reportqueryd_logs scanning slbld_logs smartlicense sntpd_logs system_logs '
            'trackerd_logs updater_logs upgrade_logs').split()
RAT = 'listener.InboundMail.rat=ALL ACCEPT'
FRAMED = ['antivirus', 'authentication', 'error_logs', 'mail_logs', 'slbld_logs', 'system_logs']


def files(g, name):
    return sorted(os.listdir(os.path.join(g.home, 'log', name)))


def send_one(g, subject=b'Minutes of Monday', sender='anna@sender.test'):
    s = g.smtp()
    assert s.send(sender, 'bob@rcpt.test', b'Subject: ' + subject + b'\r\n\r\nhello\r\n')[0] == 250
    s.quit()


def test_default_subscriptions_are_there_from_the_start(t):
    """logs.md 3, 12: all default subscriptions exist, are items of the settings, and the framed ones begin with their three lines."""
    g = t.home()
    g.wait_log('System is coming up')
    assert sorted(os.listdir(os.path.join(g.home, 'log'))) == sorted(DEFAULTS)
    shown = g.cli('settings', 'show', 'log')
    for name in DEFAULTS:
        assert 'log.%s.' % name in shown, name
        text = g.log(name)
        framed = re.match(r'\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} Info: Begin Logfile\n.{24} Info: Version: 15\.5\.0-048 SN: \S{20,33}\n'
                          r'.{24} Info: Time offset from UTC: -?\d+ seconds\n', text)
        assert bool(framed) == (name in FRAMED), (name, text[:300])
    assert files(g, 'mail_logs') == ['mail.current'] and files(g, 'bounces') == ['bounces.text.current']


def test_subscriptions_are_changed_while_running(t):
    """logs.md 12, 13: a new subscription of any type is written at once under its own stem, a removed one is written no more."""
    g = t.home()
    g.wait_log('System is coming up')
    g.cli('settings', 'set', 'log.audit_logs.type=audit', 'log.audit_logs.file=trail', '-log.gui_logs')
    wait_for('the new file', lambda: os.path.exists(os.path.join(g.home, 'log/audit_logs/trail.current')))
    g.cli('version')
    g.wait_log('admin.*version', 'audit_logs')
    g.wait_log('admin.*version', 'cli_logs')
    assert 'log.gui_logs' not in g.cli('settings', 'show', 'log')


def test_roll_over_by_name_number_and_all(t):
    """cli.md 8, logs.md 13: rollovernow renames to STEM.@TIME.s, the open file begins anew, the oldest beyond max_files go; a
    log without a line stays as it is."""
    g = t.home(settings=['log.mail_logs.max_files=2'])
    g.wait_log('System is coming up')
    g.cli('rollovernow', 'mail_logs')
    first = files(g, 'mail_logs')
    assert len(first) == 2 and re.fullmatch(r'mail\.@\d{8}T\d{6}\.s', first[0]) and first[1] == 'mail.current', first
    saved = open(os.path.join(g.home, 'log/mail_logs', first[0])).read()
    assert saved.endswith('Info: End Logfile\n') and saved.count('Begin Logfile') == 1
    g.cli('rollovernow', '16') # mail_logs is the sixteenth
    assert len(files(g, 'mail_logs')) == 3
    g.cli('rollovernow', 'all')
    g.cli('rollovernow', 'All Logs')
    left = files(g, 'mail_logs')
    assert len(left) == 3 and first[0] not in left, left
    assert [f for f in files(g, 'amp') if f.endswith('.s')] == []
    assert 'no log named' in g.cli('rollovernow', 'nowhere', check=False).lower()


def test_searching_the_logs(t):
    """cli.md 8, logs.md 14: grep takes expression and log in either order, over saved files too; nothing found is no output and
    status 0; findevent lists messages and shows all lines of one."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    send_one(g)
    g.wait_log('Message finished')
    g.cli('rollovernow', 'mail_logs')
    send_one(g, b"Anna's invoice", 'otto@sender.test')
    wait_for('both', lambda: g.log().count('Message finished') == 2)
    one, other = g.cli('grep', 'Start MID', 'mail_logs'), g.cli('grep', 'mail_logs', 'Start MID')
    assert one == other and [re.search(r'Start MID (\d+)', x).group(1) for x in one.splitlines()] == ['1', '2'], one
    assert g.cli('grep', '-c', '-i', 'START mid [0-9]+ icid', 'mail_logs').strip() == '2'
    assert g.cli('grep', 'nowhere to be found', 'mail_logs') == ''
    assert re.fullmatch(r'MID 1 \(.{24}\) Minutes of Monday\nMID 2 \(.{24}\) Anna\'s invoice\n', g.cli('findevent', '-s', 'n', 'mail_logs'))
    assert re.fullmatch(r'MID 2 \(.{24}\) <otto@sender\.test>\n', g.cli('findevent', '-i', '-f', 'OTTO', 'mail_logs'))
    story = g.cli('findevent', '-m', '1', 'mail_logs')
    for part in ('New SMTP ICID', 'ACCEPT SG|RELAY SG', 'Start MID 1 ', 'Subject', 'New SMTP DCID', 'Delivery start', 'Response', 'Message finished MID 1 done'):
        assert re.search(part, story), (part, story)
    assert 'MID 2 ' not in story and not re.search(r'(?m) $', story)


def test_tail_follows_a_roll_over(t):
    """cli.md 8: tail shows the last lines and goes on with the next file; a new line is shown within a second of being written."""
    g = t.home([RAT])
    g.wait_log('System is coming up')
    p = subprocess.Popen([POSTERN, 'cli', '--home', g.home, 'tail', 'mail_logs'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         stdin=subprocess.PIPE, env=g.env)
    try:
        seen = bytearray()
        os.set_blocking(p.stdout.fileno(), False)

        def shows(text):
            seen.extend(p.stdout.read() or b'')
            return text in seen
        wait_for('the last lines', lambda: shows(b'System is coming up'))
        g.cli('rollovernow', 'mail_logs')
        wait_for('the end of the old file', lambda: shows(b'End Logfile'))
        send_one(g)
        g.wait_log('Start MID 1 ')
        wait_for('the new line', lambda: shows(b'Start MID 1 '), 1.5)
    finally:
        p.kill()
        p.wait()
        p.stdout.close()
        p.stdin.close()


def test_an_alert_arrives_by_mail(t):
    """CPQ-47, logs.md 9: a part that dies is an application fault in the log and a mail to those who asked for such alerts; a
    repeat is held back; displayalerts shows both."""
    sink = t.sink()
    g = t.home(sink_port=sink.port, settings=['alert[ops@alerts.test].severity=critical', 'system.hostname=mx.test'])
    scan = g.roles()[('scan', 0)]
    os.kill(scan, signal.SIGKILL)
    g.wait_log(r'Critical: An application fault occurred: .*scan', 'mail_logs')
    g.wait_log(r'Critical: An application fault occurred: .*scan', 'error_logs')
    wait_for('the mail', lambda: [m for m in sink.messages if 'ops@alerts.test' in m['rcpts']])
    mail = [m for m in sink.messages if 'ops@alerts.test' in m['rcpts']][0]
    assert re.search(rb'(?m)^Subject: Critical <System> mx\.test: An application fault occurred: ', mail['data']), mail
    g.wait_log(r'A System/Critical alert was sent to ops@alerts\.test with subject "Critical <System> mx\.test: An application fault')
    assert 'An application fault occurred' in g.cli('displayalerts')


def test_one_consolidated_line_a_message(t):
    """logs.md 11: a subscription of consolidated events gets one CEF line for each message at its end, keys in their order; killed in
    between, record still writes the line whole."""
    sink = t.sink()
    g = t.home([RAT, 'log.consolidated_event.type=consolidated_event'], sink_port=sink.port)
    g.cli('suspenddel', '0')
    send_one(g, b"It's = here")
    g.wait_log('queued for delivery')
    time.sleep(1.1)                                   # a state is saved once a second
    os.kill(g.roles()[('record', 0)], signal.SIGKILL)
    g.cli('resumedel')
    line = wait_for('the line', lambda: g.log('consolidated_event')).rstrip('\n')
    assert re.fullmatch(r'\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}: CEF:0\|Cisco\|C100V Email Security Virtual Appliance\|15\.5\.0-048\|'
                        r'ESA_CONSOLIDATED_LOG_EVENT\|Consolidated Log Event\|5\|deviceExternalId=\S+ ESAMID=1 ESAICID=\d+ ESADCID=\d+ '
                        r'ESAAMPVerdict=NOT_EVALUATED .*', line), line
    for part in ('deviceInboundInterface=InboundMail deviceDirection=0 ESAMailFlowPolicy=ACCEPT suser=anna@sender.test cs1Label=MailPolicy',
                 ' act=DELIVERED ', ' duser=bob@rcpt.test ESAHeloDomain=client.test ESAHeloIP=127.0.0.1 ', ' msg="It\'s \\= here"'):
        assert part in line, (part, line)
