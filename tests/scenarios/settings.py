"""Settings as an operator meets them: init, set, load, versions, rollback, what is refused, who may."""
import json, os, re, subprocess

from lib import MESSAGE, POSTERN, free_port, wait_for


def run(*words, stdin=''):
    return subprocess.run([POSTERN, *words], input=stdin, capture_output=True, text=True)


def test_init_makes_a_home_once(t):
    """Each role of machine can be made; a home is never made twice; nobody else may look into it; no default passphrase."""
    g = t.home(start=False)
    m = re.search(r'serial number ([0-9A-F]{20}-[0-9A-F]{12})', g.init_output)
    assert m and len(set(re.findall(r'passphrase: (\S{16})', g.init_output))) == 2, g.init_output
    assert os.stat(g.home).st_mode & 0o777 == 0o700
    assert os.stat(g.home + '/keys/self_signed.key').st_mode & 0o777 == 0o600
    text = open(g.home + '/conf/versions/000001.xml').read()
    assert not any(p in text for p in re.findall(r'passphrase: (\S{16})', g.init_output))
    again = run('init', '--home', g.home, '--role', 'gateway')
    assert again.returncode == 1 and 'has a configuration already' in again.stderr, again.stderr
    for role in ('manager', 'bastion'):
        r = run('init', '--home', os.path.join(g.dir, role), '--role', role)
        assert r.returncode == 0 and 'listener' not in r.stdout and 'change it' in r.stdout, r.stdout + r.stderr
    for bad in (['--role', 'king'], ['--set', 'nosuch.path=1'], ['--set', 'listener.InboundMail.interface=None']):
        r = run('init', '--home', os.path.join(g.dir, 'bad'), '--role', 'gateway', *bad)
        assert r.returncode == 1 and bad[1].split('=')[0] in r.stderr, r.stderr
        assert not os.path.exists(os.path.join(g.dir, 'bad', 'conf', 'current'))


def test_every_setting_is_listed(t):
    """postern settings --json: path, type, default, help of each; a default is a valid value."""
    rows = json.loads(run('settings', '--json').stdout)
    assert len(rows) > 150 and all(r['help'] and r['type'] and r['path'] for r in rows)
    assert {r['path'] for r in rows} >= {'system.hostname', 'listener[NAME].port', 'route[NAME].hosts', 'spool.segment_bytes'}
    assert 'listener[NAME].port' in run('settings').stdout


def test_versions_and_rollback(t):
    """A change is a version with user, time, comment; a rollback is a new version; the commit is in system_logs."""
    g = t.home()
    assert 'roles.scan: 0 -> 1' in g.cli('settings', 'set', '-m', 'one scanner', 'roles.scan=1')
    g.wait_log(r'PID \d+: User admin commit changes: one scanner', 'system_logs')
    assert re.search(r'(?m)^\* 000002 .* admin +one scanner$', g.cli('settings', 'versions'))
    assert g.cli('settings', 'show', 'roles.scan') == 'roles.scan=1\n'
    g.cli('settings', 'rollback', '1')
    assert g.cli('settings show roles.scan; settings versions').startswith('roles.scan=0\n* 000003')
    name = os.path.join(g.dir, 'saved.xml')
    g.cli('settings', 'save', '--plain', name)
    assert 'No changes detected from current configuration.' in g.cli('settings', 'load', name)
    text = open(name).read().replace('<scan>0</scan>', '<scan>2</scan>')
    open(name, 'w').write(text)
    assert 'roles.scan: 0 -> 2' in g.cli('settings', 'load', name)
    open(name, 'w').write(text.replace('<scan>2</scan>', '<scan>many</scan>'))
    line = text[:text.index('<scan>')].count('\n') + 1
    out = g.cli('settings', 'load', name, check=False)
    assert 'Parsing failed.  Aborting.' in out and 'line %d: roles.scan: "many" is not a number' % line in out, out
    g.wait_log(r'Settings of admin refused: line %d: ' % line, 'system_logs')
    assert g.cli('settings', 'show', 'roles.scan') == 'roles.scan=2\n'


def test_a_broken_file_leaves_the_last_good_version_in_force(t):
    """A damaged current version at start: line and reason in system_logs, the version before it runs, mail is taken."""
    sink = t.sink()
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT'], sink_port=sink.port)
    g.cli('settings', 'set', 'roles.scan=1')
    g.stop()
    path = g.home + '/conf/versions/000002.xml'
    text = open(path).read()
    open(path, 'w').write(text.replace('</roles>', ''))
    g.start()
    g.wait_log(r'Settings refused: configuration 000002: line \d+: Opening and ending tag mismatch', 'system_logs')
    assert re.search(r'(?m)^\* 000002', g.cli('settings', 'versions')) and g.cli('settings', 'show', 'roles.scan') == 'roles.scan=0\n'
    c = g.smtp()
    assert c.send('a@sender.test', 'b@rcpt.test', MESSAGE)[0] == 250
    wait_for('the message', lambda: sink.messages)


def test_hd_07_relay_on_a_public_listener_needs_force(t):
    """HD-07: a RELAY policy for hosts of a public listener is refused unless forced; from outside nobody relays."""
    sink = t.sink()
    g = t.home(['listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'], sink_port=sink.port)
    out = g.cli('settings', 'set', 'sender_group.RELAYLIST.listener=all', check=False)
    assert 'HD-07' in out, out
    c = g.smtp()
    c.cmd('MAIL FROM:<a@sender.test>')
    assert c.cmd('RCPT TO:<b@elsewhere.test>')[0] == 550
    g.cli('settings', 'set', '--force', 'sender_group.RELAYLIST.listener=all', 'sender_group.UNKNOWNLIST.members=198.51.100.1')
    c = g.smtp()
    c.cmd('MAIL FROM:<a@sender.test>')
    assert c.cmd('RCPT TO:<b@elsewhere.test>')[0] == 250
    g.cli('settings', 'set', 'roles.scan=1')        # what was forced once does not stand in the way of other changes


def test_exec_mode(t):
    """One or more commands separated by `;`, stop at the first that fails, exit status, unknown words, rights of a user."""
    g = t.home()
    r = run('cli', '--home', g.home, 'version; bogus word; settings versions')
    assert r.returncode == 1 and 'Version: 15.5.0-' in r.stdout and r.stdout.endswith('Unknown command or missing feature key: bogus\n')
    r = run('cli', '--home', g.home, 'settings frobnicate')
    assert r.returncode == 1 and r.stdout.startswith('Invalid arguments\n')
    r = run('cli', '--home', g.home, '--user', 'demo', 'settings', 'show')
    assert r.returncode == 1 and 'Unknown command or missing feature key: settings' in r.stdout
    r = run('cli', '--home', g.home, stdin='version\nhelp\nquit\nbogus\n')
    assert r.returncode == 0 and 'deleterecipients' in r.stdout and 'bogus' not in r.stdout
    r = run('cli', '--home', g.home, '--user', 'demo', 'passwd', stdin='wrong\nnew-passphrase\nnew-passphrase\n')
    assert r.returncode == 1 and 'Old password:' in r.stdout and 'The old passphrase is wrong.' in r.stdout
    old = re.search(r'login: demo  passphrase: (\S+)', g.init_output).group(1)
    r = run('cli', '--home', g.home, '--user', 'demo', 'passwd', stdin='%s\nnew-passphrase\nnew-passphrase\n' % old)
    assert r.returncode == 0 and 'Passphrase changed.' in r.stdout
    g.stop()
    r = run('cli', '--home', g.home, 'version')
    assert r.returncode == 1 and 'is it running?' in r.stderr


def test_a_listener_opens_and_closes_with_its_setting(t):
    """A new listener takes connections without a restart, and none once it is disabled."""
    g, port = t.home(), free_port()
    g.cli('settings', 'set', 'listener.Second.interface=Management', 'listener.Second.port=%d' % port)
    wait_for('the second listener', lambda: _open(port))
    g.cli('settings', 'set', 'listener.Second.enabled=no')
    wait_for('its end', lambda: not _open(port))


def _open(port):
    import socket
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False


def test_control_dies_in_a_commit(t):
    """Control killed at each write of a commit: it comes back with the old version or the new one, never with none."""
    for point in ('conf.version', 'conf.current'):
        for n in (1, 2, 3):
            log = os.path.join(t.home(start=False).dir, 'hits')
            g = t.things[-1]
            g.start(env={'POSTERN_FAULT': 'control:%s:%d:kill-before' % (point, n), 'POSTERN_FAULT_LOG': log, 'POSTERN_FAULT_ONCE': '1'})
            g.cli('settings', 'set', 'roles.scan=1', check=False)
            assert os.path.exists(log), 'no such pass: %s %d' % (point, n)
            shown = wait_for('control', lambda: re.match(r'roles.scan=[01]\n', g.cli('settings', 'show', 'roles.scan', check=False)))
            assert shown
            g.cli('settings', 'set', 'roles.scan=3')
            assert g.cli('settings', 'show', 'roles.scan') == 'roles.scan=3\n'
            g.close()
            t.things.remove(g)
