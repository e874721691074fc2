"""logconfig: subscriptions, how they leave this machine, headers, host keys, audit logs; by dialogue and in batch form."""
import os, re, socket, subprocess

from console import console, run, ok
from lib import MESSAGE, wait_for

HEAD = 'Currently configured logs:\nLog Name  Log Type  Retrieval  Interval\n-----'
OPERATIONS = ['NEW', 'EDIT', 'DELETE', 'SETUP', 'LOGHEADERS', 'HOSTKEYCONFIG', 'AUDITLOGCONFIG']


class Receiver:
    """A syslog server that keeps what comes by UDP."""

    def __init__(self, t):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(('127.0.0.1', 0))
        self.s.setblocking(False)
        self.port, self.lines = self.s.getsockname()[1], []
        t.things.append(self)

    def take(self):
        while True:
            try:
                self.lines.append(self.s.recv(65536).decode('utf-8', 'replace'))
            except BlockingIOError:
                return self.lines

    def close(self):
        self.s.close()


def test_the_table_of_logs(t):
    """logconfig prints the fixed lines and a row for each subscription, and offers its seven operations; Ctrl-C leaves all as it was."""
    g = t.home(['user.op.role=operator', 'user.see.role=read_only_operator', 'user.gast.role=guest'])
    c = console(t, g, '--user', 'op')
    out = c.say('logconfig').replace('\r\n', '\n')
    assert HEAD in out and '\n1. amp  AMP Engine Logs  Manual Download  None\n' in out, out
    assert re.search(r'\n\d+\. mail_logs  Text Mail Logs  Manual Download  None\n', out), out
    assert 'Choose the operation you want to perform:\n' in out and re.findall(r'(?m)^- (\S+) - ', out) == OPERATIONS and out.endswith('[]> ')
    assert 'is not an operation listed here' in c.say('nosuch')
    c.say('edit')
    assert 'nosuch' in c.say('nosuch') and 'does not exist' in c.all
    c.say('mail_logs')
    c.say('4')
    c.type('\x03')
    c.expect(r'\^C\r\n.*> $')
    assert 'There is no data to commit.' in c.say('commit')
    assert run(g, 'logconfig print', user='gast')[1].startswith('Unknown command')
    rc, out = run(g, 'logconfig edit mail_logs level=debug; commit x', user='see')
    assert rc == 1 and 'Unknown command or missing feature key: commit' in out, out


def test_a_syslog_push_set_up_by_the_dialogue(t):
    """FW-40: a subscription made by answers alone sends its lines to a syslog server."""
    sink, r = t.sink(), Receiver(t)
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT'], sink_port=sink.port)
    c = console(t, g)
    c.say('logconfig')
    out = c.say('new').replace('\r\n', '\n')
    assert 'Choose the log file type for this subscription:\n1. Text Mail Logs\n2. Bounce Logs\n' in out and out.endswith('[1]> '), out
    assert 'number between 1 and' in c.say('99')
    assert c.say('').endswith('Please enter the name for the log:\r\n[]> ')
    assert 'exists already' in c.say('mail_logs')
    assert 'letters, digits' in c.say('../x')
    out = c.say('pushed_mail').replace('\r\n', '\n')
    assert out.endswith('1. Critical\n2. Warning\n3. Information\n4. Debug\n5. Trace\n[3]> '), out
    out = c.say('').replace('\r\n', '\n')
    assert out.endswith('1. Manual Download\n2. FTP Push\n3. SCP Push\n4. Syslog Push\n[1]> '), out
    assert 'number between' in c.say('5')
    assert c.say('4').endswith('[]> ')
    assert 'is no host name' in c.say('not a host')
    assert c.say('127.0.0.1').endswith('[514]> ')
    assert 'number from 1 to 65535' in c.say('0')
    out = c.say(str(r.port)).replace('\r\n', '\n')
    assert out.endswith('1. UDP\n2. TCP\n[1]> '), out
    out = c.say('')
    assert 'facility' in out and out.endswith('[21]> '), out
    assert 'tag' in c.say('local7')
    assert 'syslog header' in c.say('mailtag')
    assert c.say('y').endswith('Enter the filename for the log:\r\n[pushed_mail]> ')
    assert 'letters, digits' in c.say('a/b')
    assert 'maximum file size' in c.say('pm')
    assert 'not a number' in c.say('large') or 'not' in c.all
    assert c.say('20M').endswith('[10]> ')
    assert c.say('12').endswith('[none]> ')
    assert 'sometimes' in c.say('sometimes')
    out = c.say('daily 03:00').replace('\r\n', '\n')
    assert re.search(r'\n\d+\. pushed_mail  Text Mail Logs  Syslog Push  daily 03:00\n', out), out
    c.say('', r'> $')
    assert 'Changes committed' in c.say('commit "a log is pushed"')
    assert re.search(r'(?s)file=pm.*size=20M.*rollover=daily 03:00.*max_files=12', g.cli('settings show log.pushed_mail'))
    s = g.smtp()
    assert s.send('a@example.com', 'b@example.com', MESSAGE)[0] == 250
    s.quit()
    wait_for('the lines', lambda: [l for l in r.take() if 'Message finished' in l or ' ready ' in l])
    line = [l for l in r.lines if 'MID' in l][0]
    assert re.match(r'<190>\w{3} [ \d]\d [\d:]{8} \S+ mailtag: Info: ', line), line


def test_what_ftp_and_tls_ask(t):
    """FTP Push asks server, port 21, user, passphrase (twice, not shown) and directory; syslog over TLS moves to port 6514; EDIT offers what is there."""
    g = t.home()
    c = console(t, g)
    c.say('logconfig')
    c.say('edit')
    c.say('status')
    c.say('')
    assert c.say('2').endswith('[]> ')
    assert 'A value is needed.' in c.say('') or 'is no host name' in c.all
    assert c.say('ftp.example.com').endswith('[21]> ')
    c.say('')
    c.say('loguser')
    c.say('geheim99')
    assert 'differ' in c.say('another')
    c.say('geheim99')
    c.say('geheim99')
    c.say('in/logs')
    out = c.say('2')
    assert 'geheim' not in c.all and out.endswith('[status]> '), out
    for _ in range(4):
        out = c.say('')
    assert '. status  Status Logs  FTP Push  None' in out, out
    c.say('edit')
    c.say('system_logs')
    c.say('')
    c.say('4')
    c.say('192.0.2.1')
    c.say('')
    c.say('2')
    assert c.say('').endswith('[N]> ')
    c.say('y')
    for _ in range(7):
        out = c.say('')
    assert '. system_logs  System Logs  Syslog Push  None' in out, out
    c.say('edit')
    c.say('system_logs')
    assert c.say('').endswith('4. Syslog Push\r\n[4]> ')
    assert c.say('').endswith('[192.0.2.1]> ')
    assert c.say('').endswith('[6514]> ')
    c.type('\x03')
    c.expect(r'\^C\r\n.*> $')
    assert 'There is no data to commit.' in c.say('commit'), 'Ctrl-C drops the whole dialogue'
    rc, out = run(g, 'logconfig edit status retrieval=ftp; commit x')
    assert rc == 1 and 'log.status.host: a log that is pushed needs a server' in out, out


def test_logs_in_batch_form(t):
    """new, edit, print and delete on one line; bad words change nothing; secrets are no arguments."""
    g = t.home()
    out = ok(g, 'logconfig new tcp_mail "Text Mail Logs" retrieval=syslog host=192.0.2.1 protocol=tls level=debug; logconfig print; '
                'logconfig edit tcp_mail rollover=2h30m; logconfig print tcp_mail; commit "batch"')
    assert re.search(r'(?m)^\d+\. tcp_mail  Text Mail Logs  Syslog Push  None$', out) and 'rollover: 2h30m\n' in out and 'port: 0\n' in out, out
    assert re.search(r'(?m)^\d+\. tcp_mail  Text Mail Logs  Syslog Push  2h30m$', ok(g, 'logconfig print'))
    for bad in ('logconfig new', 'logconfig new only_name', 'logconfig new x nosuch', 'logconfig new mail_logs mail', 'logconfig new ../x mail',
                'logconfig new x mail nosuch=1', 'logconfig new x mail level=loud', 'logconfig edit nosuch level=debug', 'logconfig edit mail_logs',
                'logconfig delete nosuch', 'logconfig nosuch', 'logconfig print nosuch', 'logconfig edit mail_logs password=geheim77',
                'logconfig logheaders "a b"', 'logconfig auditlogconfig perhaps', 'logconfig setup measure_every=0'):
        rc, out = run(g, bad + '; commit x')
        assert rc == 1 and 'Changes committed' not in out, (bad, out)
    run(g, 'settings set "log.mail_logs.password=geheim88"')
    g.wait_log(r'password=\*{8}', 'cli_logs')
    assert 'geheim' not in g.log('cli_logs')
    ok(g, 'logconfig new ours cli; logconfig delete ours; logconfig delete tcp_mail; commit "gone"')
    assert 'tcp_mail' not in ok(g, 'logconfig print')
    rc, out = run(g, 'logconfig edit mail_logs rollover=sometimes; commit x')
    assert rc == 1 and 'rollover' in out, out


def test_setup_and_headers(t):
    """SETUP asks for the measurement frequency, Message-ID headers, remote responses and subjects first; LOGHEADERS names headers that are logged."""
    sink = t.sink()
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT'], sink_port=sink.port)
    c = console(t, g)
    c.say('logconfig')
    assert c.say('setup').endswith('System measurement frequency (in seconds):\r\n[60]> ')
    assert 'number from 1 to 86400' in c.say('0')
    assert c.say('30').endswith('Log Message-ID headers in the mail logs? [Y]> ')
    assert c.say('n').endswith('Log remote response text? [Y]> ')
    assert c.say('').endswith('Log the original subject header of each message? [Y]> ')
    out = c.say('')
    while 'Choose the operation' not in out:
        out = c.say('')
    assert c.say('logheaders').endswith('[None]> ')
    assert 'is no name of a header' in c.say('X Y')
    c.say('X-Mailer, List-Id')
    c.say('', r'> $')
    assert 'Changes committed' in c.say('commit "setup"')
    shown = g.cli('settings show logs')
    assert 'logs.measure_every=30' in shown and 'logs.message_id=no' in shown and 'logs.headers=X-Mailer,List-Id' in shown, shown
    s = g.smtp()
    assert s.send('a@example.com', 'b@example.com', b'X-Mailer: try 7\r\n' + MESSAGE)[0] == 250
    s.quit()
    g.wait_log(r"Message done .*\('x-mailer', 'try 7'\)")
    ok(g, 'logconfig logheaders none; logconfig setup dialect=classic; commit y')
    assert 'logs.dialect=classic' in g.cli('settings show logs') and 'X-Mailer' not in g.cli('settings show logs')


def test_scp_shows_its_key_and_host_keys_are_kept(t):
    """SCP Push prints the public key to install; HOSTKEYCONFIG keeps, lists and removes host keys and refuses what is none."""
    g = t.home()
    c = console(t, g)
    c.say('logconfig')
    c.say('new')
    c.say('')
    c.say('by_scp')
    c.say('')
    c.say('3')
    assert c.say('logs.example.com').endswith('[22]> ')
    c.say('')
    c.say('loguser')
    c.say('/var/in')
    out = c.say('')
    key = re.search(r'\r\n(ssh-ed25519 [A-Za-z0-9+/=]{68} \S+)\r\n', out)
    assert 'authorized_keys' in out and key, out
    private = os.path.join(g.home, 'keys/log_push_key')
    made = subprocess.run(['ssh-keygen', '-y', '-f', private], capture_output=True, text=True).stdout
    assert made.split()[:2] == key.group(1).split()[:2] and os.stat(private).st_mode & 0o777 == 0o600
    for _ in range(4):
        out = c.say('')
    assert '. by_scp  Text Mail Logs  SCP Push  None' in out, out
    assert 'There are no host keys.' in c.say('hostkeyconfig')
    c.say('new')
    c.say('logs.example.com')
    assert 'public SSH host key' in c.say('2222')
    assert 'That is no host key' in c.say('ssh-ed25519 AAAA')
    assert '1. [logs.example.com]:2222 ssh-ed25519 ...' in c.say(' '.join(key.group(1).split()[:2]))
    assert 'No server has offered' in c.say('scan')
    c.say('')
    c.say('', r'> $')
    assert 'Changes committed' in c.say('commit "scp"')
    line = '[logs.example.com]:2222 ' + ' '.join(key.group(1).split()[:2])
    assert ok(g, 'logconfig hostkeyconfig print') == line + '\n'
    assert ok(g, 'logconfig hostkeyconfig user') == key.group(1) + '\n'
    ok(g, 'logconfig hostkeyconfig new 192.0.2.9 22 %s; logconfig hostkeyconfig delete 1; commit z' % key.group(1))
    assert ok(g, 'logconfig hostkeyconfig print').startswith('192.0.2.9 ssh-ed25519 ')
    for bad in ('new 192.0.2.9', 'new 192.0.2.9 22 ssh-rsa AAAA', 'delete 7', 'scan 1', 'nosuch'):
        assert run(g, 'logconfig hostkeyconfig ' + bad)[0] == 1, bad
    wait_for('role push', lambda: 'by_scp' in run(g, 'logpush')[1])
    assert ok(g, 'logconfig hostkeyconfig user') == key.group(1) + '\n', 'role push took another key'


def test_audit_log(t):
    """AUDITLOGCONFIG makes and removes the audit log, by question and in batch form."""
    g = t.home()
    assert ok(g, 'logconfig auditlogconfig status') == 'Audit logging is disabled.\n'
    c = console(t, g)
    c.say('logconfig')
    assert c.say('auditlogconfig').endswith('Do you want to keep an audit log? [N]> ')
    assert 'yes or no' in c.say('perhaps')
    c.say('y')
    assert '. audit_logs  Audit Logs  Manual Download  None' in c.say('').replace('\r', '')
    c.say('', r'> $')
    assert 'Changes committed' in c.say('commit "audit"')
    g.cli('whoami')
    g.wait_log('whoami', 'audit_logs')
    ok(g, 'logconfig auditlogconfig disable; commit x')
    assert 'disabled' in ok(g, 'logconfig auditlogconfig status')
