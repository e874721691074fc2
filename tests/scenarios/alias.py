"""Aliases: recipients that stand for others, and the command aliasconfig that keeps them."""
import os, re

from console import Terminal
from lib import MESSAGE, POSTERN, wait_for

RAT = 'listener.InboundMail.rat=ours.test,gone.test,ALL REJECT'


def alias(name, *to):
    return 'alias[%s].to=%s' % (name, ','.join(to))


def rcpts(sink):
    return sorted(r for m in sink.messages for r in m['rcpts'])


def refused(g, line, *reasons):
    out = g.cli(line, check=False)
    for r in reasons:
        assert r in out, (line, out)
    assert 'Changes committed' not in out, out


def test_mail_for_an_alias_arrives_once_at_each_target(t):
    """Aliases among targets are expanded, an address that comes twice gets the mail once, targets may be anywhere, and a DSN
    would still name the recipient the sender wrote (ORCPT, RFC 3461 4.2)."""
    sink = t.sink()
    g = t.home([RAT, alias('team@ours.test', 'ann@inside.test', 'leads@ours.test', 'carl@far.test'),
                alias('leads@ours.test', 'dora@inside.test', 'ann@inside.test'), alias('@gone.test', 'keeper@ours.test')],
               sink_port=sink.port)
    c = g.smtp()
    assert c.send('a@sender.test', ['ann@inside.test'], MESSAGE)[0] == 550
    c.cmd('RSET')
    assert c.send('a@sender.test', ['Team@Ours.test', 'dora@ours.test', 'leads@ours.test', 'x@gone.test'], MESSAGE)[0] == 250
    want = ['ann@inside.test', 'carl@far.test', 'dora@inside.test', 'dora@ours.test', 'keeper@ours.test']
    wait_for('five recipients', lambda: len(rcpts(sink)) >= 5)
    assert rcpts(sink) == want, rcpts(sink)
    lines = ' '.join(l for m in sink.messages for l in m['rcpt_lines'])
    assert 'TO:<carl@far.test> ORCPT=rfc822;Team@ours.test' in lines, lines
    assert 'TO:<keeper@ours.test> ORCPT=rfc822;x@gone.test' in lines, lines
    g.wait_log(r"Alias match: MID \d+ RID 0 recipient Team@ours.test mapped to \['ann@inside.test', 'dora@inside.test', 'carl@far.test'\]")
    del sink.messages[:]
    assert c.send('a@sender.test', 'leads@ours.test', MESSAGE)[0] == 250
    wait_for('the second message', lambda: len(rcpts(sink)) >= 2)
    assert all(b'for <leads@ours.test>' in m['data'] for m in sink.messages)


def test_dev_null_drops_mail_and_says_so(t):
    """A recipient whose alias is /dev/null is taken and dropped; a message that has no other is not even stored."""
    sink = t.sink()
    g = t.home([RAT, alias('off@ours.test', '/dev/null')], sink_port=sink.port)
    c = g.smtp()
    assert c.send('a@sender.test', 'off@ours.test', MESSAGE)[0] == 250
    g.wait_log(r"Alias match: MID (\d+) RID 0 recipient off@ours.test mapped to \['/dev/null'\]")
    g.wait_log(r'Message aborted MID \d+ Dropped by alias')
    assert c.send('a@sender.test', ['off@ours.test', 'b@ours.test'], MESSAGE)[0] == 250
    wait_for('the other recipient', lambda: sink.messages)
    assert rcpts(sink) == ['b@ours.test']


def test_an_alias_opens_no_relay(t):
    """HD-07: the name of an alias must be accepted by the RAT as any recipient; limits of the policy hold for its targets."""
    g = t.home([RAT, alias('a@foreign.test', 'b@ours.test'), alias('many@ours.test', *('u%d@far.test' % i for i in range(4))),
                'mail_flow_policy.ACCEPTED.max_recipients=3'], sink_port=t.sink().port)
    c = g.smtp()
    c.cmd('MAIL FROM:<a@sender.test>')
    assert c.cmd('RCPT TO:<a@foreign.test>')[1].startswith('550 5.7.1')
    assert c.cmd('RCPT TO:<u1@far.test>')[1].startswith('550 5.7.1')
    assert c.cmd('RCPT TO:<many@ours.test>') == (452, '452 4.5.3 too many recipients')
    assert c.cmd('RCPT TO:<b@ours.test>')[0] == 250


def test_aliasconfig_in_one_line(t):
    """Batch form: an alias made, changed and removed; names, targets and loops that cannot be are refused with the reason."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    g.cli('aliasconfig new sales@ours.test to=ann@far.test,bob@far.test "comment=the sales team"; commit "an alias"')
    c = g.smtp()
    assert c.send('a@sender.test', 'sales@ours.test', MESSAGE)[0] == 250
    wait_for('both', lambda: rcpts(sink) == ['ann@far.test', 'bob@far.test'])
    refused(g, 'aliasconfig new sales@ours.test to=x@far.test; commit x', 'An alias sales@ours.test exists already.')
    refused(g, 'aliasconfig new a@ours.test to=bob; commit x', '"bob" is no address and not /dev/null')
    refused(g, 'aliasconfig new "a b@ours.test" to=b@far.test; commit x', 'is no address')
    refused(g, 'aliasconfig new a@ours.test; commit x', 'Invalid arguments')
    refused(g, 'aliasconfig new a@ours.test to=b@far.test listener=Nobody; commit x', 'listener "Nobody" does not exist')
    refused(g, 'aliasconfig new a@ours.test to=a@ours.test; commit x', 'alias[a@ours.test].to: leads back to itself')
    refused(g, 'aliasconfig new a@ours.test to=sales@ours.test; aliasconfig edit sales@ours.test to=a@ours.test; commit x',
            'leads back to itself')
    refused(g, 'settings set alias[l@ours.test].to=l@ours.test', 'alias[l@ours.test].to: leads back to itself')
    out = g.cli('aliasconfig edit sales@ours.test to=/dev/null listener=InboundMail; aliasconfig print; commit x')
    assert '# comment: the sales team\n# listeners: InboundMail\nsales@ours.test: /dev/null\n' in out, out
    refused(g, 'listenerconfig delete InboundMail; commit x', 'alias')
    out = g.cli('aliasconfig delete sales@ours.test; aliasconfig; commit x')
    assert 'There are currently 0 aliases configured.' in out, out
    refused(g, 'aliasconfig delete sales@ours.test; commit x', 'does not exist')


def test_aliases_as_a_file(t):
    """EXPORT writes a file that IMPORT reads back to the same aliases; a file with a mistake changes nothing and its line is
    named; thousands of aliases are imported in one go."""
    g = t.home([RAT, alias('a@ours.test', 'b@far.test', 'c@far.test'), 'alias[a@ours.test].comment=first', alias('@gone.test', '/dev/null'),
                'alias[@gone.test].listener=InboundMail'])
    out = g.cli('aliasconfig export out.txt; aliasconfig clear; aliasconfig import out.txt; commitdetail; aliasconfig print', check=False)
    path = os.path.join(g.home, 'configuration', 'out.txt')
    if not os.path.exists(path):
        path = 'out.txt'
    text = open(path).read()
    assert text == '# comment: first\na@ours.test: b@far.test, c@far.test\n# listeners: InboundMail\n@gone.test: /dev/null\n', text
    assert '2 aliases imported.' in out and out.endswith(text), out
    with open(path, 'w') as f:
        f.write('a@ours.test: b@far.test\nb@ours.test: nobody\n')
    refused(g, 'aliasconfig import %s; commit x' % path, 'line 2: "nobody" is no address')
    with open(path, 'w') as f:
        f.write('a@ours.test: b@ours.test\nb@ours.test: a@ours.test\n')
    refused(g, 'aliasconfig import %s; commit x' % path, 'alias[a@ours.test].to: leads back to itself')
    assert 'b@ours.test' not in g.cli('aliasconfig print')
    with open(path, 'w') as f:
        for i in range(5000):
            f.write('user%d@ours.test: u%d@far.test\n' % (i, i))
    assert '5000 aliases imported.' in g.cli('aliasconfig import %s; commit x' % path)


def test_aliasconfig_by_questions(t):
    """Dialogue: a bad name, bad targets and a loop get one line and the same question again; Ctrl-C changes nothing."""
    g = t.home([RAT])
    c = Terminal([POSTERN, 'cli', '--home', g.home], env=g.env)
    t.things.append(c)
    c.expect(r'> $')
    out = c.say('aliasconfig')
    assert 'There are currently 0 aliases configured.' in out and '- NEW - Create a new alias' in out and 'DELETE' not in out
    c.say('new')
    assert 'is no address, user or @domain' in c.say('a b')
    c.say('sales@ours.test')
    assert '"bob" is no address and not /dev/null' in c.say('bob')
    assert 'leads back to itself' in c.say('sales@ours.test')
    assert 'Enter the listeners' in c.say('ann@far.test, bob@far.test')
    c.say('')
    assert 'Choose the operation' in c.say('the team')
    assert 'sales@ours.test: ann@far.test, bob@far.test' in c.say('print')
    c.say('edit')
    out = c.say('1')
    assert out.endswith('[ann@far.test,bob@far.test]> '), repr(out)
    c.say('carl@far.test')
    c.type('\x03')
    c.expect(r'> $')
    assert 'alias' not in c.say('commitdetail')
