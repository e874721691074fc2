"""DKIM signing: domainkeysconfig, keys that nobody sees, and what other implementations say of the mail that arrives."""
import os, re, subprocess, tempfile

from lib import MESSAGE, TOP, Smtp, wait_for


def peer(mode, zone, *messages):
    """What python3-dkim says of each message."""
    with tempfile.TemporaryDirectory() as d:
        with open(d + '/zone', 'w') as f:
            f.write(''.join('%s %s\n' % z for z in zone.items()))
        for i, m in enumerate(messages):
            with open('%s/%03d.eml' % (d, i), 'wb') as f:
                f.write(m)
        r = subprocess.run(['/usr/bin/python3', os.path.join(TOP, 'tests', 'dkim_peer.py'), mode, d], capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
        return [line.split()[1] for line in r.stdout.splitlines()]


def dns_text(out):
    """{name: record} of what DNSTXT shows."""
    return {m.group(1): ''.join(re.findall(r'"(.*?)"', m.group(2))) for m in re.finditer(r'(?m)^(\S+)\. IN TXT \((.*)\)$', out)}


def test_relayed_mail_arrives_signed_and_verifies(t):
    """DKIM by the command line alone: two keys, a profile with both, the text for the DNS; then a relayed message arrives with
    two signatures that python3-dkim verifies, a tampered copy does not, the log says who signed, other mail says why not, and
    no command and no log shows a private key."""
    sink = t.sink()
    g = t.home(['listener.OutboundMail.enabled=yes', 'sender_group.RELAYLIST.members=127.0.0.0/8'], sink_port=sink.port)
    out = g.cli('domainkeysconfig keys new k1 generate 2048; domainkeysconfig keys new k2 generate ed25519; '
                'domainkeysconfig profiles new main domain=sender.test selector=s1 key=k1 second_selector=s2 second_key=k2 body_length_sign=no; '
                'domainkeysconfig profiles dnstxt main; commit "sign"')
    assert 'k1: RSA, 2048 bits' in out and 'k2: Ed25519' in out, out
    zone = dns_text(out)
    assert sorted(zone) == ['s1._domainkey.sender.test', 's2._domainkey.sender.test'], out
    c = Smtp(g.base + 587)
    c.cmd('EHLO client.test')
    assert c.send('a@sender.test', 'b@rcpt.test', MESSAGE)[0] == 250
    wait_for('the message', lambda: sink.messages)
    got = sink.messages[0]['data']
    assert got.count(b'DKIM-Signature: ') == 2, got
    said = peer('verify', zone, got, got.replace(b'hello\r\n', b'help\r\n'), b'X-Spam: tagged later\r\n' + got,
                got.replace(b'\r\nSubject: ', b'\r\nSubject: new\r\nSubject: '))
    assert said == ['pass', 'fail', 'pass', 'fail'], (said, got)
    g.wait_log(r'MID \d+ DKIM: signing with main - matches a@sender\.test')
    assert c.send('x@other.test', 'b@rcpt.test', MESSAGE.replace(b'a@sender.test', b'x@other.test'))[0] == 250
    g.wait_log(r'MID \d+ DKIM: cannot sign - no profile matches x@other\.test')
    assert c.send('a@sender.test', 'b@rcpt.test', got)[0] == 250
    g.wait_log(r'MID \d+ DKIM: cannot sign - already signed')
    wait_for('all', lambda: len(sink.messages) == 3)
    assert peer('verify', zone, sink.messages[2]['data']) == ['pass'], 'a Received line of ours broke a signature'
    shown = g.cli('domainkeysconfig keys print; domainkeysconfig keys publickey k1; settings show signing_key; showconfig', check=False)
    private = ('MIIE', 'MC4CAQAwBQ', 'PRIVATE KEY')  # how the PKCS #8 forms of the two kinds begin, and PEM
    assert not [x for x in private if x in shown], shown
    assert 'MII' in shown and zone['s1._domainkey.sender.test'].split('p=')[1] in shown
    for name in ('mail_logs', 'system_logs', 'cli_logs'):
        assert not [x for x in private if x in g.log(name)], name


def refused(g, line, *reasons):
    out = g.cli(line, check=False)
    for r in reasons:
        assert r in out, (line, out)
    assert 'Changes committed' not in out, out


def test_domainkeysconfig_refuses_what_cannot_sign(t):
    """Keys and profiles that cannot be are refused with the reason; profiles go out to a file and come back; a key in use stays;
    an RSA key from a PEM file signs, and TEST says what the DNS has."""
    nsd = t.nsd({'gw.test': 's1._domainkey IN TXT "v=DKIM1; p="'})
    g = t.home(['dns.servers=127.0.0.1@%d' % nsd.port])
    refused(g, 'domainkeysconfig profiles new p domain=gw.test selector=s1 key=none; commit x', 'There is no signing key yet')
    refused(g, 'domainkeysconfig keys new k generate 256; commit x', 'A size is 512 to 4096')
    pem = os.path.join(g.dir, 'key.pem')
    subprocess.run(['openssl', 'genrsa', '-out', pem, '1024'], check=True, capture_output=True)
    conf = os.path.join(g.home, 'configuration')
    os.makedirs(conf, exist_ok=True)
    with open(os.path.join(conf, 'key.pem'), 'w') as f:
        f.write(open(pem).read())
    out = g.cli('domainkeysconfig keys new k import %s; domainkeysconfig profiles new p domain=gw.test selector=s1 key=k; commit x' % pem)
    assert 'k: RSA, 1024 bits' in out, out
    refused(g, 'domainkeysconfig profiles edit p domain=; commit x', 'is no name for the DNS')
    refused(g, 'domainkeysconfig profiles edit p selector=a/b; commit x', 'domain_profile.p.selector: "a/b" is no name for the DNS')
    refused(g, 'domainkeysconfig profiles edit p key=; commit x', 'domain_profile.p.key: names no signing key')
    refused(g, 'domainkeysconfig profiles edit p key=lost; commit x', 'lost')
    refused(g, 'domainkeysconfig profiles edit p identity=a@gw.test.evil; commit x', 'is not at or below gw.test')
    refused(g, 'domainkeysconfig profiles edit p more_headers=a:b; commit x', 'is no field name')
    refused(g, 'settings set signing.arc_seal=yes', 'signing.arc_seal_domain')
    refused(g, 'domainkeysconfig keys delete k; commit x', 'is in use')
    out = g.cli('domainkeysconfig profiles test p', check=False)
    assert 's1._domainkey.gw.test: the DNS has another key.' in out and 'failed' in out, out
    out = g.cli('domainkeysconfig profiles edit p users=a@gw.test,.gw.test expires_s=7d; domainkeysconfig profiles export prof.txt; '
                'domainkeysconfig profiles clear; domainkeysconfig profiles import prof.txt; domainkeysconfig profiles print; commit x')
    assert '1 domain profiles imported.' in out and 'users: a@gw.test,.gw.test' in out, out
    for f in ('prof.txt', os.path.join(conf, 'prof.txt')):
        if os.path.exists(f) and f == 'prof.txt':
            os.unlink(f)
    out = g.cli('domainkeysconfig profiles clear; domainkeysconfig keys clear; commit x; domainkeysconfig keys list')
    assert 'DKIM' not in out
