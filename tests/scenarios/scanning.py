"""What lies inside messages decides, in the running gateway: archives are opened behind the worker's rights."""
import base64, io, re, sys, zipfile

from console import console


def zipped(name, data, times=1):
    for i in range(times):
        b = io.BytesIO()
        with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z:
            z.writestr(name, data)
        name, data = 'in%d.zip' % i, b.getvalue()
    return data


def attached(data):
    return (b'Subject: attached\r\nMIME-Version: 1.0\r\nContent-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
            base64.encodebytes(data).replace(b'\n', b'\r\n'))


def test_what_cannot_be_looked_into_goes_where_the_settings_say(t):
    """A zip inside six is not looked into and bounces, one inside three passes; a message of two readings is dropped."""
    sink = t.sink()
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT', 'scanning.unscannable_action=bounce', 'scanning.malformed_action=drop', 'mail_flow_policy.ACCEPTED.max_messages=0'], sink_port=sink.port)
    c = g.smtp()
    for sender, data in [('good', attached(zipped('a.txt', b'hello', 3))), ('deep', attached(zipped('a.txt', b'hello', 7))),
                         ('two', b'Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nhello\r\n'), ('last', b'Subject: x\r\n\r\nhello\r\n')]:
        code, text = c.send(sender + '@a.test', 'to@rcpt.test', data)
        assert code == 250, text
    c.quit()
    g.wait_log(r'Message aborted MID 3 Dropped by scanning')
    sink_has = lambda: sorted(m['sender'] for m in sink.messages)
    from lib import wait_for
    wait_for('three messages at the sink', lambda: len(sink.messages) >= 3)
    assert sink_has() == ['', 'good@a.test', 'last@a.test'], sink_has()
    bounce = [m for m in sink.messages if not m['sender']][0]
    assert b'Message is unscannable' in bounce['data'] and bounce['rcpts'] == ['deep@a.test'], bounce


def test_scanconfig_changes_the_limits(t):
    """scanconfig asks for the settings of section scanning, and takes them in one line."""
    g = t.home()
    c = console(t, g)
    assert 'Changes committed' in (c.say('scanconfig setup max_depth=9 max_bytes=10M') + c.say('commit "deeper"'))
    out = g.cli('settings show scanning')
    assert 'scanning.max_depth=9' in out and 'scanning.max_bytes=10M' in out.replace('10485760', '10M'), out
