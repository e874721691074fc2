"""Scan engines: real rspamd, clamd and spamd on loopback, engines that die, that are slow, that talk nonsense."""
import base64, io, os, re, time, zipfile

from lib import Engine, FakeEngine, Sink, wait_for

RAT = 'listener.InboundMail.rat=ours.test,ALL REJECT'
GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*' + 'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'
EICAR = ('X5O!P%@AP[4\\PZX54(P^)7CC)7}$' + 'EICAR-STANDARD-' + 'ANTIVIRUS-TEST-FILE!$H+H*').encode()


def mail(subject, body='Dear Bob,\r\n\r\nthe minutes of our meeting are ready.\r\n', name=None, data=b'', encoding='base64'):
    head = ('From: Anna <anna@sender.test>\r\nTo: Bob <bob@ours.test>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@sender.test>\r\nMIME-Version: 1.0\r\n'
            % (subject, time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime()), re.sub(r'\W', '-', subject)))
    if name is None:
        return (head + 'Content-Type: text/plain\r\n\r\n' + body).encode()
    attached = base64.encodebytes(data).replace(b'\n', b'\r\n') if encoding == 'base64' else data
    return (head + 'Content-Type: multipart/mixed; boundary="=b"\r\n\r\n--=b\r\nContent-Type: text/plain\r\n\r\n' + body +
            '--=b\r\nContent-Type: application/octet-stream; name="%s"\r\nContent-Disposition: attachment; filename="%s"\r\n'
            'Content-Transfer-Encoding: %s\r\n\r\n' % (name, name, encoding)).encode() + attached + b'\r\n--=b--\r\n'


def zipped(name, data):
    b = io.BytesIO()
    with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, data)
    return b.getvalue()


def send(g, data):
    c = g.smtp()
    r = c.send('anna@sender.test', 'bob@ours.test', data)
    assert r[0] == 250, r
    c.quit()


def mid_of(g, subject):
    return int(g.wait_log(r"MID (\d+) Subject '%s'" % re.escape(subject)).group(1))


def lines_of(g, subject, last):
    """Texts of the log about the message, once the one that `last` matches is there."""
    mid = mid_of(g, subject)
    g.wait_log(r'MID %d %s' % (mid, last) if not last.startswith('Message') else last % mid, seconds=60)
    return [l.split(': ', 1)[1] for l in g.log().split('\n') if re.search(r'MID %d\b' % mid, l)]


def subjects(sink):
    return [re.search(rb'(?m)^Subject: (.*?)\r$', m['data']).group(1).decode() for m in sink.messages]


def test_real_engines_judge_every_message(t):
    """GTUBE is spam by rspamd, and by spamd; EICAR is caught by clamd as it is, in base64, in a zip and in a zip of a zip; what
    is encrypted is told apart; clean mail arrives as it was sent; an engine that dies in mid flow makes mail wait with an
    alert and nothing is lost (FW-55: engines are own back ends)."""
    engines = [Engine(k) for k in ('rspamd', 'clamd', 'spamd')]
    t.things += engines
    rspamd, clamd, spamd = [e.wait() for e in engines]
    sink = t.sink()
    g = t.home([RAT, 'antispam.enabled=yes', 'antispam.rspamd_address=' + rspamd.address, 'antispam.spamd_address=' + spamd.address,
                'antispam.rspamd_controller=127.0.0.1:%d' % (rspamd.port + 1), 'antispam.rspamd_password=' + rspamd.password(),
                'antivirus.enabled=yes', 'antivirus.clamd_address=' + clamd.address, 'graymail.enabled=yes', 'outbreak.enabled=yes',
                'antispam.probe_ms=200', 'antivirus.probe_ms=200',
                'mail_policy.DEFAULT.antispam_positive_action=deliver', 'mail_policy.DEFAULT.antispam_positive_header=X-Judged: spam'],
               sink_port=sink.port)

    send(g, mail('clean'))
    lines = lines_of(g, 'clean', 'Message finished MID %d done')
    for want in ('interim verdict using engine: CASE spam negative', 'using engine: CASE spam negative', 'interim AV verdict using Sophos CLEAN',
                 'antivirus negative ', 'using engine: GRAYMAIL negative', 'Outbreak Filters: verdict negative'):
        assert any(l.endswith(want) for l in lines), (want, lines)
    assert sink.messages[0]['data'].endswith(mail('clean').split(b'\r\n\r\n', 1)[1]), sink.messages[0]['data']

    send(g, mail('gtube', GTUBE + '\r\n'))
    lines = lines_of(g, 'gtube', 'Message finished MID %d done')
    assert any(l.endswith('using engine: CASE spam positive') for l in lines), lines
    assert subjects(sink)[-1] == '[SPAM] gtube' and b'\r\nX-Judged: spam\r\n' in sink.messages[-1]['data']

    for name, data, encoding in (('bare.com', EICAR, '7bit'), ('base.com', EICAR, 'base64'), ('one.zip', zipped('e.com', EICAR), 'base64'),
                                 ('two.zip', zipped('one.zip', zipped('e.com', EICAR)), 'base64')):
        send(g, mail(name, name=name, data=data, encoding=encoding))
        lines = lines_of(g, name, 'Message finished MID %d done')
        assert any(re.search(r"antivirus positive 'Eicar-Test-Signature\S*' $", l) for l in lines), lines
        assert 'Message aborted MID %d Dropped by antivirus' % mid_of(g, name) in lines, lines
    assert len(sink.messages) == 2, subjects(sink)
    g.wait_log(r"sophos  antivirus - MID \d+ 0 - Virus 'Eicar-Test-Signature\S*' 'body.scan/base.com' 1 0", name='antivirus')
    g.wait_log(r'case antispam - engine \(\d+\) : case-daemon: Message \d+: score 90', name='antispam')

    # anti-virus dies: mail waits, an alert says so, and goes on when it is back
    clamd.stop()
    for i in range(3):
        send(g, mail('waits %d' % i))
    g.wait_log('work queue paused, .* antivirus', seconds=20)
    g.wait_log('Anti-virus engine clamd is away: ')
    assert 'Paused: antivirus' in g.cli('workqueue status'), g.cli('workqueue status')
    assert len(sink.messages) == 2, subjects(sink)
    clamd.start()
    wait_for('the waiting mail', lambda: len(sink.messages) == 5, 30)
    assert sorted(subjects(sink)[2:]) == ['waits 0', 'waits 1', 'waits 2'], subjects(sink)
    g.wait_log('Anti-virus engine clamd answers again')

    # learning and the state of the engines
    box = os.path.join(g.dir, 'box')
    with open(box, 'wb') as f:
        f.write(b'From a@b Sat Nov 21 10:00:00 2026\n' + mail('one', 'cheap watches, cheap pills\r\n') + b'\nFrom a@b Sat Nov 21 10:00:00 2026\n' +
                mail('two', 'pills and watches for everybody\r\n>From the shop\r\n'))
    assert '2 messages learned as spam, 0 known before.' in g.cli('learn', 'spam', box)
    assert '0 messages learned as spam, 2 known before.' in g.cli('learn', 'spam', box)
    out = g.cli('antispamstatus')
    assert re.search(r'rspamd +127.0.0.1:%d +up' % rspamd.port, out) and '2 learned' in out, out
    out = g.cli('antivirusstatus')
    assert re.search(r'clamd +127.0.0.1:%d +up +ClamAV \d' % clamd.port, out), out
    assert 'anew' in g.cli('antivirusupdate')

    # spamd instead of rspamd
    g.cli('settings', 'set', 'antispam.engine=spamd')
    send(g, mail('gtube two', GTUBE + '\r\n'))
    lines_of(g, 'gtube two', 'using engine: CASE spam positive')
    wait_for('tagged spam', lambda: '[SPAM] gtube two' in subjects(sink))

    # engines that talk nonsense, close, or say nothing: mail waits, and none of it is lost or passed
    for answer, why in ((b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope', 'the answer is no JSON object'), (b'', 'closed without an answer|connection broken'),
                        (None, 'no answer in time')):
        fake = FakeEngine(answer)
        t.things.append(fake)
        before = len(sink.messages)
        g.cli('settings', 'set', 'antispam.engine=rspamd', 'antispam.rspamd_address=' + fake.address, 'antispam.timeout_ms=300')
        send(g, mail('held up by %s' % why[:6]))
        g.wait_log('Anti-spam engine rspamd is away: (%s)' % why, seconds=20)
        assert fake.asked >= 2, 'tried once more on a fresh connection'
        assert len(sink.messages) == before, subjects(sink)
        g.cli('settings', 'set', 'antispam.rspamd_address=' + rspamd.address, 'antispam.timeout_ms=20s')
        wait_for('the mail', lambda: len(sink.messages) == before + 1, 20)

    # infected attachments are taken out of what is clean otherwise; who is to know is told; the archive has it as it came
    p = 'mail_policy.DEFAULT.antivirus_'
    g.cli('settings', 'set', p + 'drop_infected=yes', p + 'repaired_archive=yes', p + 'repaired_notify=sender,recipient,admin@ours.test')
    before = len(sink.messages)
    send(g, mail('repaired', name='bad.zip', data=zipped('e.com', EICAR)))
    lines = lines_of(g, 'repaired', 'Message finished MID %d done')
    for want in (r"MID \d+ attachment 'bad.zip'", r"MID \d+ interim AV verdict using Sophos REPAIRED", r"MID \d+ antivirus repaired 'Eicar-Test-Signature\S*'"):
        assert any(re.match(want + '$', l) for l in lines), (want, lines)
    wait_for('the rest of it and three notices', lambda: len(sink.messages) == before + 4, 30)
    got = {r: m['data'] for m in sink.messages[before:] for r in m['rcpts'] if b'Subject: [WARNING' in m['data'] or r != 'bob@ours.test'}
    rest = got.pop('bob@ours.test')
    assert b'Subject: [WARNING: VIRUS REMOVED] repaired\r\n' in rest and b'the minutes of our meeting' in rest, rest
    assert b'The attachment "bad.zip" was removed by the anti-virus scanner' in rest and b'UEsDB' not in rest, rest
    assert sorted(got) == ['admin@ours.test', 'anna@sender.test'] and all(b'Subject: [Anti-Virus] repaired message\r\n' in d for d in got.values()), got
    g.wait_log(r'(?m)^From anna@sender.test \w{3} \w{3} [ \d]\d [\d:]{8} \d{4}$', name='avarchive')
    g.wait_log('(?m)^UEsDB', name='avarchive')

    # a policy may go on without an engine, but never silently
    g.cli('settings', 'set', 'antivirus.when_away=unscannable', 'antivirus.clamd_address=127.0.0.1:9', 'mail_policy.DEFAULT.antivirus_unscannable_action=drop')
    send(g, mail('not looked at'))
    lines = lines_of(g, 'not looked at', 'Message finished MID %d done')
    assert "MID %d antivirus unscannable 'engine away'" % mid_of(g, 'not looked at') in lines, lines
    assert 'not looked at' not in ' '.join(subjects(sink))


def test_a_recipients_lists_decide_before_anti_spam(t):
    """A safelisted sender's spam arrives at who wants it, a blocklisted sender's mail does not, and the third recipient's copy
    is judged as ever; the lists outlive a restart (ST-34: changes act at once)."""
    fake = FakeEngine(b'HTTP/1.1 200 OK\r\nContent-Length: 67\r\n\r\n{"score":15.0,"required_score":15.0,"action":"reject","symbols":{}}')
    t.things.append(fake)
    sink = t.sink()
    g = t.home([RAT, 'antispam.enabled=yes', 'antispam.rspamd_address=' + fake.address, 'mail_policy.DEFAULT.antispam_blocklist=delete',
                'mail_policy.DEFAULT.antispam_positive_action=deliver'], sink_port=sink.port)
    g.cli('slbl', 'add', 'bob@ours.test', 'safe', 'sender.test')
    g.cli('slbl', 'add', 'eve@ours.test', 'block', 'anna@sender.test')
    assert 'is on the other list' in g.cli('slbl', 'add', 'eve@ours.test', 'safe', 'anna@sender.test', check=False)
    g.stop()
    g.start()
    c = g.smtp()
    assert c.send('anna@sender.test', ['bob@ours.test', 'eve@ours.test', 'carl@ours.test'], mail('offer'))[0] == 250
    wait_for('two copies', lambda: sum(len(m['rcpts']) for m in sink.messages) == 2, 40)
    got = {r: m['data'] for m in sink.messages for r in m['rcpts']}
    assert sorted(got) == ['bob@ours.test', 'carl@ours.test'], got
    assert b'\r\nSubject: offer\r\n' in got['bob@ours.test'] and b'\r\nX-SLBL-Result-Safelist: yes\r\n' in got['bob@ours.test']
    assert b'\r\nSubject: [SPAM] offer\r\n' in got['carl@ours.test']
    for line in (r'MID \d+ was split creating MID \d+ due to a SL/BL configuration for following recipients: (eve|carl)@ours.test',
                 r'MID \d+ using engine: SLBL spam negative', r'MID \d+ using engine: SLBL spam positive', r'MID \d+ using engine: CASE spam positive'):
        g.wait_log(line)

    # what the rows of suspected spam say, at whoever gets it
    fake.answer = fake.answer.replace(b'{"score":15.0', b'{"score":08.0').replace(b'"reject"', b'"add header"').replace(b'h: 67', b'h: 71').replace(b'08.0', b'8.00')
    p = 'mail_policy.DEFAULT.antispam_suspected_'
    g.cli('settings', 'set', p + 'header=X-Judged: maybe', p + 'recipient=guard@ours.test', p + 'archive=yes')
    c.send('anna@sender.test', 'carl@ours.test', mail('hm'))
    wait_for("the guard's", lambda: sink.messages[-1]['rcpts'] == ['guard@ours.test'], 20)
    assert subjects(sink)[-1] == '[SUSPECTED SPAM] hm' and b'\r\nX-Judged: maybe\r\n' in sink.messages[-1]['data']
    g.wait_log(r'MID \d+ rewritten to MID \d+ by antispam')
    g.wait_log('(?m)^Subject: hm$', name='asarchive')
    g.cli('settings', 'set', p + 'recipient=', p + 'action=bounce')
    c.send('anna@sender.test', 'carl@ours.test', mail('back to you'))
    wait_for('the bounce', lambda: sink.messages[-1]['rcpts'] == ['anna@sender.test'] and b'5.7.1' in sink.messages[-1]['data'], 20)
    n = len(sink.messages)
    g.cli('settings', 'set', p + 'action=drop')
    c.send('anna@sender.test', 'carl@ours.test', mail('gone'))
    lines_of(g, 'gone', 'Message aborted MID %d Dropped by CASE')
    assert len(sink.messages) == n, subjects(sink)

    # menus of the engines
    for menu, section, item, bad in (('antispamconfig', 'antispam', 'engine=both', 'engine=cheap'), ('antivirusconfig', 'antivirus', 'when_away=unscannable', 'when_away=pass'),
                                     ('graymailconfig', 'graymail', 'enabled=yes', 'enabled=perhaps'), ('outbreakconfig', 'outbreak', 'enabled=yes', 'enabled=3')):
        g.cli('%s setup %s; commit "engines"' % (menu, item))
        path = '%s.%s' % (section, item.split('=')[0])
        assert g.cli('settings', 'show', path) == '%s.%s\n' % (section, item)
        out = g.cli('%s setup %s; commit x' % (menu, bad), check=False)
        assert 'Changes committed' not in out and g.cli('settings', 'show', path) == '%s.%s\n' % (section, item), out
