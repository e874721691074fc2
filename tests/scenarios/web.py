"""HTTP and HTTPS: figures for programs, logins, TLS, who may come in and under which name."""
import os, re, signal, socket, ssl, subprocess, time
from lib import *

PLAIN, SECURE = {'http': 80, 'api_http': 6080}, {'https': 443, 'proxy': 4431, 'api_https': 6443}


def admin(g):
    return 'admin:' + re.search(r'login: admin +passphrase: (\S+)', g.init_output).group(1)


def url(g, port, path='/xml/status'):
    return '%s://127.0.0.1:%d%s' % ('http' if port in PLAIN.values() else 'https', g.base + port, path)


def curl(*words):
    """(status, headers, body)"""
    r = subprocess.run(['curl', '-ski', '--max-time', '15', '--path-as-is', *words], capture_output=True, text=True)
    if r.returncode:
        return r.returncode - 1000, '', r.stderr
    head, _, body = r.stdout.replace('\r\n', '\n').partition('\n\n')
    return int(head.split()[1]), head, body


def up(g):
    """The web role answers."""
    wait_for('web', lambda: curl(url(g, 443, '/'))[0] == 200)
    return g


def settings(g, *sets):
    """`settings set` commits each at once."""
    for s in sets:
        g.cli('settings', 'set', s)


def tls(g, *words):
    r = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:%d' % (g.base + 443), *words], stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=20)
    return r.stdout + r.stderr


def test_status_on_every_port(t):
    """FW-08, FW-21: /xml/status answers a Basic login on 80, 443, 4431, 6080 and 6443, with the challenge that Centreon and wget wait for."""
    g = up(t.home())
    for port in [*PLAIN.values(), *SECURE.values()]:
        code, head, body = curl(url(g, port))
        assert code == 401 and 'WWW-Authenticate: Basic realm="Postern"' in head, (port, head)
        code, head, body = curl('-u', admin(g), url(g, port))
        assert code == 200 and 'Content-Type: text/xml' in head and 'Server: API/2.0' in head, (port, head)
        assert body.startswith('<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>\n<status build="phoebe '), body
    r = subprocess.run(['wget', '-qO-', '--user', 'admin', '--password', admin(g)[6:], url(g, 80)], capture_output=True, text=True) if os.path.exists('/usr/bin/wget') else None
    assert not r or '<gauge ' in r.stdout, r
    g.wait_log(r'req:127\.0\.0\.1 user:admin id:- 200 GET /xml/status HTTP/1\.1 curl/', 'gui_logs')


def test_plain_pages_go_to_https(t):
    """FW-08: a page asked for on 80 is sent on to HTTPS, made of a name of ours and never of the client's text."""
    g = up(t.home())
    code, head, _ = curl(url(g, 80, '/'))
    assert code == 308 and 'Location: https://127.0.0.1:%d/' % (g.base + 443) in head, head
    code, head, _ = curl('-H', 'Host: localhost:80', url(g, 80, '/'))
    assert 'Location: https://localhost:%d/' % (g.base + 443) in head, head
    code, head, body = curl(url(g, 443, '/'))
    assert code == 200 and "Content-Security-Policy: default-src 'none'; script-src 'self'" in head and '<script' not in body, head
    settings(g, 'http.redirect=no')
    wait_for('the page', lambda: curl(url(g, 80, '/'))[0] == 200)


def test_shell_plugins_read_the_lines(t):
    """The shell plugins of api.md 8.1 get their figures, and these are those of `status detail`."""
    sink = t.sink()
    g = up(t.home(sink_port=sink.port, settings=['listener.InboundMail.rat=rcpt.test ACCEPT']))
    with_mail = g.smtp()
    for _ in range(3):
        assert with_mail.send('a@sender.test', 'b@rcpt.test', MESSAGE)[0] == 250
    with_mail.quit()
    wait_for('deliveries', lambda: len(sink.messages) == 3)

    def shell(pipe):
        return subprocess.run('curl -sk --max-time 10 -u "%s" %s | %s' % (admin(g), url(g, 443), pipe), shell=True, capture_output=True, text=True).stdout.strip()
    wait_for('the counters', lambda: shell("""grep -A3 'counter name="delivered_recips' | grep lifetime | cut -d'"' -f2""") == '3')
    assert shell("""grep -A3 'counter name="inj_msgs' | grep uptime | cut -d'"' -f2""") == '3'
    assert int(shell("""grep -A3 'rate name="inj_msgs' | grep last_15_min | cut -d'"' -f2""")) == 12
    assert shell("""grep 'gauge name="active_recips' | cut -d'"' -f4""") == '0'
    assert re.fullmatch(r'\d+[KMGTP]', shell("""grep 'gauge name="log_available' | cut -d'"' -f4"""))
    assert shell("""grep -c '<gauge '""") == '25' and shell("""grep '<feature ' | cut -d'"' -f4 | sort -u""") == 'Dormant/Perpetual'
    detail = g.cli('status', 'detail')
    for label, name in (('Messages Received', 'inj_msgs'), ('Delivered Recipients', 'delivered_recips'), ('Completed Recipients', 'completed_recips')):
        want = re.search(r'%s +[\d,]+ +([\d,]+) +([\d,]+)' % label, detail)
        got = shell("""grep -A3 'counter name="%s"' | cut -d'"' -f2""" % name).split('\n')
        assert [w.replace(',', '') for w in want.groups()] == got[2:4], (label, want.groups(), got)
    mid = re.search(r'Message ID \(MID\) +([\d,]+)', detail).group(1).replace(',', '')
    assert shell("""grep 'current_ids message_id' | cut -d'"' -f2""") == mid


def test_the_oldest_message(t):
    """Age and MID of the oldest message stand in /xml/status, the age in `status`."""
    g = up(t.home(settings=['listener.InboundMail.rat=rcpt.test ACCEPT']))
    g.cli('suspenddel', '0')
    s = g.smtp()
    mid = re.search(r'(\d+)', s.send('a@sender.test', 'b@rcpt.test', MESSAGE)[1][3:])
    s.quit()

    def oldest():
        m = re.search(r'<oldest_message secs="(\d+)" mid="(\d+)" />', curl('-u', admin(g), url(g, 6080))[2])
        return m and m.group(2) != '0' and m
    m = wait_for('the oldest message', oldest)
    assert int(m.group(1)) < 60 and re.search(r'MID %s ' % m.group(2), g.log()), m.group(0)
    assert re.search(r'Oldest Message: +0 hours 0 mins \d+ secs', g.cli('status')), g.cli('status')


def test_health_and_errors(t):
    """Health as numbers on every base, one value by name; errors are JSON objects of one shape."""
    import json
    g = up(t.home())
    for path in ('/api/v1.0/health', '/api/v1.0/health/', '/esa/api/v2.0/health', '/api/v2.0/health'):
        for port in (443, 4431, 6080, 6443):
            code, head, body = curl('-u', admin(g), url(g, port, path))
            data = json.loads(body)['data']
            assert code == 200 and len(data) == 8 and all(isinstance(v, (int, float)) for v in data.values()), body
            assert 'Server: %s' % ('EmailAPI/1.0' if 'v1' in path else 'API/2.0') in head and 'Content-Type: application/json' in head, head
    body = curl('-u', admin(g), url(g, 6080, '/api/v1.0/health/percentage_cpu_load'))[2]
    assert re.fullmatch(r'{"data":{"percentage_cpu_load":\d+},"uri":"/api/v1.0/health/percentage_cpu_load"}', body), body
    for path, want in (('/sma/api/v2.0/health', 404), ('/api/v1.0/health/nothing', 404), ('/x', 404), ('/%2e%2e/etc/passwd', 400),
                       ('/api/v1.0/health?a=1', 404), ('/xml/hoststatus?hostname=none.test', 404)):
        code, head, body = curl('-u', admin(g), url(g, 6080, path))
        e = json.loads(body)['error']
        assert code == want and e['code'] == str(want) and e['explanation'].startswith('%d = ' % want) and 'application/json' in head, (path, body)
    code, head, _ = curl('-u', admin(g), '-X', 'DELETE', '-d', '{}', url(g, 6080))
    assert code == 501 and 'Allow: GET, HEAD' in head, head
    assert curl('-u', admin(g), '-X', 'GET', '-d', '{"a":1}', url(g, 6080))[0] == 200
    assert curl('-X', 'TRACE', url(g, 80))[0] == 501
    assert 'Connection: close' in curl('-0', '-u', admin(g), url(g, 80))[1]
    assert re.search(r'<tophosts', curl('-u', admin(g), url(g, 443, '/xml/tophosts'))[2])
    assert re.search(r'<dnsstatus dns_requests="\d+" ', curl('-u', admin(g), url(g, 443, '/xml/dnsstatus'))[2])


def test_wrong_logins(t):
    """A wrong passphrase and an unknown user get the same 401; ten failures shut the address out with 429; plain HTTP logins can be refused."""
    g = up(t.home())
    wrong, unknown = curl('-u', 'admin:x', url(g, 6080)), curl('-u', 'nobody:x', url(g, 6080))
    assert wrong[0] == unknown[0] == 401 and wrong[2] == unknown[2]
    assert '"message":"Invalid username or passphrase.","code":"401"' in wrong[2]
    settings(g, 'http.plaintext_login=refuse')
    wait_for('the refusal', lambda: curl('-u', admin(g), url(g, 80))[0] == 403)
    assert curl('-u', admin(g), url(g, 443))[0] == 200
    for _ in range(8):
        assert curl('-u', 'nobody:x', url(g, 443))[0] == 401
    code, head, _ = curl('-u', admin(g), url(g, 443))
    assert code == 429 and re.search(r'Retry-After: \d+', head), head


def test_only_strong_tls(t):
    """HD-11, FW-21: HTTPS speaks TLS 1.2 and 1.3; 1.1, anonymous and null ciphers are refused, whatever the cipher list says."""
    g = up(t.home(settings=['http.ciphers=ALL:aNULL:eNULL:@SECLEVEL=0']))
    assert 'Cipher is TLS_' in tls(g, '-tls1_3') and 'Cipher is ECDHE' in tls(g, '-tls1_2')
    for words in (['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], ['-tls1', '-cipher', 'ALL:@SECLEVEL=0'], ['-tls1_2', '-cipher', 'aNULL:@SECLEVEL=0'],
                  ['-tls1_2', '-cipher', 'eNULL:@SECLEVEL=0'], ['-tls1_2', '-cipher', '3DES:@SECLEVEL=0']):
        out = tls(g, *words)
        assert 'Cipher is (NONE)' in out or 'no ciphers available' in out or 'no cipher match' in out, (words, out)
    settings(g, 'http.min_version=1.3')
    wait_for('TLS 1.3 only', lambda: 'Cipher is (NONE)' in tls(g, '-tls1_2'))
    assert 'Cipher is TLS_' in tls(g, '-tls1_3')


def test_a_new_certificate_is_shown_without_a_restart(t):
    """A certificate that is set is used for the next connection; one that cannot be read leaves the former in use."""
    g = up(t.home())
    before = g.roles()['web', 0]
    keys = os.path.join(g.home, 'keys')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=new.test',
                    '-keyout', keys + '/new.key', '-out', keys + '/new.crt'], check=True, capture_output=True)
    settings(g, 'certificate.new.cert_file=keys/new.crt', 'certificate.new.key_file=keys/new.key', 'http.certificate=new')
    wait_for('the certificate', lambda: re.search(r'CN ?= ?new\.test', tls(g)))
    settings(g, 'certificate.new.cert_file=keys/none.crt')
    time.sleep(0.3)
    assert re.search(r'CN ?= ?new\.test', tls(g)) and curl('-u', admin(g), url(g, 443))[0] == 200
    assert g.roles()['web', 0] == before


def test_forged_host(t):
    """HD-04, HD-05: a Host that is no name of this machine gets 400 and nothing else; switched off, it is taken."""
    g = up(t.home(settings=['system.hostname=gw1.corp.test']))
    for port in (80, 443, 6080):
        code, _, body = curl('-H', 'Host: evil.test', '-u', admin(g), url(g, port))
        assert code == 400 and 'evil' not in body, body
        assert curl('-H', 'Host: gw1.corp.test:%d' % port, '-u', admin(g), url(g, port))[0] == 200
    settings(g, 'access.host_header=no')
    wait_for('the change', lambda: curl('-H', 'Host: evil.test', '-u', admin(g), url(g, 80))[0] == 200)


def test_only_chosen_addresses(t):
    """HD-02: with a list of addresses others get no answer; behind a listed proxy the client that it names is judged."""
    g = up(t.home(settings=['access.mode=restrict_or_proxy', 'access.allowed=127.0.0.1,192.0.2.0/24', 'access.proxies=127.0.0.3']))

    def frm(address, *words):
        return curl('--interface', address, '-u', admin(g), *words, url(g, 443))[0]
    assert frm('127.0.0.1') == 200
    assert frm('127.0.0.2') < 0
    assert frm('127.0.0.3') == 403
    assert frm('127.0.0.3', '-H', 'X-Forwarded-For: 198.51.100.1') == 403
    assert frm('127.0.0.3', '-H', 'X-Forwarded-For: 198.51.100.1, 192.0.2.7') == 200
    g.wait_log(r'req:192\.0\.2\.7 user:admin', 'gui_logs')


def test_script_is_inert(t):
    """HD-06: script in a path, a parameter and a host name comes back as text or not at all; every answer carries a policy against it."""
    g = up(t.home(settings=['listener.InboundMail.rat=ALL ACCEPT']))
    s = '<script>alert(1)</script>'
    for path in ('/' + s, '/xml/hoststatus?hostname=' + s.replace('<', '%3C').replace('>', '%3E'), '/api/v1.0/health?%3Cscript%3E=1', '/?a=%3Cscript%3E'):
        for port in (80, 443):
            code, head, body = curl('-u', admin(g), '-g', url(g, port, path))
            assert code >= 300 and '<script' not in body and '<script' not in head, (path, head, body)
            assert "Content-Security-Policy: default-src 'none'" in head and 'X-Content-Type-Options: nosniff' in head, head


def raw(g, data, port=80, secs=1.0):
    s = socket.create_connection(('127.0.0.1', g.base + port), 5)
    try:
        s.sendall(data)
        s.settimeout(secs)
        return s.recv(65536)
    except OSError:
        return b''
    finally:
        s.close()


def test_garbage_and_a_killed_role(t):
    """Garbage, half requests and too much of everything end their own connection only; a killed web role is back within a second."""
    g = up(t.home())
    pid = g.roles()['web', 0]
    raw(g, os.urandom(5000))
    raw(g, os.urandom(5000), 443)
    raw(g, b'GET /xml/status HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n')
    assert b' 414 ' in raw(g, b'GET /' + b'a' * 33000 + b' HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    assert b' 431 ' in raw(g, b'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n' + b''.join(b'X%d: y\r\n' % i for i in range(3000)) + b'\r\n')
    raw(g, b'GET / HTTP/1.1\r\nX: ' + b'a' * 300000)
    held = [socket.create_connection(('127.0.0.1', g.base + 80), 5) for _ in range(150)]
    assert curl('--interface', '127.0.0.2', '-u', admin(g), url(g, 443))[0] == 200, 'others are served while one address holds its connections'
    for s in held:
        s.close()
    wait_for('web', lambda: curl('-u', admin(g), url(g, 80))[0] == 200)
    assert g.roles()['web', 0] == pid
    os.kill(pid, signal.SIGKILL)
    start = time.monotonic()
    wait_for('web to answer again', lambda: curl('-u', admin(g), url(g, 443))[0] == 200, 5)
    assert time.monotonic() - start < 2 and g.roles()['web', 0] != pid
