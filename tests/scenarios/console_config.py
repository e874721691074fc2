"""Configuration commands: listeners with their tables, interfaces, destinations, routes, certificates, the wizard."""
import os, re, socket, subprocess, tempfile, time

from console import console, run, ok
from lib import MESSAGE, Smtp, wait_for


def up(port):
    def connects():
        try:
            Smtp(port, timeout=5).close()
            return True
        except (OSError, EOFError):
            return False
    wait_for('port %d' % port, connects)


def test_a_new_operator_opens_a_second_public_listener(t):
    """A listener made in one dialogue, committed, takes mail for its recipients and for nobody else (FW-06, FW-22)."""
    sink = t.sink()
    g = t.home(['user.op.role=operator'], sink_port=sink.port)
    c = console(t, g, '--user', 'op')
    port = g.base + 26
    out = c.say('listenerconfig')
    assert 'Currently configured listeners:' in out and 'Choose the operation you want to perform:\r\n- NEW - ' in out
    assert out.endswith('[]> ')
    out = c.say('new')
    assert out.endswith('1. Private\r\n2. Public\r\n3. Blackhole\r\n[2]> '), repr(out)
    c.say('')
    assert 'exists already' in c.say('InboundMail')
    assert '1. Management' in c.say('Second')
    assert out and '1. SMTP\r\n2. QMQP\r\n[1]> ' in c.say('')
    out = c.say('')
    assert out.endswith('[%d]> ' % (g.base + 25)), repr(out)
    assert 'is taken by listener InboundMail' in c.say('')
    assert 'number from 1 to 65535' in c.say('70000')
    c.say(str(port))
    assert 'is no recipient' in c.say('two words')
    c.say('rcpt.test, .sub.test')
    out = c.say('n')
    assert 'Listener Second created.' in out and 'Choose the operation' in out
    c.say('', r'> $')
    out = c.say('commit "a second listener"')
    assert 'Changes committed: ' in out, out
    up(port)
    m = Smtp(port)
    m.cmd('EHLO client.test')
    assert m.send('a@sender.test', 'b@rcpt.test', MESSAGE)[0] == 250
    m.cmd('MAIL FROM:<a@sender.test>')
    assert m.cmd('RCPT TO:<b@x.sub.test>')[0] == 250
    assert m.cmd('RCPT TO:<b@elsewhere.test>')[0] == 550
    m.quit()
    wait_for('delivery', lambda: sink.messages)
    g.wait_log(r'ICID \d+ ACCEPT SG UNKNOWNLIST')


def test_a_listener_is_changed_and_removed(t):
    """Name, port, limits and every other setting by EDIT; DELETE removes its sender groups and its place among the suspended."""
    g = t.home()
    ok(g, 'listenerconfig new 2 Extra Management 1 %d example.com n; commit x' % (g.base + 26))
    up(g.base + 26)
    ok(g, 'suspendlistener 0 Extra')
    out = ok(g, 'listenerconfig edit Extra name Renamed; listenerconfig edit Renamed limits max_connections=7;'
                'listenerconfig edit Renamed setup default_domain=example.com; listenerconfig edit Renamed interface Management %d;'
                'commitdetail; commit y' % (g.base + 27))
    assert 'receiving.suspended: Extra -> Renamed' in out, out
    assert 'listener.Renamed.max_connections=7' in ok(g, 'settings show listener.Renamed')
    assert run(g, 'listenerconfig edit Renamed setup no_such=1')[0] == 1
    out = ok(g, 'listenerconfig delete Renamed; commit z; settings show sender_group')
    assert 'Renamed' not in out.split('Changes committed')[1], out
    rc, out = run(g, 'listenerconfig delete Nobody')
    assert rc == 1 and 'does not exist' in out
    out = ok(g, 'listenerconfig new 3 Hole Management 1 %d; commit hole' % (g.base + 28))
    up(g.base + 28)
    m = Smtp(g.base + 28)
    m.cmd('EHLO client.test')
    assert m.send('a@sender.test', 'x@anywhere.test', MESSAGE)[0] == 250
    g.wait_log('Dropped by blackhole listener Hole')
    out = ok(g, 'listenerconfig setup max_errors=5; listenerconfig new 1 Inside Management 1 %d 10.0.0.0/8; commitdetail; commit in;'
                'listenerconfig edit Inside hostaccess print' % (g.base + 29))
    assert 'receiving.max_errors: 20 -> 5' in out and 'RELAYLIST:\n    10.0.0.0/8\n    $RELAYED\n' in out, out
    out = ok(g, 'listenerconfig new 2 Slow Management 1 %d example.com y 30; commit slow; listenerconfig edit Slow hostaccess print' % (g.base + 30))
    assert '$Slow_LIMITED\n    ACCEPT {\n        recipients_per_hour = 30\n' in out and 'ALL\n    $Slow_LIMITED\n' in out, out
    assert run(g, 'listenerconfig new 2 Taken Management 1 %d' % (g.base + 25))[0] == 1
    out = ok(g, 'listenerconfig new 1 Bulk Management 2 %d 127.0.0.0/8; commit bulk' % (g.base + 31))


def test_relay_on_a_public_listener_asks_twice(t):
    """HD-07: the dialogue warns, names SMTP AUTH, and keeps the rule only after a second answer; then commit takes it."""
    g = t.home()
    rc, out = run(g, 'listenerconfig edit InboundMail hostaccess new 1 OFFICE 192.0.2.7 RELAYED ""; commit x')
    assert rc == 1 and 'SMTP AUTH on the public listener' in out and 'The rule was not kept.' in out, out
    assert 'Do you want to keep this RELAY rule all the same? [N]> ' in out
    c = console(t, g)
    for line in ('listenerconfig', 'edit', 'InboundMail', 'hostaccess', 'new', '1', 'OFFICE'):
        c.say(line)
    assert 'is neither an address' in c.say('not a host!')
    assert '5. RELAYED' in c.say('192.0.2.7')
    c.say('RELAYED')
    assert c.say('our office').endswith('all the same? [N]> ')
    assert 'Please answer yes or no.' in c.say('perhaps')
    c.say('n')
    for _ in range(2):
        c.say('')
    c.say('')
    assert 'There is no data to commit.' in c.say('commit')
    for line in ('listenerconfig', 'edit', 'InboundMail', 'hostaccess', 'new', '1', 'OFFICE', '192.0.2.7', 'RELAYED', ''):
        c.say(line)
    c.say('y')
    for _ in range(3):
        c.say('')
    assert 'Changes committed: ' in c.say('commit relay')
    rc, out = run(g, 'settings', 'set', 'sender_group.OTHER.policy=RELAYED', 'sender_group.OTHER.members=192.0.2.9',
                  'sender_group.OTHER.listener=InboundMail')
    assert rc == 1 and 'HD-07' in out, out
    # A confirmed rule does not open the door to one that was not.
    rc, out = run(g, 'listenerconfig edit InboundMail hostaccess new 1 FIRST 192.0.2.20 RELAYED "" y; '
                     'listenerconfig edit InboundMail hostaccess new 1 SECOND 192.0.2.21 RELAYED "" n; commit both')
    assert rc == 1 and 'The rule was not kept.' in out
    assert 'Changes committed' in ok(g, 'listenerconfig edit InboundMail hostaccess new 1 FIRST 192.0.2.20 RELAYED "" y; commit first')
    ok(g, 'saveconfig 2')
    saved = sorted(os.listdir(os.path.join(g.home, 'configuration')))[0]
    ok(g, 'listenerconfig edit InboundMail hostaccess delete 1 OFFICE; listenerconfig edit InboundMail hostaccess delete 1 FIRST; commit less')
    rc, out = run(g, 'listenerconfig edit InboundMail hostaccess new 1 THIRD 192.0.2.30 RELAYED "" y; loadconfig %s; commit all' % saved)
    assert rc == 1 and 'HD-07' in out, out
    assert 'Changes committed' in ok(g, 'loadconfig %s; commit force all' % saved)
    # A rule of every listener reaches a new public one too: that is asked as well.
    ok(g, 'settings', 'set', '--force', 'sender_group.EVERYWHERE.policy=RELAYED', 'sender_group.EVERYWHERE.members=192.0.2.9')
    rc, out = run(g, 'listenerconfig new 2 Open Management 1 %d example.com n' % (g.base + 26))
    assert rc == 1 and 'relay through the public listener Open' in out, out
    # What is in force already is not asked again.
    assert 'Warning' not in ok(g, 'listenerconfig edit InboundMail hostaccess edit 1 OFFICE comment hello; commit y')


def test_the_host_access_table_travels_as_text(t):
    """PRINT shows $POLICY blocks, then groups; EXPORT and IMPORT give back the same table; a wrong line is named."""
    g = t.home(['mail_flow_policy.THROTTLED.banner=say "hi"', 'sender_group.BLOCKLIST.members=192.0.2.0/24,.bad.test',
                'sender_group.BLOCKLIST.comment=never'])
    printed = ok(g, 'listenerconfig edit InboundMail hostaccess print')
    assert '$THROTTLED\n    ACCEPT {\n' in printed and '        max_messages = 10\n' in printed, printed
    assert '        banner = "say \\"hi\\""\n' in printed
    assert 'BLOCKLIST:\n    192.0.2.0/24\n    .bad.test\n    $BLOCKED (never)\n' in printed
    before = ok(g, 'settings show sender_group; settings show mail_flow_policy')
    ok(g, 'listenerconfig edit InboundMail hostaccess export hat.txt')
    text = open(os.path.join(g.home, 'configuration', 'hat.txt')).read()
    assert text == printed
    ok(g, 'listenerconfig edit InboundMail hostaccess clear; listenerconfig edit InboundMail hostaccess import hat.txt; commit x')
    lines = lambda out: sorted(out.splitlines())
    assert lines(ok(g, 'settings show sender_group; settings show mail_flow_policy')) == lines(before)
    assert ok(g, 'listenerconfig edit InboundMail hostaccess print') == printed
    with open(os.path.join(g.home, 'configuration', 'bad.txt'), 'w') as f:
        f.write('$X\n    ACCEPT {\n        nothing = 1\n    }\n')
    rc, out = run(g, 'listenerconfig edit InboundMail hostaccess import bad.txt')
    assert rc == 1 and 'line 3: nothing is no setting of a policy' in out, out
    rc, out = run(g, 'listenerconfig edit InboundMail hostaccess import none.txt')
    assert rc == 1 and 'does not exist' in out
    with open(os.path.join(g.home, 'configuration', 'relay.txt'), 'w') as f:
        f.write('$R\n    RELAY {}\nG:\n    10.0.0.1\n    $R\n')
    rc, out = run(g, 'listenerconfig edit InboundMail hostaccess import relay.txt', stdin='n\n')
    assert rc == 1 and 'The rule was not kept.' in out
    ok(g, 'listenerconfig edit InboundMail hostaccess edit 1 BLOCKLIST new 198.51.100.1; '
          'listenerconfig edit InboundMail hostaccess edit 1 BLOCKLIST delete .bad.test;'
          'listenerconfig edit InboundMail hostaccess move BLOCKLIST 1;'
          'listenerconfig edit InboundMail hostaccess edit 2 THROTTLED max_messages=11;'
          'listenerconfig edit InboundMail hostaccess default max_recipients=99;'
          'listenerconfig edit InboundMail hostaccess new 2 SLOW max_messages=1;'
          'listenerconfig edit InboundMail hostaccess delete 2 SLOW; commit y')
    out = ok(g, 'listenerconfig edit InboundMail hostaccess print')
    assert 'max_messages = 11' in out and 'max_recipients = 99' in out and '198.51.100.1' in out and '.bad.test' not in out
    assert out.index('BLOCKLIST:') < out.index('ALLOWLIST:') and 'SLOW' not in out
    rc, out = run(g, 'listenerconfig edit InboundMail hostaccess delete 2 ACCEPTED')
    assert rc == 1 and 'is in use: sender_group.UNKNOWNLIST.policy names it' in out, out
    assert 'ALLOWLIST:\n    $TRUSTED' in ok(g, 'listenerconfig edit InboundMail hostaccess reset;'
                                               'listenerconfig edit InboundMail hostaccess print')


def test_the_recipient_access_table(t):
    """RCPTACCESS: entries are made, changed and removed, travel as a file, and ALL stays last."""
    g = t.home()
    r = 'listenerconfig edit InboundMail rcptaccess '
    out = ok(g, r + 'new example.com,admin@ accept n;' + r + 'new bad@example.com reject "no longer here";' + r + 'print; commit a')
    assert out.startswith('example.com ACCEPT\nadmin@ ACCEPT\nbad@example.com REJECT no longer here\nALL REJECT\n'), out
    with _closing(g.smtp()) as m:
        m.cmd('MAIL FROM:<a@b.test>')
        assert m.cmd('RCPT TO:<x@example.com>')[0] == 250
        code, text = m.cmd('RCPT TO:<bad@example.com>')
        assert code == 550 and 'no longer here' in text
    ok(g, r + 'export rat.txt;' + r + 'clear;' + r + 'import rat.txt;' + r + 'edit bad@example.com accept n;' + r + 'delete admin@; commit b')
    assert ok(g, r + 'print') == 'example.com ACCEPT\nbad@example.com ACCEPT\nALL REJECT\n'
    with open(os.path.join(g.home, 'configuration', 'bad.txt'), 'w') as f:
        f.write('example.com MAYBE\n')
    assert run(g, r + 'import bad.txt')[0] == 1
    assert run(g, r + 'delete nobody.test')[0] == 1
    out = run(g, 'listenerconfig edit OutboundMail rcptaccess print')
    assert out[0] == 1 and 'Only a public listener' in out[1]


class _closing:
    def __init__(self, x):
        self.x = x

    def __enter__(self):
        return self.x

    def __exit__(self, *a):
        self.x.close()


def test_ctrl_c_in_a_dialogue_changes_nothing(t):
    """Ctrl-C in the middle of listenerconfig, deep in its menus: the prompt comes back and nothing is staged."""
    g = t.home()
    c = console(t, g)
    for line in ('listenerconfig', 'new', '2', 'Third', '', '', str(g.base + 26)):
        c.say(line)
    c.type('\x03')
    c.expect(r'\^C\r\n.*> $')
    assert 'There is no data to commit.' in c.say('commit')
    for line in ('listenerconfig', 'edit', 'InboundMail', 'rcptaccess', 'new'):
        c.say(line)
    c.say('example.com')
    c.type('\x03')
    c.expect(r'\^C\r\n.*> $')
    assert 'There is no data to commit.' in c.say('commit')
    assert 'example.com' not in ok(g, 'settings show listener.InboundMail.rat')


def test_a_read_only_operator_stages_and_cannot_commit(t):
    """A Read-Only Operator uses every dialogue; commit, exports and keys are refused."""
    g = t.home(['user.see.role=read_only_operator'])
    rc, out = run(g, 'smtproutes new example.com mx.example.com; smtproutes print; commit x', user='see')
    assert rc == 1 and 'example.com : mx.example.com' in out and 'Unknown command or missing feature key: commit' in out, out
    rc, out = run(g, 'smtproutes new a.test mx.test; smtproutes export r.txt', user='see')
    assert rc == 1 and not os.path.exists(os.path.join(g.home, 'configuration', 'r.txt')), out
    assert run(g, 'certconfig certificate new x x.example.org', user='see')[0] == 1
    assert 'Expires: ' in ok(g, 'certconfig certificate print', user='see')
    assert run(g, 'systemsetup', user='see')[1] == 'Unknown command or missing feature key: systemsetup\n'
    assert run(g, 'resetconfig', user='see')[1] == 'Unknown command or missing feature key: resetconfig\n'


def test_routes_and_destinations(t):
    """smtproutes and destconfig in batch form and by questions; tables and files; a committed route carries mail (FW-05)."""
    sink = t.sink()
    g = t.home(['listener.InboundMail.rat=rcpt.test'])
    assert ok(g, 'smtproutes print') == ''
    rc, out = run(g, 'smtproutes delete nothing.test')
    assert rc == 1 and 'does not exist' in out, out
    out = ok(g, 'smtproutes new rcpt.test 127.0.0.1:%d; smtproutes new .multi.test mx1.test /pri=10 mx2.test:2525 /pri=20,USEDNS;'
                'smtproutes new sink.test /dev/null; smtproutes print; commit routes' % sink.port)
    assert 'Mapping for rcpt.test to 127.0.0.1:%d created.' % sink.port in out
    assert '.multi.test : mx1.test /pri=10, mx2.test:2525 /pri=20, USEDNS\n' in out
    with _closing(g.smtp()) as m:
        assert m.send('a@sender.test', 'b@rcpt.test', MESSAGE)[0] == 250
    wait_for('delivery by the new route', lambda: sink.messages)
    for bad in ('smtproutes new', 'smtproutes new a.test', 'smtproutes frobnicate'):
        rc, out = run(g, bad)
        assert rc == 1 and (bad.endswith('new') or 'Invalid arguments\n' in out), (bad, out)
    for bad in ('smtproutes new a.test host!', 'smtproutes new rcpt.test mx.test', 'smtproutes delete b.test', 'smtproutes new a.test mx.test /pri=x'):
        assert run(g, bad)[0] == 1, bad
    before = ok(g, 'smtproutes print')
    ok(g, 'smtproutes export r.txt; smtproutes clear; smtproutes import r.txt; smtproutes delete sink.test; commit back')
    assert ok(g, 'smtproutes print') == before.replace('sink.test : /dev/null\n', '')
    assert 'example.org : mx.example.org' in ok(g, 'smtproutes edit rcpt.test mx.example.org; smtproutes print').replace('rcpt.test', 'example.org')

    out = ok(g, 'destconfig new example.com tls=required_verify dane=mandatory recipient_limit=10; destconfig list;'
                'destconfig detail example.com; destconfig default max_connections=50; destconfig setup max_recipients=77; commitdetail; commit d')
    assert re.search(r'(?m)^example.com +500 +50 +10/60m +IPv4 pref +Req-V +Mand +default$', out), out
    assert 'TLS: Required and verify\n' in out and 'delivery.max_recipients: 500 -> 77' in out
    before = ok(g, 'destconfig list')
    assert ok(g, 'destconfig export d.txt; destconfig clear; destconfig import d.txt; destconfig list').endswith(before)
    c = console(t, g)
    for line in ('destconfig', 'new', 'questions.test', '', '', '0'):
        c.say(line)
    out = c.say('')
    assert out.endswith('1. No\r\n2. Preferred\r\n3. Required\r\n4. Preferred and verify\r\n5. Required and verify\r\n'
                        '6. Required and verify hosted domains\r\n[2]> '), repr(out)
    assert 'number between 1 and 6' in c.say('7')
    assert c.say('6').endswith('1. None\r\n2. Opportunistic\r\n3. Mandatory\r\n[2]> ')
    c.say('3')
    c.say('')
    c.say('')
    out = c.say('commitdetail')
    assert '+ destination[questions.test]' in out, out
    assert 'tls=required_verify_hosted' in _staged(c, g, 'destination[questions.test].tls')
    rc, out = run(g, 'bounceconfig new Quick max_tries=2; destconfig edit example.com bounce_profile=Quick; bounceconfig delete Quick')
    assert rc == 1 and 'is in use: destination[example.com].bounce_profile names it' in out, out


def _staged(c, g, path):
    assert 'Changes committed' in c.say('commit x')
    return ok(g, 'settings show ' + path)


def test_interfaces(t):
    """interfaceconfig: addresses with or without prefix, every service by its question, a lab's ports moved; what is used stays."""
    g = t.home()
    c = console(t, g)
    assert '1. Management (127.0.0.1: ' in c.say('interfaceconfig')
    c.say('new')
    c.say('Data1')
    assert 'is not an IPv4 address' in c.say('300.1.1.1')
    assert 'is no prefix length' in c.say('127.0.0.2/40')
    c.say('127.0.0.2/24')
    c.say('')
    c.say('eth0')
    c.say('data1.example.org')
    c.say('n')
    out = c.say('y')
    assert out.endswith('[%d]> ' % (g.base + 22)), repr(out)
    c.say(str(g.base + 122))
    for _ in range(4):
        out = c.say('n')
    assert '2. Data1 (127.0.0.2 on eth0: data1.example.org)' in out, out
    c.say('')
    assert 'Changes committed' in c.say('commit data')
    wait_for('SSH on the new interface', lambda: _connects('127.0.0.2', g.base + 122))
    ok(g, 'interfaceconfig edit Data1 ssh=no hostname=other.example.org; altsrchost Data1; commit y')
    rc, out = run(g, 'interfaceconfig delete Data1')
    assert rc == 1 and 'is in use: delivery.source_interface names it' in out, out
    ok(g, 'altsrchost auto; interfaceconfig delete Data1; commit z')
    assert 'Data1' not in ok(g, 'settings show interface')


def _connects(address, port):
    try:
        socket.create_connection((address, port), 2).close()
        return True
    except OSError:
        return False


def test_services_of_the_machine(t):
    """dnsconfig, ntpconfig, alertconfig, addressconfig, sethostname, settz, trailblazerconfig: staged, checked, committed."""
    g = t.home()
    out = ok(g, 'dnsconfig new 1 127.0.0.1@5353; dnsconfig new 2 example.com 127.0.0.2; dnsconfig edit 1 127.0.0.1@5354;'
                'dnsconfig delete 2; dnsconfig setup dnssec=no; ntpconfig new ntp.example.com:1123; ntpconfig new ntp2.example.com;'
                'ntpconfig delete 2; ntpconfig sourceint Management; ntpconfig setup adjust=no; alertconfig new bob@example.com 2,Updater 1;'
                'alertconfig edit bob@example.com severity=warning; alertconfig from a@example.com; alertconfig setup first_wait_ms=1m;'
                'addressconfig bouncefrom pm@example.com; sethostname esa1.example.org; settz Asia/Tokyo; trailblazerconfig enable 4444;'
                'trailblazerconfig disable; commitdetail')
    for line in ('dns.servers:  -> 127.0.0.1@5354', 'dns.dnssec: yes -> no', 'ntp.servers:  -> ntp.example.com:1123',
                 '+ alert[bob@example.com]', 'alerts.from:  -> a@example.com', 'queue.postmaster:  -> pm@example.com',
                 'system.timezone:  -> Asia/Tokyo', 'http.trailblazer: yes -> no', 'http.trailblazer_port: %d -> 4444' % (g.base + 4431)):
        assert line + '\n' in out, (line, out)
    assert 'domain_servers' not in out
    for bad in ('dnsconfig new 1 ns.example.com', 'ntpconfig new bad_host!', 'ntpconfig delete 1', 'alertconfig new nobody',
                'alertconfig new a@b.test 9', 'sethostname bad..name', 'sethostname short', 'sethostname a.b c.d', 'settz Europe/Nowhere',
                'settz ../etc/passwd', 'trailblazerconfig enable 70000', 'trailblazerconfig enable 1 2', 'alertconfig delete x@y.test', 'settime'):
        assert run(g, bad)[0] == 1, bad
    out = ok(g, 'ntpconfig new t.example.com; ntpconfig auth; commitdetail', stdin='y\n7\nSHA1:0a0b\nSHA1:0a0b\n')
    assert 'ntp.key_id: 0 -> 7' in out and '0a0b' not in out.split('ntp.key_id')[1], out
    ok(g, 'alertconfig new a@b.test 1 1; alertconfig clear')
    ok(g, 'settz Asia/Tokyo; sethostname esa1.example.org; commit tz')
    assert g.smtp().banner[1].startswith('220 esa1.example.org')
    hour = wait_for('a line', lambda: re.findall(r'(?m)^... ... .. (\d\d):', g.log())[-1:])[0]
    wait_for('logs in local time', lambda: _hour(g) == time.strftime('%H', time.gmtime(time.time() + 9 * 3600)))
    assert hour
    c = console(t, g)
    out = c.say('settz', r'\]> $')
    assert 'Current time zone: Asia/Tokyo' in out
    assert 'Europe' in c.say('?', r'\]> $')
    assert 'Berlin' in c.say('Europe', r'\]> $')
    c.say('Europe/Berlin', r'org> $')


def _hour(g):
    g.smtp().close()
    return re.findall(r'(?m)^... ... .. (\d\d):', g.log())[-1]


def test_what_the_system_owns_and_licences(t):
    """Routes, gateway and links are shown and said to be the operating system's; no licence is needed."""
    g = t.home()
    assert 'The operating system owns the routes' in ok(g, 'setgateway') and 'Destination' in ok(g, 'routeconfig')
    assert '1. ' in ok(g, 'etherconfig')
    out = ok(g, 'showlicense')
    assert out.startswith('Virtual License\n') and 'end_date: never\n' in out
    assert 'Perpetual' in ok(g, 'featurekey')
    assert run(g, 'loadlicense nothing.xml')[0] == 1
    with open(os.path.join(g.home, 'configuration', 'l.xml'), 'w') as f:
        f.write('anything')
    out = ok(g, 'loadlicense l.xml; commit')
    assert 'nothing was changed' in out and 'There is no data to commit.' in out


def test_the_wizard_and_the_way_back(t):
    """systemsetup asks for passphrase, name, address, DNS, time and recipients and commits; resetconfig goes back to the start."""
    sink = t.sink()
    g = t.home()
    c = console(t, g)
    c.say('systemsetup', r'\[Y\]> $')
    c.say('y', r'\[N\]> $')
    c.say('y', r'\]> $')
    assert 'at least' in c.say('short', r'\]> $')
    c.type('Long-enough-1\r')
    c.expect(r'again:\r\n.*> $')
    c.type('Long-enough-1\r')
    c.expect(r'host name of this machine:\r\n.*> $')
    assert 'at least two labels' in c.say('esa1', r'\]> $')
    for line in ('esa1.example.org', '', '', '', '', 'rcpt.test'):
        c.say(line, r'\]> $')
    c.say('127.0.0.1:%d' % sink.port, r'\[Y\]> $')
    out = c.say('', r'esa1.example.org> $')
    assert 'Changes committed: ' in out, out
    with _closing(g.smtp()) as m:
        assert m.banner[1].startswith('220 esa1.example.org')
        assert m.send('a@sender.test', 'b@rcpt.test', MESSAGE)[0] == 250
    wait_for('delivery', lambda: sink.messages)
    old = ok(g, 'settings show system; settings show interface')
    rc, out = run(g, 'resetconfig; commit reset', stdin='y\ny\n')
    assert rc == 0 and 'Changes committed' in out, out
    assert ok(g, 'settings show system; settings show interface') == old
    assert ok(g, 'settings show listener.InboundMail.rat') == 'listener.InboundMail.rat=ALL REJECT\n'
    rc, out = run(g, 'settings show route')
    assert 'does not exist' in out, out
    rc, out = run(g, 'resetconfig; commit', stdin='y\nn\n')
    assert 'There is no data to commit.' in out


def test_configuration_over_ssh(t):
    """From the network a session is confined to its own files: certificates go through control, files to /configuration (FW-02)."""
    d = tempfile.TemporaryDirectory(prefix='postern-key.')
    key = os.path.join(d.name, 'key')
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key], check=True)
    g = t.home(['user.demo.ssh_keys=' + open(key + '.pub').read().strip()])

    def over_ssh(line, stdin=''):
        r = subprocess.run(['ssh', '-F', '/dev/null', '-i', key, '-o', 'IdentitiesOnly=yes', '-o', 'IdentityAgent=none', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR',
                            '-o', 'BatchMode=yes', '-p', str(g.base + 22), 'demo@127.0.0.1', line], input=stdin, capture_output=True, text=True, timeout=30)
        return r.returncode, r.stdout + r.stderr
    wait_for('SSH', lambda: _connects('127.0.0.1', g.base + 22))
    rc, out = over_ssh('certconfig certificate new web web.example.org; certconfig certificate print; listenerconfig edit InboundMail certificate web;'
                       'listenerconfig new 2 Second Management 1 %d example.com n; listenerconfig edit Second hostaccess export hat.txt;'
                       'listenerconfig edit Second hostaccess import hat.txt; sslconfig verify HIGH; settz Europe/Berlin; routeconfig; etherconfig;'
                       'interfaceconfig edit Management hostname=x.example.org; commit ssh' % (g.base + 26))
    assert rc == 0 and 'Expires: ' in out and 'Changes committed: ' in out, out
    assert 'Warning: you may have come in through Management (from 127.0.0.1).' in out, out
    assert os.path.exists(os.path.join(g.home, 'configuration', 'hat.txt'))
    up(g.base + 26)
    rc, out = over_ssh('interfaceconfig edit Management ssh=no; commit', stdin='n\n')
    assert rc == 1 and 'close SSH on every interface' in out, out
    rc, out = over_ssh('listenerconfig edit InboundMail rcptaccess import ../conf/current')
    assert rc == 1, out
