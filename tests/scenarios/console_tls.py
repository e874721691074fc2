"""Configuration of TLS by dialogue: certificates, versions, ciphers."""
import os, re, ssl, subprocess
from contextlib import closing

from console import run, ok
from lib import wait_for


def test_certificates(t):
    """certconfig: made, imported, pasted, exported; a listener shows the new one after the commit; key and certificate must fit."""
    g = t.home(['user.op.role=operator'])
    conf = os.path.join(g.home, 'configuration')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', conf + '/k.pem', '-out', conf + '/c.pem',
                    '-subj', '/CN=rsa.example.org', '-days', '30'], check=True, capture_output=True)
    cert, key = open(conf + '/c.pem').read(), open(conf + '/k.pem').read()
    with open(conf + '/both.pem', 'w') as f:
        f.write(key + cert)
    out = ok(g, 'certconfig certificate new web web.example.org; certconfig certificate import rsa both.pem;'
                'certconfig certificate print; listenerconfig edit InboundMail certificate rsa; commit x', user='op')
    assert 'Subject: CN=web.example.org' in out and re.search(r'Expires: .* \(in (30|29) days\)', out), out
    keys = os.listdir(os.path.join(g.home, 'keys'))
    stored = [n for n in keys if n.startswith('rsa-') and n.endswith('.crt')]
    assert len(stored) == 1 and 'PRIVATE' not in open(os.path.join(g.home, 'keys', stored[0])).read(), keys
    assert os.stat(os.path.join(g.home, 'keys', stored[0].replace('.crt', '.key'))).st_mode & 0o777 == 0o600

    def served():
        with closing(g.smtp()) as m:
            m.starttls()
            return b'rsa.example.org' in m.s.getpeercert(True)
    wait_for('the new certificate', served)
    ok(g, 'certconfig certificate export rsa out.p12', stdin='secret\nsecret\n')
    ok(g, 'certconfig certificate import back out.p12; certconfig certificate print', stdin='secret\n')
    rc, out = run(g, 'certconfig certificate import back out.p12', stdin='wrong\n')
    assert rc == 1 and 'cannot be read with this passphrase' in out
    other = open([os.path.join(g.home, 'keys', n) for n in keys if n.startswith('web-') and n.endswith('.key')][0]).read()
    rc, out = run(g, 'certconfig certificate paste pasted', stdin=cert + '.\n' + other + '.\nn\n')
    assert rc == 1 and 'The private key does not belong to the certificate' in out, out
    ok(g, 'certconfig certificate paste pasted; certconfig certificate delete pasted', stdin=cert + '.\n' + key + '.\nn\n')
    out = ok(g, 'certconfig certificate edit web; certconfig certificate print', stdin='n\nwww\n\n')
    assert 'Name: www\n' in out and 'Name: web\n' not in out, out
    ok(g, 'certconfig certificate edit web; commit edited', stdin='y\n' + cert + '.\n' + key + '.\nn\n\n\n')
    subprocess.run(['openssl', 'pkcs8', '-topk8', '-in', conf + '/k.pem', '-out', conf + '/e.pem', '-passout', 'pass:x'], check=True, capture_output=True)
    with open(conf + '/locked.pem', 'w') as f:
        f.write(cert + open(conf + '/e.pem').read())
    rc, out = run(g, 'certconfig certificate import locked locked.pem')
    assert rc == 1 and 'without a passphrase' in out, out
    rc, out = run(g, 'certconfig certificate delete rsa')
    assert rc == 1 and 'is in use: listener.InboundMail.certificate names it' in out
    out = ok(g, 'certconfig certauthority custom c.pem; commitdetail; certconfig certauthority system; commitdetail')
    assert re.search(r'tls.ca_file:  -> .*/keys/ca/authorities-[0-9a-f]{8}\.pem', out), out
    assert run(g, 'certconfig certauthority custom k.pem')[0] == 1


def test_tls_versions_and_ciphers(t):
    """sslconfig: strings are tried before they are taken, VERIFY expands one; anonymous ciphers are never offered (HD-11)."""
    g = t.home()
    out = ok(g, 'sslconfig verify HIGH:aNULL:@SECLEVEL=0')
    assert 'ECDHE-RSA-AES256-GCM-SHA384' in out and 'Au=None' not in out and 'they are never offered.' in out, out
    assert run(g, 'sslconfig verify aNULL') == (1, '"aNULL" names no cipher that may be used\n')
    assert run(g, 'sslconfig verify bogus')[0] == 1
    out = ok(g, 'sslconfig inbound 2 HIGH:-aNULL; sslconfig gui 1 HIGH; sslconfig outbound 1 HIGH:aNULL; sslconfig versions 3 2; commitdetail; commit x')
    assert out.count('Anonymous, NULL and export ciphers are never offered, whatever the string says.\n') == 3
    assert 'tls.inbound_min_version: 1.2 -> 1.3' in out and 'tls.outbound_min_version: 1.2 -> 1.3' in out

    def only_13():
        with closing(g.smtp()) as m:
            m.cmd('STARTTLS')
            ctx = ssl.create_default_context()
            ctx.check_hostname, ctx.verify_mode, ctx.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
            try:
                ctx.wrap_socket(m.s)
                return False
            except (ssl.SSLError, OSError):
                return True
    wait_for('TLS 1.2 refused', only_13)
