"""Mail authentication as a sender and an operator see it: SPF and DMARC with a real name server, the field, the action, the report."""
import base64, email, gzip, os, subprocess

from lib import TOP, Smtp, wait_for

ZONE = '''@ NS ns
ns A 127.0.0.1
good TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.good TXT "v=DMARC1; p=reject; rua=mailto:reports@good.example"
good MX 10 mx
mx A 127.0.0.2
'''


def message(sender, forged=''):
    return ('%sFrom: <%s>\r\nTo: <bob@rcpt.test>\r\nSubject: hello\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n' % (forged, sender)).encode()


def sign(data):
    """The message signed by python3-dkim for good.example, and the TXT record of its key."""
    key = subprocess.run(['openssl', 'genrsa', '-traditional', '2048'], capture_output=True, check=True).stdout
    public = subprocess.run(['openssl', 'rsa', '-pubout', '-outform', 'DER'], input=key, capture_output=True, check=True).stdout
    field = subprocess.run(['/usr/bin/python3', '-c', 'import sys, dkim; d, k = sys.argv[1:]; sys.stdout.buffer.write('
                            'dkim.sign(d.encode(), b"s1", b"good.example", k.encode()))', data.decode(), key.decode()],
                           capture_output=True, check=True).stdout
    record = 'v=DKIM1; p=' + base64.b64encode(public).decode()
    return field + data, ' '.join('"%s"' % record[i:i + 200] for i in range(0, len(record), 200))


def test_mail_is_authenticated_and_reported(t):
    """SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989), RFC 8601, RFC 9990: mail from the right host arrives with our
    Authentication-Results and without a forged one; the same author from elsewhere is dropped as the settings say, unless
    python3-dkim signed the message. All of it stands in an aggregate report, valid by the schema, that goes to the owner of
    the domain."""
    sink = t.sink()
    signed, record = sign(message('anna@good.example'))
    nsd = t.nsd({'example': ZONE + 's1._domainkey.good TXT %s\n' % record})
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT', 'dns.servers=127.0.0.1@%d' % nsd.port, 'dns.domain_servers=example 127.0.0.1@%d' % nsd.port,
                'authentication.authserv_id=gw.example'], sink_port=sink.port)
    assert 'are off' in g.cli('dmarcreports')
    g.cli('mailauthconfig setup on_reject=drop; dmarcconfig setup report=yes; commit "authentication"')
    assert 'No DMARC reports are being sent' in g.cli('dmarcreports')

    def send(ip, sender, data):
        c = Smtp(g.base + 25)
        c.cmd('EHLO host.good.example')
        c.cmd('XCLIENT ADDR=%s NAME=[UNAVAILABLE]' % ip)
        c.cmd('EHLO host.good.example')
        r = c.send(sender, 'bob@rcpt.test', data)
        c.close()
        return r

    assert send('192.0.2.1', 'anna@good.example', message('anna@good.example', 'Authentication-Results: GW.example; dmarc=fail\r\n'))[0] == 250
    wait_for('the message', lambda: sink.messages)
    got = email.message_from_bytes(sink.messages[0]['data'])
    fields = got.get_all('Authentication-Results')
    assert len(fields) == 1 and fields[0].startswith('gw.example;'), fields
    assert 'spf=pass smtp.mailfrom=anna@good.example' in fields[0] and 'dmarc=pass header.from=good.example' in fields[0], fields
    g.wait_log(r'MID \d+ SPF: helo identity postmaster@host\.good\.example None\n')
    g.wait_log(r'MID \d+ SPF: mailfrom identity anna@good\.example Pass \(v=spf1\)')
    g.wait_log(r'MID \d+ DMARC: Message from domain good\.example, DMARC pass \(SPF aligned True, DKIM aligned False\)')
    g.wait_log(r'MID \d+ DMARC: Verification passed')
    assert send('192.0.2.66', 'x@nobody.example', message('anna@good.example'))[0] == 250
    g.wait_log(r'MID \d+ DMARC: Verification failed')
    g.wait_log(r'Message aborted MID \d+ Dropped by DMARC')
    assert len(sink.messages) == 1
    assert send('192.0.2.66', 'x@nobody.example', signed)[0] == 250
    g.wait_log(r'MID \d+ DKIM: pass signature verified \(d=good\.example s=s1 i=@good\.example\)')
    g.wait_log(r'MID \d+ DMARC: Message from domain good\.example, DMARC pass \(SPF aligned False, DKIM aligned True\)')
    wait_for('the signed message', lambda: len(sink.messages) == 2)
    assert sink.messages[1]['data'].endswith(signed)
    g.cli('dmarcreports send')
    wait_for('the report', lambda: len(sink.messages) == 3)
    assert sink.messages[2]['rcpts'] == ['reports@good.example'], sink.messages[2]
    mail = email.message_from_bytes(sink.messages[2]['data'])
    assert 'Report Domain: good.example' in ' '.join(mail['Subject'].split()), mail['Subject']
    part = mail.get_payload()[1]
    assert part.get_content_type() == 'application/gzip' and part.get_filename().endswith('.xml.gz')
    xml = gzip.decompress(base64.b64decode(part.get_payload()))
    r = subprocess.run(['xmllint', '--noout', '--schema', os.path.join(TOP, 'tests/schemas/dmarc-rfc9990.xsd'), '-'], input=xml,
                       capture_output=True)
    assert r.returncode == 0, (r.stderr, xml)
    assert xml.count(b'<record>') == 3 and b'<disposition>pass</disposition>' in xml and b'<disposition>reject</disposition>' in xml, xml
    g.wait_log(r'Internal SMTP system successfully sent a message to reports@good\.example')
