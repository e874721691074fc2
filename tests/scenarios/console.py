"""The console itself on a terminal and in exec mode: questions, pages, Ctrl-C, rights, commits, configuration files."""
import os, re, signal, subprocess, time

from console import console, run
from lib import POSTERN, Smtp, wait_for


def test_a_prompt_and_its_line_discipline(t):
    """One space ends the prompt and no line break follows; CR, LF and CRLF each end one line; editing, history, completion."""
    g = t.home(['system.hostname=esa1.example.org'])
    c = console(t, g)
    assert c.all == 'esa1.example.org> ', repr(c.all)
    c.type('whoami\r\n')
    assert c.expect('> $').count('esa1.example.org> ') == 1
    c.type('whoami\n')
    out = c.expect('> $')
    assert out == 'whoami\r\nUsername: admin\r\nFull Name: Administrator\r\nGroup: Administrator\r\nesa1.example.org> ', repr(out)
    c.type('whomai\x1b[D\x1b[D\x1b[D\x1b[3~\x1b[C\x1b[C\x15who\x01xx\x1b[D\x1b[D\x1b[3~\x1b[3~\x05ami\r')
    assert 'Username: admin' in c.expect('> $')
    c.type('\x1b[A\r')
    assert 'Username: admin' in c.expect('> $')
    c.type('whoa\t\r')
    assert 'whoami' in c.expect('Username')
    c.expect('> $')
    c.type('bad "quote\r')
    assert 'a quote is not closed' in c.expect('> $')
    c.type('x' * 3000 + '\r')
    assert 'Unknown command' in c.expect('> $')
    c.type('\x04')
    assert c.ended() == 0


def test_unknown_and_refused_commands_look_alike(t):
    """`Unknown command or missing feature key: WORD`, nothing else; help leaves out what may not be used."""
    g = t.home()
    g.cli('settings', 'set', 'user.gast.role=guest', 'user.see.role=read_only_operator')
    assert run(g, 'nosuch') == (1, 'Unknown command or missing feature key: nosuch\n')
    for words in ('userconfig', 'suspend', 'showconfig 1', 'conf', 'hash x', 'commit'):
        rc, out = run(g, words, user='gast')
        assert (rc, out) == (1, 'Unknown command or missing feature key: %s\n' % words.split()[0]), (words, out)
    assert run(g, 'status', user='gast')[0] == 0
    help_text = run(g, 'help', user='gast')[1]
    assert 'whoami' in help_text and not re.search('(?m)^(suspend|userconfig)', help_text), help_text
    rc, out = run(g, 'bounceconfig new Slow max_tries=3; commitdetail; commit x', user='see')
    assert rc == 1 and '+ bounce_profile.Slow' in out and 'Unknown command or missing feature key: commit' in out, out
    assert 'changes that were not committed are dropped' in out


def test_a_page_and_its_key(t):
    """After the window's height less one: 24 characters, one key, overwritten; q stops; no pages in exec mode."""
    g = t.home()
    c = console(t, g, rows=6)
    c.type('settings show listener\r')
    c.expect(r'-Press Any Key For More-$')
    c.type('\r')
    assert c.expect(r'-Press Any Key For More-$').startswith('\r' + ' ' * 24 + '\r')
    c.type('\r\n')
    c.expect(r'(-Press Any Key For More-|> )$')
    c.type('q')
    c.expect(r'> $')
    assert 'Press Any' not in run(g, 'settings show')[1]


def test_ctrl_c_leaves_everything_as_it_was(t):
    """Ctrl-C in a dialogue: back to the prompt, its answers dropped; what an earlier command staged stays."""
    g = t.home()
    c = console(t, g)
    c.say('bounceconfig new Kept max_tries=7')
    c.say('bounceconfig')
    c.say('new')
    c.say('Gone')
    assert 'not a number' in c.say('many')
    c.say('5')
    c.type('\x03')
    c.expect(r'> $')
    out = c.say('commitdetail')
    assert '+ bounce_profile.Kept' in out and 'Gone' not in out, out
    c.type('workqueue rate\r')
    time.sleep(0.2)
    c.type('\x03')
    c.expect(r'> $')
    c.say('clearchanges', r'\[Y\]> $')
    assert 'cleared' in c.say('y')
    assert 'There is no data to commit.' in c.say('commit')


def test_commit_asks_and_tells(t):
    """Fixed texts of commit; commitdetail; rollbackconfig stages an older version; leaving with changes asks."""
    g = t.home()
    c = console(t, g)
    assert 'There is no data to commit.\r\n' in c.say('commit')
    c.say('bounceconfig edit default max_tries=9')
    assert 'comments' in c.say('commit')
    out = c.say('nine tries')
    assert out.endswith('Do you want to save the current configuration for rollback? [Y]> '), repr(out)
    assert re.search(r'\r\nChanges committed: \w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4} GMT\r\n', '\r\n' + c.say('')), c.all
    assert 'bounce_profile.default.max_tries: 100 -> 9' in c.say('commitdetail')
    assert 'nine tries' in c.say('rollbackconfig')
    c.say('2', r'\[N\]> $')
    assert 'is staged' in c.say('y')
    assert 'max_tries: 9 -> 100' in c.say('commitdetail')
    assert 'Leave all the same? [N]> ' in c.say('exit')
    c.say('')
    c.say('commit "back"')
    assert g.cli('settings', 'show', 'bounce_profile.default.max_tries') == 'bounce_profile.default.max_tries=100\n'
    c.type('exit\r')
    assert c.ended() == 0
    g.wait_log(r'PID \d+: User admin commit changes: nine tries', 'system_logs')


def test_two_operators_on_one_section(t):
    """The second commit on a section fails and says who and when; another section goes through; both are of one version."""
    g = t.home(['user.anna.role=administrator'])
    a, b = console(t, g), console(t, g, '--user', 'anna')
    a.say('bounceconfig edit default max_tries=5')
    b.say('bounceconfig edit default max_age_ms=1h')
    assert 'Changes committed' in b.say('commit "mine"')
    out = a.say('commit "too late"')
    assert re.search(r'The section "bounce_profile" was changed by anna at \w{3} ', out), out
    a.say('clearchanges')
    a.say('y')
    a.say('deliveryconfig setup source_interface=Management')
    b.say('bounceconfig edit default max_tries=6')
    assert 'Changes committed' in b.say('commit "second"')
    assert 'Changes committed' in a.say('commit "other section"')
    assert 'max_tries=6' in g.cli('settings show bounce_profile.default') and 'Management' in g.cli('settings show delivery.source_interface')


def test_a_killed_session_loses_only_its_changes(t):
    """kill -9 of a session: nothing of it stays, the next one sees the configuration in force."""
    g = t.home()
    c = console(t, g)
    c.say('bounceconfig new Lost')
    os.kill(c.pid, signal.SIGKILL)
    c.ended()
    assert 'Lost' not in g.cli('bounceconfig print') and g.cli('commit') == 'There is no data to commit.\n'


def test_configuration_files(t):
    """CPQ-20 (as far as listeners are in it): showconfig and saveconfig as clients read them; a file loads back to the same
    configuration; a bad one changes nothing and names line and reason; the DTD fits."""
    g = t.home(['route[x.test].hosts=10.1.2.3', 'route[x.test].auth_user=u', 'route[x.test].auth_password=geheim77', 'system.hostname=esa1.example.org'])
    one, two = g.cli('showconfig 2'), g.cli('showconfig 3')
    assert [l for l in one.split('\n') if 'Current Time' not in l] == [l for l in two.split('\n') if 'Current Time' not in l]
    head = one[:one.index('<config>')]
    assert head.startswith('<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE config SYSTEM "config.dtd">\n<!--\n'), head
    assert re.search(r'\n  Current Time: [^\n]* -->\n$', head) or re.search(r'Current Time: [^\n]*-->\n*$', head), head
    assert '>' not in re.search(r'<!--(.*?)-->', one, re.S).group(1)
    assert not re.search(r'(?m)^[\w.\- ]+[#>]\s*$', one) and not re.search(r'(?m)^ {25}', one) and len(re.findall(r'(?m)^ {1,2}<users>$', one)) == 1
    assert '<name>InboundMail</name>' in one and 'geheim77' not in one and '$argon2id$' in one
    assert '$argon2id$' not in g.cli('showconfig 1') and '********' in g.cli('showconfig 1')
    assert not any('geheim77' in open(os.path.join(g.home, 'conf/versions', f)).read() for f in ['000002.xml'] if os.path.exists(os.path.join(g.home, 'conf/versions', f)))
    rc, out = run(g, 'saveconfig', stdin='2\n')
    m = re.search(r'File written on machine "esa1.example.org" to the location\n"/configuration/(C100V-[0-9A-F-]+-\d{8}T\d{6}\.xml)"\.\nConfiguration saved\.\n$', out)
    assert rc == 0 and m, out
    name = m.group(1)
    r = subprocess.run(['xmllint', '--noout', '--valid', name], cwd=g.home + '/configuration', capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    assert g.cli('loadconfig ' + name) == 'No changes detected from current configuration.\n'
    text = open(os.path.join(g.home, 'configuration', name), encoding='latin-1').read()

    def put(file, content):
        with open(os.path.join(g.home, 'configuration', file), 'w', encoding='latin-1') as f:
            f.write(content)
    put('new.xml', text.replace('<max_tries>100</max_tries>', '<max_tries>33</max_tries>'))
    assert re.search(r'active\.\n', g.cli('loadconfig new.xml; commit "from a file"'))
    assert 'max_tries=33' in g.cli('settings show bounce_profile.default')
    assert 'route[x.test].auth_password' not in g.cli('commitdetail')
    put('bad.xml', text.replace('<max_tries>100</max_tries>', '<max_tries>many</max_tries>'))
    rc, out = run(g, 'loadconfig bad.xml; commit x')
    assert rc == 1 and out.startswith('Parsing failed.  Aborting.\nline %d: ' % (text[:text.index('<max_tries>100')].count('\n') + 1)), out
    assert 'max_tries=33' in g.cli('settings show bounce_profile.default')
    part = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE config SYSTEM "config.dtd">\n<config>\n  <queue><postmaster>pm@example.org</postmaster></queue>\n</config>\n.\n'
    rc, out = run(g, 'loadconfig; commit "pasted"', stdin='1\n' + part)
    assert rc == 0 and 'active.' in out and 'pm@example.org' in g.cli('settings show queue.postmaster'), out
    put('masked.xml', g.cli('showconfig 1'))
    rc, out = run(g, 'loadconfig masked.xml')
    assert rc == 1 and 'a masked passphrase cannot be loaded' in out, out
    for bad in ('../conf/current', '/etc/passwd', '.hidden', 'nosuch.xml'):
        g.cli('settings', 'set', 'user.op.role=technician')
        rc, out = run(g, 'loadconfig ' + bad)
        assert rc == 1 and ('does not exist' in out or 'Parsing failed' in out or 'is no file name' in out or 'No such' in out), out


def test_secrets_survive_a_file_and_a_restart(t):
    """A sealed secret in a file loads back and still works; another machine refuses it by its path."""
    g, other = t.home(['route[x.test].hosts=10.1.2.3', 'route[x.test].auth_password=geheim77']), t.home(start=False)
    saved = g.cli('showconfig 2')
    assert '$sealed$' in saved
    other.start()
    path = os.path.join(g.dir, 'saved.xml')
    open(path, 'w').write(saved)
    rc, out = run(other, 'loadconfig %s; commit x' % path)
    assert rc == 1 and 'route.x.test.auth_password was encrypted on another machine' in out, out
    g.cli('loadconfig %s' % path)
    g.stop()
    g.start()
    assert '$sealed$' in g.cli('showconfig 2') and 'auth_password=********' in g.cli('settings show route')


def test_users(t):
    """userconfig makes, changes and locks users; a passphrase is checked and hashed; the last administrator stays; passwd texts."""
    g = t.home()
    c = console(t, g)
    c.say('userconfig')
    c.say('new')
    assert 'is reserved' in c.say('root')
    c.say('anna')
    c.say('Anna A')
    c.say('2')
    assert 'at least 8 characters' in c.say('short')
    c.say('long enough 1')
    assert 'differ' in c.say('something else')
    c.say('long enough 1')
    out = c.say('long enough 1')
    assert '3. anna - "Anna A" (Operator)' in out and 'long enough' not in c.all, out
    c.say('status')
    c.say('admin')
    assert 'At least one administrator' in c.say('y')
    c.say('')
    c.say('commit "anna"')
    assert 'changes that were not committed are dropped' in run(g, 'userconfig role anna 1')[1]
    p = console(t, g, '--user', 'anna')
    p.type('passwd\r')
    p.expect('Old password: $')
    p.type('wrong wrong\r')
    p.expect('New password: $')
    p.type('another one 2\r')
    p.expect('Retype new password: $')
    p.type('another one 2\r')
    assert 'The old passphrase is wrong.' in p.expect('> $')
    p.type('passwd\r')
    p.expect('Old password: $')
    p.type('long enough 1\r')
    p.expect('New password: $')
    p.type('another one 2\r')
    p.expect('Retype new password: $')
    p.type('another one 2\r')
    assert 'Passphrase changed.' in p.expect('> $')
    g.wait_log('User anna from console: passwd', 'cli_logs')
    assert not any(w in g.log('cli_logs') for w in ('long enough', 'another one'))


def test_exec_mode_answers(t):
    """exec mode: commands with `;`, quotes, stops at the first failure; questions read standard input, at its end take the
    default, without one end with 1; no prompt, no pages."""
    g = t.home()
    assert run(g, 'bounceconfig new "A B" max_tries=3; commit "with \\"quotes\\""; bounceconfig print "A B"')[0] == 0
    assert 'with "quotes"' in g.cli('settings versions')
    rc, out = run(g, 'whoami; nosuch; whoami')
    g.wait_log(r'console: whoami\n.*console: nosuch\n', 'cli_logs')  # each command a line of its own
    assert rc == 1 and out.count('Username') == 1
    rc, out = run(g, 'bounceconfig', stdin='new\n')
    assert rc == 1 and 'No answer was given.' in out, out
    rc, out = run(g, 'bounceconfig delete "A B"; commit', stdin='tidy\n')
    assert rc == 0 and 'Changes committed' in out, out
    rc, out = run(g, 'bounceconfig edit default max_tries=many')
    assert rc == 1 and '"many" is not a number' in out, out
    assert run(g, 'version x; whoami')[0] in (0, 1)
    assert run(g, '')[0] == 0


def test_control_dies_under_a_session(t):
    """Without control a session ends with a clear line; the next one works again."""
    g = t.home()
    c = console(t, g)
    os.kill(g.roles()[('control', 0)], signal.SIGKILL)
    c.type('whoami\r')
    try:
        assert 'connection to the system is lost' in c.expect('lost.*\n')
    except EOFError:
        raise AssertionError(c.all)
    c.ended()
    wait_for('control again', lambda: run(g, 'whoami')[0] == 0)


def test_mail_data_is_harmless_on_the_screen(t):
    """HD-06 on the command line: escape sequences in a subject, an address, a log line show as `?`."""
    g = t.home(sink_port=1)
    g.cli('suspenddel')
    s = Smtp(g.base + 587)
    s.cmd('EHLO x')
    assert s.send('a@sender.test', 'b@rcpt.test', b'Subject: evil\x1b]0;owned\x07 \xc2\x9b31m\r\n\r\nhello\r\n')[0] == 250
    s.quit()
    wait_for('the message', lambda: 'evil' in g.cli('showrecipients all'))
    g.wait_log('evil')
    for command in ('showrecipients all', 'showmessage 1', 'grep evil mail_logs'):
        c = subprocess.run([POSTERN, 'cli', '--home', g.home, command], capture_output=True).stdout
        assert b'evil' in c and b'\x1b' not in c and b'\x07' not in c and b'\xc2\x9b' not in c, c
