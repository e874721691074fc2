"""A new operator with nothing but `postern init`, ssh and the console's own help."""
import os, re, socket, subprocess

from console import Terminal
from lib import MESSAGE, Smtp, free_port, wait_for


def test_from_init_to_a_working_gateway(t):
    """FW-02, FW-06, FW-40, CPQ-20: first login with the printed passphrase changes it; then, by dialogues over ssh alone: host
    name, a public listener for example.org and its route, a user, a syslog push, a saved configuration; mail flows, lines
    arrive, the other user logs in and sees no more than his role."""
    sink = t.sink()
    g = t.home()
    admin = re.search(r'login: admin  passphrase: (\S+)', g.init_output).group(1)
    g.cli('settings', 'set', 'user.admin.must_change=yes')
    syslog = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    syslog.bind(('127.0.0.1', 0))
    syslog.settimeout(15)
    port = free_port()

    def login(user, passphrase):
        c = Terminal(['ssh', '-q', '-p', str(g.base + 22), '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
                      '-o', 'PreferredAuthentications=password', '-o', 'NumberOfPasswordPrompts=1', user + '@127.0.0.1'])
        t.things.append(c)
        c.expect('assword: ?$')
        c.type(passphrase + '\r')
        return c

    c = login('admin', admin)
    c.expect('Old password: $')
    c.type(admin + '\r')
    c.expect('New password: $')
    c.type('first real one 7\r')
    c.expect('Retype new password: $')
    c.type('first real one 7\r')
    c.expect('> $')
    assert 'listenerconfig' in c.say('help')
    assert 'Usage: ' in c.say('help listenerconfig')
    c.say('sethostname esa1.example.org')
    # a listener of his own
    c.say('listenerconfig')
    c.say('new')
    c.say('2')
    c.say('Incoming')
    assert 'IP interface' in c.all[-300:]
    c.say('')
    c.say('1')
    c.say(str(port))
    assert 'rate limiting' in c.say('example.org', r'\[N\]> $')
    assert 'Incoming' in c.say('n')
    c.say('')
    assert 'ncoming' in c.say('commitdetail')
    out = c.say('smtproutes new example.org 127.0.0.1:%d' % sink.port)
    # a user
    c.say('userconfig')
    c.say('new')
    c.say('anna')
    c.say('Anna A')
    c.say('4')
    c.say('long enough 1')
    c.say('long enough 1')
    c.say('')
    # a log that leaves by syslog
    assert 'rror' not in c.say('logconfig edit mail_logs retrieval=syslog host=127.0.0.1 port=%d' % syslog.getsockname()[1])
    c.say('commit')
    c.say('first day')
    assert 'Changes committed: ' in c.say('')
    assert 'Configuration saved.' in c.say('saveconfig 2')
    saved = [f for f in os.listdir(g.home + '/configuration') if f.startswith('C100V-')]
    text = open(os.path.join(g.home, 'configuration', saved[0])).read()
    assert '<name>Incoming</name>' in text and 'esa1.example.org' in text
    s = Smtp(port)
    assert 'esa1.example.org' in s.banner[1]
    s.cmd('EHLO x.test')
    assert s.send('a@sender.test', 'bob@example.org', MESSAGE)[0] == 250
    assert s.cmd('MAIL FROM:<a@sender.test>')[0] == 250 and s.cmd('RCPT TO:<x@elsewhere.test>')[0] == 550
    s.quit()
    wait_for('the mail', lambda: sink.messages)
    line = syslog.recv(65536).decode()
    assert re.match(r'<\d+>\w{3} [ \d]\d \d\d:\d\d:\d\d ', line), line
    wait_for('the log', lambda: 'bob@example.org' in c.say('findevent -t bob mail_logs').replace('findevent -t bob', ''))
    a = login('anna', 'long enough 1')
    a.expect('> $')
    assert 'Group: Guest' in a.say('whoami')
    assert 'Unknown command or missing feature key: userconfig' in a.say('userconfig')
    assert 'anna' in c.say('who')
    a.type('exit\r')
    assert a.ended() == 0
    g.wait_log('The user anna successfully logged on from 127.0.0.1 with privilege guest using an SSH connection', 'authentication')
    g.wait_log('User admin from 127.0.0.1: saveconfig 2', 'cli_logs')
    syslog.close()
