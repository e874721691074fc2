"""What filters and mail policies do to mail that goes through: each action on a delivered, dropped, bounced or held message."""
import re

from console import console
from lib import wait_for

RAT = 'listener.InboundMail.rat=ours.test,ALL REJECT'


def mail(subject, body=b'Text\r\n', more=b''):
    return b'From: Ann <ann@x.test>\r\nTo: bob@ours.test\r\nSubject: ' + subject.encode() + b'\r\n' + more + b'\r\n' + body


FILES = (b'--b\r\nContent-Type: text/plain\r\n\r\nBody\r\n--b\r\nContent-Type: application/pdf; name="invoice.pdf"\r\n'
         b'Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--b\r\nContent-Type: text/plain; name="note.txt"\r\n\r\n'
         b'top secret\r\n--b--\r\n')
MIXED = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n'
HTML = b'MIME-Version: 1.0\r\nContent-Type: text/html\r\n'

# name, action, text and further header of the message, what a delivered message then holds, and what it does not
DELIVERED = [
    ('insert', 'insert-header("X-Seen", "$MID by $FilterName");', None, b'', [b'X-Seen: {mid} by insert\r\n'], []),
    ('strip', 'strip-header("X-Gone");', None, b'X-Gone: 1\r\n', [], [b'X-Gone']),
    ('edithead', 'edit-header-text("Subject", "edit", "EDIT-");', None, b'', [b'Subject: EDIT-head\r\n'], []),
    ('editbody', 'edit-body-text("te(x)t", "te\\\\1\\\\1t");', None, b'', [b'texxt\r\n'], [b'Text']),
    ('htmlconv', 'html-convert();', b'<p>Hello <b>you</b></p>\r\n', HTML, [b'Content-Type: text/plain', b'Hello you'], [b'<b>']),
    ('footer', 'add-footer("Foot");', None, b'', [b'Text\r\nChecked for bob@ours.test\r\n'], []),
    ('heading', 'add-heading("Foot");', None, b'', [b'Checked for bob@ours.test\r\nText\r\n'], []),
    ('fedone', 'fed();', None, b'', [b'From: <ann@x.test>\r\n', b'X-Original-From: Ann <ann@x.test>\r\n'], [b'From: Ann <ann@x.test>\r\nTo']),
    ('byname', 'drop-attachments-by-name("invoice", "no $dropped_filename");', FILES, MIXED, [b'no invoice.pdf', b'note.txt'], [b'JVBERi']),
    ('bytype', 'drop-attachments-by-type("pdf");', FILES, MIXED, [b'The attachment "invoice.pdf" was removed', b'note.txt'], [b'JVBERi']),
    ('bykind', 'drop-attachments-by-filetype("Document", "gone");', FILES, MIXED, [b'gone', b'note.txt'], [b'JVBERi']),
    ('bymime', 'drop-attachments-by-mimetype("application/pdf", "gone");', FILES, MIXED, [b'gone', b'note.txt'], [b'JVBERi']),
    ('bysize', 'drop-attachments-by-size(10, "gone");', FILES, MIXED, [b'gone', b'invoice.pdf'], [b'top secret']),
    ('bytext', 'drop-attachments-where-contains("SECRET", "gone");', FILES, MIXED, [b'gone', b'invoice.pdf'], [b'top secret']),
    ('bywords', 'drop-attachments-where-dictionary-match("Words", 1, "gone");', FILES, MIXED, [b'gone', b'invoice.pdf'], [b'top secret']),
    ('last', 'add-footer("Other"); add-footer("Foot"); skip-filters();', None, b'', [b'Checked for'], [b'never']),
    ('deliverit', 'deliver();', None, b'', [b'Subject: deliverit'], [b'X-Content']),
]


def quoted(text):
    return text.replace('\\', '\\\\').replace(',', '\\,')


def settings():
    rows = [RAT, 'text_resource.Foot.text=Checked for $EnvelopeRecipients', 'text_resource.Other.text=never',
            'text_resource.Note.text=About $Subject by $FilterName', 'dictionary.Words.terms=secret',
            'mail_policy.DEFAULT.content_filters=%s' % ','.join(n for n, _, _ in CONTENT)]
    filters = [(n, a) for n, a, *_ in DELIVERED] + OTHERS
    for name, actions in filters:
        rows.append('message_filter.%s.text=%s: if (subject == "^%s") { %s }' % (name, name, name, actions))
    for name, condition, actions in CONTENT:
        rows += ['content_filter.%s.conditions=%s' % (name, quoted(condition)), 'content_filter.%s.actions=%s' % (name, actions)]
    return rows


OTHERS = [
    ('dropit', 'drop();'),
    ('bounceit', 'bounce("No $Subject here");'),
    ('logit', 'log-entry("saw $Subject from $EnvelopeFrom");'),
    ('holdit', 'quarantine("Policy");'),
    ('holdcopy', 'duplicate-quarantine("Policy");'),
    ('copyit', 'bcc("archive@far.test", "[copy] $Subject");'),
    ('copyscan', 'bcc-scan("again@far.test");'),
    ('tellit', 'notify("admin@far.test", "Seen: $Subject", "", "Note");'),
    ('tellcopy', 'notify-copy("admin@far.test");'),
    ('elsewhere', 'alt-rcpt-to("other@far.test");'),
]
CONTENT = [
    ('mark', 'subject == "content"', 'insert-header("X-Content"\\, "yes")'),
    ('markall', 'not subject == "deliverit"', 'no-op()'),
    ('cfdrop', 'subject == "content drop"', 'drop()'),
    ('cfbounce', 'subject == "content bounce"', 'bounce()'),
    ('cfhold', 'subject == "content hold"', 'quarantine("Policy")'),
    ('cfcopy', 'attachment-filename == "invoice" and subject == "content copy"', 'bcc("archive@far.test")'),
    ('cfmove', 'subject == "content move"', 'alt-rcpt-to("other@far.test")\\,insert-header("X-Moved"\\, "1")'.replace('\\,insert', ',insert')),
]


class Gateway:
    def __init__(self, t, more=()):
        self.sink = t.sink()
        self.g = t.home(settings() + list(more), sink_port=self.sink.port)
        self.c = self.g.smtp()

    def send(self, subject, body=None, more=b'', rcpts='bob@ours.test', sender='ann@x.test'):
        """The number that the message got."""
        code, text = self.c.send(sender, rcpts, mail(subject, body or b'Text\r\n', more))
        assert code == 250, text
        return re.search(r'MID (\d+)|(\d+)', text.split('\n')[-1][4:]) and self.mid(subject)

    def mid(self, subject):
        return self.g.wait_log(r"MID (\d+) Subject '%s'" % re.escape(subject)).group(1)

    def got(self, *parts, rcpt=None):
        """The delivered message that holds all parts."""
        return wait_for('a message with %r' % (parts,), lambda: next(
            (m for m in list(self.sink.messages) if all(p in m['data'] for p in parts) and (rcpt is None or rcpt in m['rcpts'])), None))

    def log(self, pattern):
        return self.g.wait_log(pattern)


def test_actions_of_message_filters(t):
    """Each action that leaves a message to be delivered, by its effect on what the next host gets; nothing else in the
    message changes."""
    w = Gateway(t)
    mids = {}
    for name, _, body, more, _, _ in DELIVERED:
        subject = 'edithead' if name == 'edithead' else name
        mids[name] = w.send(subject, body, more)
    for name, _, body, more, there, gone in DELIVERED:
        m = w.got(b'Subject: EDIT-head' if name == 'edithead' else b'Subject: ' + name.encode())
        for part in there:
            assert part.replace(b'{mid}', mids[name].encode()) in m['data'], (name, part, m['data'])
        for part in gone:
            assert part not in m['data'], (name, part, m['data'])
        assert m['rcpts'] == ['bob@ours.test'], (name, m['rcpts'])


def test_messages_that_end_wait_or_multiply(t):
    """Drop, bounce, quarantine, copies, notifications and other recipients, of message filters and of content
    filters, each with its log line."""
    w = Gateway(t)
    mids = {n: w.send(n) for n, _ in OTHERS}
    for s in ('content drop', 'content bounce', 'content hold', 'content move', 'content plain'):
        mids[s] = w.send(s)
    mids['content copy'] = w.send('content copy', FILES, MIXED)

    w.log(r"Message aborted MID %s Dropped by filter 'dropit'\n(.*\n)*.*Message finished MID %s done" % (mids['dropit'], mids['dropit']))
    w.log(r"Message aborted MID %s Dropped by content filter 'cfdrop' in the inbound table" % mids['content drop'])
    w.log(r"Message aborted MID %s Bounced by content filter 'cfbounce' in the inbound table" % mids['content bounce'])
    w.got(b'No bounceit here', rcpt='ann@x.test')
    w.got(b'5.7.1', b'content bounce', rcpt='ann@x.test')
    w.log(r'MID %s Custom Log Entry: saw logit from ann@x.test' % mids['logit'])
    w.got(b'Subject: logit')
    w.log(r'MID %s quarantined to "Policy" \(message filter:holdit\)' % mids['holdit'])
    w.log(r'MID %s quarantined to "Policy" \(content filter:cfhold\)' % mids['content hold'])
    w.got(b'Subject: holdcopy')
    w.log(r'MID (\d+) quarantined to "Policy" \(message filter:holdcopy\)')

    w.got(b'Subject: [copy] copyit', rcpt='archive@far.test')
    w.got(b'Subject: copyit', rcpt='bob@ours.test')
    w.log(r"MID \d+ was generated based on MID %s by bcc filter 'copyit'" % mids['copyit'])
    w.got(b'Subject: copyscan', rcpt='again@far.test')
    w.got(b'Subject: copyscan', rcpt='bob@ours.test')
    w.log(r"MID \d+ was generated based on MID %s by bcc-scan filter 'copyscan'" % mids['copyscan'])
    m = w.got(b'Subject: Seen: tellit', b'About tellit by tellit', rcpt='admin@far.test')
    assert m['sender'] == '' and b'Auto-Submitted: auto-generated' in m['data']
    w.log(r"MID \d+ was generated based on MID %s by notify filter 'tellit'" % mids['tellit'])
    w.got(b'message/rfc822', b'Subject: tellcopy', rcpt='admin@far.test')
    w.got(b'Subject: elsewhere', rcpt='other@far.test')
    w.log(r"MID %s rewritten to MID \d+ by alt-rcpt-to-filter filter 'elsewhere'" % mids['elsewhere'])
    w.got(b'Subject: content copy', rcpt='archive@far.test')
    w.got(b'Subject: content copy', b'X-Content: yes', rcpt='bob@ours.test')
    w.got(b'Subject: content move', b'X-Moved: 1', b'X-Content: yes', rcpt='other@far.test')
    w.got(b'Subject: content plain', b'X-Content: yes', rcpt='bob@ours.test')
    arrived = [(m['rcpts'], re.search(rb'Subject: (.*)\r', m['data']).group(1)) for m in w.sink.messages]
    for subject in (b'dropit', b'holdit', b'content drop', b'content hold', b'bounceit', b'content bounce'):
        assert not [a for a in arrived if a[1] == subject], (subject, arrived)
    assert not [a for a in arrived if a[1] == b'elsewhere' and a[0] != ['other@far.test']], arrived
    assert len([a for a in arrived if a[1] == b'copyscan']) == 2, arrived


def test_recipients_of_several_policies(t):
    """The first mail policy in order that fits decides for each recipient; the message is split, each part is judged by
    its own policy, and the log names all of it."""
    w = Gateway(t, ['mail_policy.Partners.senders=partner.test', 'mail_policy.Partners.content=no',
                    'mail_policy.Sales.recipients=sales@,@sales.ours.test', 'mail_policy.Sales.content=yes',
                    'mail_policy.Sales.content_filters=saleonly', 'content_filter.saleonly.actions=insert-header("X-Sales"\\, "1")'])
    mid = w.send('content split', rcpts=['bob@ours.test', 'sales@ours.test', 'eve@ours.test'])
    m = w.got(b'Subject: content split', b'X-Content: yes')
    assert sorted(m['rcpts']) == ['bob@ours.test', 'eve@ours.test'] and b'X-Sales' not in m['data'], m
    m = w.got(b'Subject: content split', b'X-Sales: 1')
    assert m['rcpts'] == ['sales@ours.test'] and b'X-Content' not in m['data'], m
    w.log(r'MID %s matched all recipients for per-recipient policy DEFAULT in the inbound table' % mid)
    new = w.log(r'MID %s was split creating MID (\d+) due to a per-recipient policy Sales in the inbound table' % mid).group(1)
    w.log(r'MID %s matched all recipients for per-recipient policy Sales in the inbound table' % new)
    w.send('content partner', rcpts=['sales@ours.test', 'bob@ours.test'], sender='x@partner.test')
    m = w.got(b'Subject: content partner')
    assert len(m['rcpts']) == 2 and b'X-' not in m['data'].split(b'\r\n\r\n')[0].replace(b'X-Postern', b''), m


def test_bounce_profile_and_host_of_a_filter(t):
    """bounce-profile() decides over retries and notifications of a message, alt-mailhost() where it goes; others keep those of
    their destination."""
    other = t.sink()
    w = Gateway(t, ['route[relay.test].hosts=127.0.0.1:%d' % other.port, 'bounce_profile.Once.max_tries=1', 'bounce_profile.Silent.failure_dsn=no', 'bounce_profile.Silent.max_tries=1',
                    'message_filter.o.text=o: if (subject == "^once") { bounce-profile("Once"); }',
                    'message_filter.s.text=s: if (subject == "^silent") { bounce-profile("Silent"); }',
                    'message_filter.h.text=h: if (subject == "^host") { alt-mailhost("relay.test"); }'])
    w.sink.script = lambda line, state: '451 4.3.0 later' if line == 'RCPT TO:<late@ours.test>' else None
    mids = {s: w.send(s, rcpts='late@ours.test') for s in ('once', 'silent', 'usual')}
    w.send('host')
    wait_for('the other host', lambda: [m for m in other.messages if b'Subject: host' in m['data']])
    w.got(b'Subject: once', b'5.4.7', rcpt='ann@x.test')
    w.log(r'Bounced: DCID \d+ MID %s to RID 0 - 5.4.7' % mids['silent'])
    w.log(r'MID? ?%s to RID \[0\] pending till|Message %s to RID \[0\] pending till' % (mids['usual'], mids['usual']))
    assert not [m for m in w.sink.messages if m['rcpts'] == ['ann@x.test'] and b'Subject: once' not in m['data']], w.sink.messages
    assert not [m for m in w.sink.messages if b'Subject: host' in m['data']]


def test_policyconfig_and_textconfig(t):
    """The dialogues in one line: policies, content filters and texts are made, changed, moved, removed; what is wrong is said with
    line, column and what was expected, and nothing changes."""
    sink = t.sink()
    g = t.home([RAT], sink_port=sink.port)
    g.cli('textconfig new Foot "text=With regards"; policyconfig incoming filters new stamp "condition=subject == \\"hello\\"" '
          '"action=add-footer(\\"Foot\\")" "action=insert-header(\\"X-One\\", \\"1\\")"; '
          'policyconfig incoming new Staff recipients=bob@ours.test content=yes content_filters=stamp; commit "a policy"')
    assert 'stamp (1 policy)' in g.cli('policyconfig incoming filters print')
    assert re.search(r'1 +DEFAULT.*\n2 +Staff', g.cli('policyconfig incoming print'))
    assert 'Staff: recipients bob@ours.test' in g.cli('policyconfig incoming search BOB')
    c = g.smtp()
    assert c.send('a@x.test', 'bob@ours.test', mail('hello'))[0] == 250
    m = wait_for('the message', lambda: sink.messages and sink.messages[0])
    assert b'X-One: 1' in m['data'] and m['data'].endswith(b'Text\r\nWith regards\r\n'), m['data']
    for line, why in [
        ('policyconfig incoming filters new bad "condition=subject = \\"x\\""', r'line 1, column 9: expected'),
        ('policyconfig incoming filters new bad "action=flop()"', r'line 1, column 1: expected'),
        ('policyconfig incoming new Bad "recipients=no address"', r'"no address" is not user@domain'),
        ('policyconfig outgoing edit DEFAULT filters content_filters=stamp; commit x', r'out/stamp.*does not exist|names.*out/stamp|stamp'),
        ('policyconfig incoming filters delete stamp', r'in use'),
        ('textconfig delete Foot; commit "gone"', r'no text resource "Foot"'),
        ('policyconfig incoming delete DEFAULT', r'always exists'),
    ]:
        out = g.cli(line, check=False)
        assert re.search(why, out) and 'Changes committed' not in out, (line, out)
    g.cli('policyconfig incoming filters rename stamp Stamp2; policyconfig incoming filters new second action=drop(); '
          'policyconfig incoming filters move second 1; policyconfig incoming edit Staff antispam antispam=no; commit "more"')
    assert re.search(r'1\. second.*\n2\. Stamp2 \(1 policy\)', g.cli('policyconfig incoming filters print'))
    assert 'no' in g.cli('settings show mail_policy.Staff.antispam')
    g.cli('policyconfig incoming delete Staff; policyconfig incoming filters delete Stamp2; textconfig delete Foot; commit "none"')
    assert 'Staff' not in g.cli('policyconfig incoming print')
    c = console(t, g)
    c.say('policyconfig')
    c.say('1')
    c.say('FILTERS')
    c.say('NEW')
    c.say('Asked')
    c.say('By hand')
    assert re.search(r'line 1, column 9: expected', c.say('subject = "x"'))
    c.say('subject == "hello"')
    c.say('')
    c.say('insert-header("X-Asked", "1")')
    assert 'Asked (0 policies) By hand' in c.say('')
    c.say('')
    c.say('EDIT')
    c.say('DEFAULT')
    c.say('FILTERS')
    c.say('yes')
    assert 'flop' in c.say('flop')
    c.say('Asked')
    c.say('')
    c.say('')
    out = c.say('commit "by hand"')
    assert 'Changes committed' in out, c.all[-2000:]
    assert 'Asked' in g.cli('settings show mail_policy.DEFAULT.content_filters')
