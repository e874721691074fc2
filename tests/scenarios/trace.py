"""The verb trace: what would become of a message, by the code that judges real ones, and nothing comes of it."""
import json, os, re, subprocess

from console import Terminal
from lib import POSTERN, Sink, wait_for

SETTINGS = ['message_filter.hold.text=hold: if (subject == "^hold") { quarantine("Policy"); }',
            'message_filter.gone.text=gone: if (subject == "^drop") { drop(); }',
            'mail_policy.VIP.recipients=boss@rcpt.test',
            'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT',
            'alias.team@rcpt.test.to=a@rcpt.test,b@rcpt.test']
TEXT = 'From: anna@sender.test\nTo: boss@rcpt.test\nSubject: %s\n\nsee https://Example.COM/x\n'


class Tracing:
    def __init__(self, g):
        self.g = g

    def file(self, name, text):
        d = os.path.join(self.g.home, 'configuration')
        os.makedirs(d, exist_ok=True)
        with open(os.path.join(d, name), 'w') as f:
            f.write(text)

    def line(self, name, to='boss@rcpt.test', more=''):
        return 'trace --ip 192.0.2.4 --rdns mx.sender.test --from anna@sender.test --to %s --file %s %s' % (to, name, more)

    def json(self, name, to='boss@rcpt.test', more=''):
        return json.loads(self.g.cli(self.line(name, to, more + ' --json')))


def test_trace_agrees_with_smtp(t):
    """A traced message meets the sender group, mail policy, filter, quarantine and next hop that it meets by SMTP; changes not
    committed count; nothing is delivered, counted or logged; bad words are answered."""
    sink = t.sink()
    g = t.home(SETTINGS, sink_port=sink.port)
    tr = Tracing(g)
    for name in ('hold', 'drop', 'plain'):
        tr.file(name, TEXT % name)
    before = g.cli('status detail')
    counted = lambda s: re.findall(r'(?:Messages|Recipients) Received\s+[\d,]+', s)
    mid = lambda: [int(n) for n in re.findall(r'MID (\d+)', g.log())]

    r = tr.json('hold', 'boss@rcpt.test,team@rcpt.test,x@nowhere.test')
    assert [(x['address'], x['policy'], x['action'], x['quarantines']) for x in r['recipients']] == [
        ('x@nowhere.test', '', 'refuse', []), ('boss@rcpt.test', 'VIP', 'quarantine', ['Policy']),
        ('a@rcpt.test', 'DEFAULT', 'quarantine', ['Policy']), ('b@rcpt.test', 'DEFAULT', 'quarantine', ['Policy'])], r
    assert r['connection']['group'] == 'UNKNOWNLIST' and r['connection']['policy'] == 'ACCEPTED' and r['smtp']['code'] == 250
    assert {'stage': 'message filters', 'verdict': 'match', 'name': 'hold'} in r['recipients'][1]['steps']
    assert r['urls'] == ['https://example.com/x'] and r['parts'][0]['type'] == 'text/plain'
    assert r['headers_added'][0].startswith('Authentication-Results: ')
    assert set(r) == {'listener', 'connection', 'smtp', 'auth', 'parts', 'urls', 'dlp', 'bounce', 'recipients', 'action', 'headers_added'}
    assert tr.json('drop')['action'] == 'drop' and tr.json('plain')['recipients'][0]['next_hop'] == '127.0.0.1:%d' % sink.port
    r = tr.json('plain', 'x@nowhere.test')
    assert r['action'] == 'refuse' and r['smtp']['code'] == 550, r

    # a filter that is staged counts, and nothing of it stays
    out = g.cli("filters new \"s: if (subject == 'plain') { bounce(); }\"; " + tr.line('plain'), check=False)
    assert 'Action:                bounce' in out, out
    assert tr.json('plain')['action'] == 'deliver'

    # sections in their order
    out = g.cli(tr.line('plain', more='--message'))
    heads = ['Host access', 'Envelope sender', 'Recipients', 'Pre-queue', 'Work queue', '  Message Enqueued for Delivery', 'Delivery', 'Final result']
    places = [('\n' + out).index('\n%s\n' % h) for h in heads]
    assert places == sorted(places) and 'Subject: plain' in out, out
    assert g.cli('trace --orgdomain a.b.example.co.uk').strip() == 'example.co.uk'
    r = subprocess.run([POSTERN, 'cli', '--home', g.home, tr.line('-', more='--json')], input=TEXT % 'drop', capture_output=True, text=True, env=g.env)
    assert json.loads(r.stdout)['action'] == 'drop', r

    # mistakes are said
    for line, word in ((tr.line('none'), 'does not exist'), (tr.line('plain').replace('192.0.2.4', '192.0.2'), 'no IP address'),
                       (tr.line('plain', more='--listener Other'), 'does not exist'), (tr.line('plain', more='--nonsense'), 'Invalid arguments'),
                       (tr.line('plain', more='--reputation 11'), 'from -10.0 to 10.0'), ('trace --ip 192.0.2.1', 'Invalid arguments')):
        assert word in g.cli(line, check=False), line
    r = tr.json('plain', 'nodomain')
    assert r['smtp']['code'] == 501, r

    # nothing came of all this
    assert not sink.messages and not mid() and counted(g.cli('status detail')) == counted(before), g.log()

    # the same by SMTP
    c = g.smtp()
    for name in ('hold', 'drop', 'plain'):
        assert c.send('anna@sender.test', ['boss@rcpt.test', 'team@rcpt.test'], (TEXT % name).replace('\n', '\r\n').encode())[0] == 250
    assert c.send('anna@sender.test', 'x@nowhere.test', b'x\r\n')[0] == 550
    c.quit()
    wait_for('the plain message', lambda: sum(len(m['rcpts']) for m in sink.messages) == 3)
    g.wait_log(r"Dropped by filter 'gone'")
    log = wait_for('two held messages', lambda: (lambda l: l if len(re.findall(r'quarantined to "Policy"', l)) == 2 else None)(g.log()))
    assert len(re.findall(r'matched all recipients for per-recipient policy VIP', log)) == 2 and len(re.findall(r'matched all recipients for per-recipient policy DEFAULT', log)) == 2, log
    assert 'MID 0' not in log and mid()[0] == 1 and len(sink.messages) == 2, log


def test_trace_by_questions(t):
    """Dialogue: questions in their order, defaults of the first round are the answers of the one before."""
    g = t.home(SETTINGS)
    tr = Tracing(g)
    tr.file('m.eml', TEXT % 'hold')
    c = Terminal([POSTERN, 'cli', '--home', g.home], env=g.env)
    t.things.append(c)
    c.expect(r'> $')
    assert 'source IP' in c.say('trace')
    assert 'host name' in c.say('192.0.2.4')
    assert '1. ' in c.say('mx.sender.test')
    assert '[look up]> ' in c.say('1')
    assert '[look up]> ' in c.say('')
    assert 'sender' in c.say('-2.0')
    assert 'recipient' in c.say('anna@sender.test')
    assert 'Load the message' in c.say('boss@rcpt.test')
    c.say('')
    assert 'does not exist' in c.say('other.eml')
    out = c.say('m.eml')
    assert re.search(r'Reputation: +-2.0', out) and 'quarantine [Policy]' in out and out.endswith('See the resulting message? [Y]> '), out
    out = c.say('')
    assert 'Subject: hold' in out and out.endswith('Run another trace? [N]> '), out
    assert '[192.0.2.4]> ' in c.say('y')
    for want in (r'\[mx.sender.test\]> $', r'\[1\]> $', r'\[look up\]> $', r'\[-2.0\]> $', r'\[anna@sender.test\]> $', r'\[boss@rcpt.test\]> $', r'\[Y\]> $'):
        c.say('', want)
    assert 'end.' in c.say('n', r'end\.\r\n')
    c.type('Subject: plain\r\r')
    out = c.say('.', r'\[Y\]> $')
    assert 'Message Enqueued for Delivery' in out and 'deliver: <boss@rcpt.test>' in out, out
    assert 'Run another' in c.say('n')
    c.say('')
