"""Directories (real slapd): who exists, who may log in; failover, TLS, hostile addresses. Reputation by DNS."""
import base64, hashlib, re
from lib import *
from console import console, ok, run
from directory import *


def people(*more):
    salted = base64.b64encode(hashlib.sha1(b'secretsalt').digest() + b'salt').decode()
    return (person('ann', '{SSHA}' + salted, mailLocalAddress='ann@rcpt.test', mailRoutingAddress='ann@inside.test', memberOfGroup='sales') +
            person('bob', 'builder', mailLocalAddress='bob@rcpt.test', mailHost='127.0.0.1') + person('a*b') + ''.join(more))


def server(name, port, *more):
    return ['ldap_server.%s.%s' % (name, s) for s in ('hosts=127.0.0.1', 'port=%d' % port, 'base=' + BASE) + more]


def query(name, kind, server, filter, *more):
    return ['ldap_query[%s].%s' % (name, s) for s in ('kind=' + kind, 'server=' + server, 'filter=' + filter) + more]


OPEN = ['listener.InboundMail.rat=rcpt.test ACCEPT,free.test ACCEPT bypass-ldap']
ACCEPT = query('dir.accept', 'accept', 'dir', '(mail={a})') + ['listener.InboundMail.ldap_accept=dir.accept', 'listener.InboundMail.ldap_accept_when=conversation']


def test_accept_at_rcpt(t):
    """FW-19: recipients that the directory does not know are refused at RCPT, hostile addresses find nobody, an answer is kept,
    they count as a harvest;
    while the directory is away the sender is asked to come again: nobody is called unknown, nothing is lost."""
    d = Slapd(people())
    t.things.append(d)
    g = t.home(OPEN + server('dir', d.port, 'timeout_ms=2s', 'cache_s=1m') + ACCEPT + ['mail_flow_policy.ACCEPTED.harvest_limit=8'])
    c = g.smtp()
    assert c.cmd('MAIL FROM:<s@sender.test>')[0] == 250
    assert c.cmd('RCPT TO:<ann@rcpt.test>')[0] == 250
    r = c.cmd('RCPT TO:<nobody@rcpt.test>')
    assert r[0] == 550 and '5.1.1' in r[1], r
    assert c.cmd('RCPT TO:<a*@rcpt.test>')[0] == 550
    assert c.cmd('RCPT TO:<"*)(uid=ann"@rcpt.test>')[0] == 550
    assert c.cmd('RCPT TO:<a*b@rcpt.test>')[0] == 250
    assert c.cmd('RCPT TO:<nobody@free.test>')[0] == 250
    g.wait_log(r'MID \d+ ICID \d+ To: <nobody@rcpt.test> Rejected by LDAPACCEPT')
    # ten recipients in one packet share a connection
    c.cmd('RSET')
    c.raw(b'MAIL FROM:<s@sender.test>\r\n' + b''.join(b'RCPT TO:<%s@rcpt.test>\r\n' % n for n in [b'ann', b'x1', b'bob'] * 3))
    assert [c.reply()[0] for _ in range(10)] == [250] + [250, 550, 250] * 3
    h = g.smtp()
    h.cmd('MAIL FROM:<s@sender.test>')
    assert [h.cmd('RCPT TO:<y%d@rcpt.test>' % i)[0] for i in range(3)] + [h.reply()[0]] == [550, 550, 550, 421]
    g.wait_log('Dropping connection due to potential Directory Harvest Attack')
    d.stop()
    c.cmd('RSET')
    c.cmd('MAIL FROM:<s@sender.test>')
    assert c.cmd('RCPT TO:<ann@rcpt.test>')[0] == 250, 'kept'
    r = c.cmd('RCPT TO:<later@rcpt.test>')
    assert r[0] == 451, r
    assert 'LDAP cache flushed' in ok(g, 'ldapflush dir')
    assert c.cmd('RCPT TO:<ann@rcpt.test>')[0] == 451
    g.wait_log(r'LDAP: server dir host 127\.0\.0\.1 port %d cannot be used' % d.port, 'system_logs')


def test_login_and_questions(t):
    """FW-19: SMTP AUTH by log-in and by passphrase attribute, routing, group, masquerade, alias, user DN, chains and domains, each
    by ldaptest; no log-in without a passphrase."""
    d = Slapd(people())
    t.things.append(d)
    auth = 'auth=passphrase', 'bind_dn=' + ADMIN, 'passphrase=' + SECRET
    g = t.home(OPEN + server('dir', d.port, *auth) + server('away', free_port(), 'timeout_ms=1s') +
               query('dir.auth', 'smtpauth', 'dir', '(uid={u})') + query('dir.attr', 'smtpauth', 'dir', '(uid={u})', 'method=attribute', 'attribute=userPassword') +
               query('dir.routing', 'routing', 'dir', '(mailLocalAddress={a})', 'attribute=mailRoutingAddress', 'host_attribute=mailHost') +
               query('dir.group', 'group', 'dir', '(&(memberOfGroup={g})(mail={a}))') +
               query('dir.masq', 'masquerade', 'dir', '(mailRoutingAddress={a})', 'attribute=mailLocalAddress', 'name_attribute=cn') +
               query('dir.dn', 'userdn', 'dir', '(mail={a})') + query('dir.bob', 'accept', 'dir', '(&(uid=bob)(uid={u}))') +
               query('dir.quarantine', 'isqauth', 'dir', '(uid={u})', 'attribute=mail') + query('away.any', 'accept', 'away', '(mail={a})') +
               query('bad', 'accept', 'dir', '(mail={a})') +
               ['ldap_query.bad.base=dc=nowhere', 'ldap_query.both.form=chain', 'ldap_query.both.parts=dir.bob,dir.dn', 'ldap_query.by.form=domain',
                'ldap_query.by.parts=rcpt.test both,ALL away.any', 'log.ldap_debug.type=ldap', 'listener.InboundMail.smtp_auth=dir.auth'])

    def test(q, value, *more, stdin='', rc=0):
        got = run(g, ' '.join(['ldaptest', q, value, *more]), stdin=stdin)
        assert got[0] == rc, got
        return got[1]

    for q in ('dir.auth', 'dir.attr'):
        assert 'Result: matched' in test(q, 'ann', stdin='secret\n')
        assert 'Result: did not match' in test(q, 'ann', stdin='wrong\n')
        assert 'Result: matched' in test(q, 'bob', stdin='builder\n')
        assert 'Result: did not match' in test(q, 'nobody', stdin='secret\n')
    assert 'did not match' in test('dir.auth', 'ann', stdin='\n')
    g.wait_log(r'LDAP: \(dir\.auth\) Query \(uid=ann\) to server dir matched entries 1 in \d+ ms', 'ldap_debug')
    g.wait_log(r'LDAP: \(dir\.auth\) Login to server dir as uid=ann,%s refused: wrong passphrase' % BASE, 'ldap_debug')
    assert 'address: ann@rcpt.test' in test('dir.quarantine', 'ann', stdin='secret\n')
    assert 'recipient: ann@inside.test' in test('dir.routing', 'ann@rcpt.test')
    assert 'host: 127.0.0.1' in test('dir.routing', 'bob@rcpt.test')
    assert 'Result: matched' in test('dir.group', 'ann@rcpt.test', 'sales')
    assert 'Result: did not match' in test('dir.group', 'ann@rcpt.test', 'research')
    out = test('dir.masq', 'ann@inside.test')
    assert 'address: ann@rcpt.test' in out and 'name: ann' in out
    assert 'dn: uid=ann,' + BASE in test('dir.dn', 'ann@rcpt.test')
    assert 'Result: matched' in test('both', 'bob@rcpt.test') and 'dn: uid=ann' in test('by', 'ann@rcpt.test')
    assert 'did not match' in test('both', 'x@rcpt.test') and 'did not match' in test('bad', 'ann@rcpt.test')
    assert 'Result: failed: ' in test('by', 'ann@other.test', rc=1)
    c = g.smtp()
    c.starttls()
    c.cmd('EHLO client.test')
    plain = lambda u, p: c.cmd('AUTH PLAIN ' + base64.b64encode(('\0%s\0%s' % (u, p)).encode()).decode())
    assert plain('ann', 'wrong')[0] == 535
    assert plain('ann', 'secret')[0] == 235
    assert c.cmd('MAIL FROM:<ann@rcpt.test>')[0] == 250 and c.cmd('RCPT TO:<x@elsewhere.test>')[0] == 250
    g.wait_log(r'SMTP Auth: \(ICID \d+\) succeeded for user: ann using AUTH mechanism: PLAIN with profile: dir\.auth')
    d.stop()
    c = g.smtp()
    c.starttls()
    c.cmd('EHLO client.test')
    assert plain('ann', 'secret')[0] == 454
    g.wait_log(r'SMTP Auth \(ICID \d+\) LDAP query/user lookup failed for user: ann')


def test_tls_and_several_servers(t):
    """FW-20: the same by LDAPS and by STARTTLS with a certificate that fits; a wrong name, a strange authority or a server that
    stays silent is refused and the next host is asked (failover, balance). firewallinfo shows FW-19 and FW-20."""
    ca, other = Ca(), Ca()
    d, e = Slapd(people(), ca), Slapd(people(), other)
    t.things += [ca, other, d, e]
    silent = socket.create_server(('127.0.0.1', 0))
    dead, quiet = free_port(), silent.getsockname()[1]
    name, file = 'tls_name=ldap.example.test', 'ca_file=' + ca.pem
    kinds = {'ssl': server('ssl', d.tls_port, 'tls=ssl', name, file), 'start': server('start', d.port, 'tls=starttls', name, file),
             'name': server('name', d.tls_port, 'tls=ssl', 'tls_name=other.example.test', file),
             'ca': server('ca', e.tls_port, 'tls=ssl', name, file), 'castart': server('castart', e.port, 'tls=starttls', name, file),
             'over': server('over', d.port, 'timeout_ms=700ms')[1:] + ['ldap_server.over.hosts=127.0.0.1:%d,127.0.0.1:%d,127.0.0.1' % (dead, quiet)],
             'turn': server('turn', d.port, 'mode=balance', 'cache_s=0')[1:] + ['ldap_server.turn.hosts=127.0.0.1,127.0.0.1:%d' % e.port]}
    sets = [s for k in kinds.values() for s in k]
    for k in kinds:
        sets += query(k + '.q', 'accept', k, '(mail={a})')
    g = t.home(sets)
    for k in ('ssl', 'start', 'over', 'turn', 'turn'):
        assert 'Result: matched' in ok(g, 'ldaptest %s.q ann@rcpt.test' % k), k
    for k in ('name', 'ca', 'castart'):
        rc, out = run(g, 'ldaptest %s.q ann@rcpt.test' % k)
        assert rc == 1 and 'Result: failed: TLS failed' in out, (k, out)
    e.stop()
    assert all('Result: matched' in ok(g, 'ldaptest turn.q x%d@rcpt.test' % i).replace('did not match', 'matched') for i in range(4))
    out = ok(g, 'firewallinfo')
    assert re.search(r'(?m)^%d +LDAP +out +127\.0\.0\.1' % d.port, out) and re.search(r'(?m)^%d +LDAPS +out +127\.0\.0\.1' % d.tls_port, out), out
    silent.close()


def test_reputation(t):
    """FW-07a: the score of a peer comes by DNS, is shown as SBRS, and selects its sender group and policy."""
    nsd = t.nsd({'score.test': '@ NS ns\nns A 127.0.0.1\n9.2.0.192 TXT "-4.3"\n8.2.0.192 TXT "sbrs=2.5"\n7.2.0.192 TXT "hello"\n5.2.0.192 A 127.0.0.2\n'})
    g = t.home(OPEN + ['reputation.zone=score.test', 'dns.domain_servers=score.test 127.0.0.1@%d' % nsd.port, 'receiving.reverse_dns=no',
                       'sender_group.BLOCKLIST.members=sbrs[-10.0:-3.0]', 'sender_group.UNKNOWNLIST.members=sbrs[1:10.0],sbrs[none],ALL'])
    for ip in ('192.0.2.9', '192.0.2.8', '192.0.2.7', '192.0.2.6', '10.1.1.1'):
        c = g.smtp()
        r = c.cmd('XCLIENT ADDR=' + ip)
        assert r[0] == (554 if ip.endswith('.9') else 220), (ip, r)
        c.close()
    g.wait_log(r'REJECT SG BLOCKLIST match sbrs\[-10\.0:-3\.0\] SBRS -4\.3')
    g.wait_log(r'ACCEPT SG UNKNOWNLIST match sbrs\[1:10\.0\] SBRS 2\.5')
    g.wait_log(r'ACCEPT SG UNKNOWNLIST match sbrs\[none\] SBRS None')
    g.wait_log(r'ACCEPT SG \S+ match sbrs\[none\] SBRS rfc1918')


def test_in_the_work_queue(t):
    """FW-19: in the work queue unknown recipients bounce, others get the address or the mail host that the directory has for them,
    senders are masqueraded in envelope and header by directory and table; while the directory is away mail waits and is
    delivered when it is back."""
    inside, host = t.sink(), t.sink()
    d = Slapd(people(person('hosty', mailLocalAddress='hosty@rcpt.test', mailHost='127.0.0.1:%d' % host.port),
                     person('dave', mailLocalAddress='dave@public.test', mailRoutingAddress='dave@private.test')))
    t.things.append(d)
    g = t.home(OPEN + server('dir', d.port, 'timeout_ms=1s', 'cache_s=1s') + query('dir.accept', 'accept', 'dir', '(mail={a})') +
               query('dir.routing', 'routing', 'dir', '(&(!(uid=bob))(mailLocalAddress={a}))', 'attribute=mailRoutingAddress', 'host_attribute=mailHost') +
               query('dir.masq', 'masquerade', 'dir', '(mailRoutingAddress={a})', 'attribute=mailLocalAddress', 'name_attribute=cn') +
               ['listener.InboundMail.' + s for s in ('ldap_accept=dir.accept', 'ldap_routing=dir.routing', 'ldap_masquerade=dir.masq',
                                                      'masquerade=@.old.test @new.test', 'masquerade_headers=sender,from,cc')] +
               ['bounce_profile.default.retry_first_ms=300'] +
               ['route[%s].hosts=127.0.0.1:%d' % (x, inside.port) for x in ('rcpt.test', 'inside.test', 'free.test', 'private.test')])
    c = g.smtp()
    text = b'From: "D" <dave@private.test>\r\nTo: ann@rcpt.test\r\nCc: Old One (x) <one@a.old.test>,\r\n two@b.old.test\r\nSubject: q\r\n\r\nhello\r\n'
    rcpts = ['ann@rcpt.test', 'nobody@rcpt.test', 'bob@rcpt.test', 'hosty@rcpt.test', 'nobody@free.test']
    assert c.send('dave@private.test', rcpts, text)[0] == 250
    got = lambda s: {r: m for m in s.messages for r in m['rcpts']}
    wait_for('all', lambda: {'ann@inside.test', 'bob@rcpt.test', 'nobody@free.test', 'dave@private.test'} <= set(got(inside)) and got(host), 20)
    assert set(got(host)) == {'hosty@rcpt.test'} and 'nobody@rcpt.test' not in got(inside) and 'ann@rcpt.test' not in got(inside)
    m = got(inside)['ann@inside.test']
    assert m['sender'] == 'dave@public.test' and b'From: "dave" <dave@public.test>\r\n' in m['data'], m
    assert b'Cc: Old One (x) <one@new.test>,\r\n two@new.test\r\n' in m['data'] and b'To: ann@rcpt.test\r\n' in m['data'], m['data']
    assert not got(inside)['dave@private.test']['sender'] and b'nobody@rcpt.test' in got(inside)['dave@private.test']['data']
    g.wait_log(r'LDAP: Bounce query dir\.accept MID \d+ RID \d+ address nobody@rcpt\.test')
    g.wait_log(r"LDAP: Reroute query dir\.routing MID \d+ RID \d+ address ann@rcpt\.test to \[\('ann@inside\.test', ''\)\]")
    g.wait_log(r'LDAP: Mailhost query dir\.routing MID \d+ RID \d+ address hosty@rcpt\.test to 127\.0\.0\.1:%d' % host.port)
    g.wait_log(r"MID \d+ masquerading envelope sender from 'dave@private\.test' to 'dave@public\.test'")
    d.stop()
    n = len(inside.messages)
    ok(g, 'ldapflush')
    assert c.send('x@sender.test', 'bob@rcpt.test', MESSAGE)[0] == 250
    g.wait_log(r'LDAP: unable to process, MID \d+ requeued')
    assert len(inside.messages) == n
    d.start()
    wait_for('the one that waited', lambda: len(inside.messages) > n, 40)


def test_by_hand(t):
    """FW-19: an administrator makes a server and its queries with ldapconfig, tries one with ldaptest and lets a listener use it;
    what is wrong is said at once or at the commit, and a passphrase is never shown. An operator may not edit servers."""
    d = Slapd(people())
    t.things.append(d)
    g = t.home(OPEN)
    c = console(t, g)
    c.say('ldapconfig', r'\[\]> $')
    c.say('new', 'name for the LDAP server:[^>]*> $')
    c.say('dir', 'server type[^>]*> $')
    c.say('3', 'host names or addresses[^>]*> $')
    c.say('127.0.0.1', 'port number[^>]*> $')
    c.say(str(d.port), 'SSL[^>]*> $')
    c.say('', 'authentication method[^>]*> $')
    c.say('2', r'bind username[^>]*> $')
    c.say(ADMIN, 'passphrase[^>]*> $')
    c.say(SECRET, '> $')
    c.say(SECRET, 'base[^>]*> $')
    c.say(BASE, r'TEST - [^>]*> $')
    shown = c.say('ldapaccept', 'query string[^>]*> $')
    assert 'Query name: dir.accept' in shown and 'mailLocalAddress={a}' in shown, shown
    c.say('(mail={a})', '> $')
    shown = c.say('', r'TEST - [^>]*> $')
    assert SECRET not in c.all.replace(SECRET + '\r', ''), 'echoed'
    c.say('', r'ADVANCED - [^>]*> $')
    c.say('', r'(?<!\])> $')
    c.say('commit -y', r'(?<!\])> $')
    assert 'Result: matched' in ok(g, 'ldaptest dir.accept ann@rcpt.test')
    ok(g, 'ldapconfig edit dir smtpauth filter=(uid={u}) method=bind; ldapconfig setup InboundMail ldap_accept=dir.accept '
          'ldap_accept_when=conversation smtp_auth=dir.smtpauth; commit')
    s = g.smtp()
    s.cmd('MAIL FROM:<s@sender.test>')
    assert s.cmd('RCPT TO:<ann@rcpt.test>')[0] == 250 and s.cmd('RCPT TO:<zz@rcpt.test>')[0] == 550
    rc, out = run(g, 'ldapconfig edit dir ldapaccept filter=(mail={a}; commit')
    assert rc == 1 and 'ldap_query.dir.accept.filter: column' in out, out
    rc, out = run(g, 'ldapconfig delete dir; commit')
    assert rc == 1 and 'in use' in out, out
    assert SECRET not in ok(g, 'showconfig') and SECRET not in g.log('cli_logs') + g.log('system_logs')
    ok(g, 'settings set user.op.role=operator user.op.full_name=Op')
    assert run(g, 'ldapconfig', user='op')[0] == 1
