"""The command filters: message filters made, read from files, ordered, switched; what is wrong is said with its place."""
import base64, io, os, zipfile

from console import Terminal
from lib import POSTERN, wait_for

TEXT = '''# two filters
big_mail: if (body-size > 2M and not (rcpt-to == "boss@")) {
    log-entry("too big");
    drop();
}
words: if (dictionary-match("secrets", 3)) { no-op(); } else { deliver(); }
'''


def rows(out):
    """The table of `filters list`: [number, active, valid, name]."""
    lines = out.splitlines()
    return [l.split() for l in lines[lines.index('Num Active Valid Name') + 1:] if l.strip()]


def refused(g, line, *reasons):
    out = g.cli(line, check=False)
    for r in reasons:
        assert r in out, (line, out)
    assert 'Changes committed' not in out, out


def test_filters_in_one_line(t):
    """Batch forms of every operation; a filter that names a dictionary is valid once that exists; a text that cannot be read
    is refused with line, column and what was expected, by the command and by a commit of settings, and nothing changes."""
    g = t.home([])
    path = os.path.join(g.dir, 'filters.txt')
    with open(path, 'w') as f:
        f.write(TEXT)
    out = g.cli('filters import %s; filters list; commit "filters"' % path)
    assert '2 filters imported.' in out, out
    assert rows(out.split('Changes')[0])[:2] == [['1', 'Y', 'Y', 'big_mail'], ['2', 'Y', 'N', 'words']], out
    out = g.cli('filters detail words')
    assert 'words: if (dictionary-match("secrets", 3)) { no-op(); } else { deliver(); }' in out, out
    assert 'This filter does not run: there is no dictionary "secrets".' in out, out
    g.cli('settings', 'set', 'dictionary.secrets.terms=plan')
    assert rows(g.cli('filters list'))[1] == ['2', 'Y', 'Y', 'words']

    out = g.cli("filters new \"third: if (true) { log-entry('x'); }\"; filters set 3 0; filters move third 1; filters list; commit c")
    assert '1 filter added.' in out and '1 filter updated.' in out and '1 filter moved.' in out, out
    assert [r[1:] for r in rows(g.cli('filters list'))] == [['N', 'Y', 'third'], ['Y', 'Y', 'big_mail'], ['Y', 'Y', 'words']]
    g.cli('filters move 1-2 3; commit c')
    assert [r[3] for r in rows(g.cli('filters list'))] == ['words', 'third', 'big_mail']

    # an export read back gives the same filters, and the one that was off stays off
    g.cli('filters export %s; filters import %s; commit c' % (path, path), check=False)
    assert [r[1:] for r in rows(g.cli('filters list'))] == [['Y', 'Y', 'words'], ['N', 'Y', 'third'], ['Y', 'Y', 'big_mail']]
    g.cli('filters set all 1; commit c')
    assert [r[1] for r in rows(g.cli('filters list'))] == ['Y', 'Y', 'Y']

    # mistakes
    before = g.cli('settings show message_filter')
    refused(g, "filters new \"bad: if (subjct == 'a') { drop(); }\"; commit x",
            "line 1, column 10: expected a rule, found 'subjct'; did you mean 'subject'?.")
    with open(path, 'w') as f:
        f.write(TEXT + 'next: if (true) {\n    drop()\n}\n')
    refused(g, 'filters import %s; commit x' % path, "line 9, column 1: expected ';', found '}'.")
    refused(g, "filters new \"third: if (true) { drop(); }\"; commit x", 'A filter third exists already.')
    refused(g, 'filters set 9 1; commit x', '9')
    refused(g, 'filters set 1 maybe; commit x', 'The value must be active (1) or inactive (0).')
    out = g.cli('settings', 'set', 'message_filter.third.text=third: if (true) { drop() }', check=False)
    assert "message_filter[third].text: line 1, column 27: expected ';', found '}'" in out, out
    assert g.cli('settings show message_filter') == before

    out = g.cli('filters delete 2-3; filters delete words; filters; commit c', check=False)
    assert '2 filters deleted.' in out and '1 filter deleted.' in out, out
    assert 'does not exist' in g.cli('settings show message_filter', check=False)


def test_filters_by_questions(t):
    """Dialogue: a text ended by a dot alone; a mistake leaves the menu as it was; operations on nothing are not offered."""
    g = t.home([])
    c = Terminal([POSTERN, 'cli', '--home', g.home], env=g.env)
    t.things.append(c)
    c.expect(r'> $')
    out = c.say('filters')
    assert '- NEW - Create a new filter' in out and 'DELETE' not in out and 'LIST' not in out, out
    assert 'Enter filter script.' in c.say('new', r'end\.\r\n')
    c.type('one: if (recv-listener == "x") {\r')
    c.type('  drop();\r')
    c.type('}\r')
    out = c.say('.')
    assert '1 filter added.' in out and '- DETAIL - ' in out, out
    c.say('new', r'end\.\r\n')
    c.type('two: if (true) { bounce( }\r')
    out = c.say('.')
    assert "line 1, column 26: expected" in out and '- NEW - ' in out, out
    out = c.say('list')
    assert 'Num Active Valid Name' in out and '  1   Y      Y   one' in out and 'two' not in out, out
    assert 'filter name, number, or range' in c.say('set')
    assert 'does not exist' in c.say('7')
    c.say('1')
    assert '1 filter updated.' in c.say('inactive')
    assert '  1   N      Y   one' in c.say('list')


RUN = {
    'tagged': '(subject == "^offer" and remote-ip == "127.0.0.0/8" and recv-listener == "InboundMail") {{ insert-header("X-Offer", "yes"); }}',
    'zipped': '(attachment-filename == "invoice") {{ log-entry("invoice inside"); insert-header("X-Invoice", "yes"); }}',
    'added': '(header("X-Offer")) {{ insert-header("X-Seen", "yes"); }}',
    'first_host': '(header("X-Route")) {{ alt-mailhost("127.0.0.1:1"); }}',
    'last_host': '(header("X-Route") == "now") {{ alt-mailhost("127.0.0.1:{port}"); }}',
    'bad': '(body-contains("evil", 2)) {{ drop(); }}',
    'returned': '(mail-from == "^back@" and body-size < 1M and workqueue-count >= 0) {{ bounce(); }}',
    'slow': '(body-contains("(a+)+b")) {{ drop(); }}',
    'enough': '(rcpt-count > 1) {{ skip-filters(); }}',
    'others': '(true) {{ insert-header("X-Others", "yes"); }}',
}


def zip_of(name):
    b = io.BytesIO()
    with zipfile.ZipFile(b, 'w') as z:
        z.writestr(name, 'pay now')
    return base64.encodebytes(b.getvalue()).decode().replace('\n', '\r\n')


def mail(subject, body='text\r\n', header=''):
    return ('From: a@sender.test\r\nSubject: %s\r\nMessage-ID: <%s@sender.test>\r\n%s\r\n%s' % (subject, subject, header, body)).encode()


def test_filters_run_on_every_message(t):
    """Filters in order on real mail: what is added, routed, dropped and bounced, what later filters see, names of files in
    archives; an expression that explodes is no match, is logged and raises an alert, and mail flows on."""
    sink = t.sink()
    g = t.home(['message_filter.%s.text=%s: if %s' % (n, n, f.format(port=sink.port)) for n, f in RUN.items()] +
               ['listener.InboundMail.rat=ALL ACCEPT'], sink_port=sink.port)
    c = g.smtp()

    def deliver(data, sender='a@sender.test', to=('b@ours.test',)):
        del sink.messages[:]
        assert c.send(sender, list(to), data)[0] == 250
        wait_for('the message', lambda: sink.messages, 30)
        return sink.messages[0]['data']

    got = deliver(mail('offer of the week'))
    assert b'X-Offer: yes' in got and b'X-Seen: yes' in got and b'X-Others: yes' in got and b'X-Invoice' not in got, got
    parts = ('--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--b\r\nContent-Type: application/zip; name=x.zip\r\n'
             'Content-Disposition: attachment; filename=x.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n')
    kind = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n'
    got = deliver(mail('files', parts % zip_of('Invoice 7.txt'), kind))
    assert b'X-Invoice: yes' in got and b'X-Offer' not in got, got
    g.wait_log(r'MID \d+ Custom Log Entry: invoice inside')
    assert b'X-Invoice' not in deliver(mail('files', parts % zip_of('letter.txt'), kind))
    assert b'X-Others' in deliver(mail('route', header='X-Route: now\r\n'))
    assert b'X-Others' not in deliver(mail('two'), to=('b@ours.test', 'c@ours.test'))

    del sink.messages[:]
    assert c.send('a@sender.test', ['b@ours.test'], mail('x', 'EVIL and evil\r\n'))[0] == 250
    g.wait_log(r"Message aborted MID \d+ Dropped by filter 'bad'")
    assert b'X-Others' in deliver(mail('one evil', 'evil\r\n'))
    bounce = deliver(mail('back'), sender='back@sender.test')
    assert b'Content-Type: multipart/report' in bounce, bounce
    slow = deliver(mail('slow', 'a' * 76 + '\r\nc b\r\n'))
    assert b'X-Others: yes' in slow
    g.wait_log(r"MID \d+ the regular expression '\(a\+\)\+b' takes too long, treated as no match")
    wait_for('the alert', lambda: 'takes too long' in g.cli('displayalerts'))
