"""Enrolment: a manager and its gateways meet, by each of the proofs, and part again; what does not fit is refused with its reason."""
import json

import fleet
from lib import *


def peers(h, role):
    """{serial: fingerprint} of the enrolled partners."""
    found = {}
    for line in h.cli('settings', 'show', 'cpq_peer', check=False).splitlines():
        m = re.match(r'cpq_peer(?:\.|\[)(.*?)\]?\.(serial|fingerprint|role)=(.*)', line)
        if m:
            found.setdefault(m[1], {})[m[2]] = m[3]
    return {p['serial']: p['fingerprint'] for p in found.values() if p.get('role', 'manager') == role}


def setting(h, path):
    return h.cli('settings', 'show', path).strip().split('=', 1)[1]


def serial(h):
    return setting(h, 'system.serial')


def pair(t, **kw):
    m, g = t.manager(**kw), t.home([])
    fleet.manager_ready(m)
    return m, g


def key_of(m):
    return m.cli('applianceconfig', 'status').split('Public key of this manager: ')[1].splitlines()[0].rsplit(' ', 1)[0]


def test_by_the_passphrase_of_an_administrator(t):
    """ST-03, ST-06, CPQ-02, CPQ-14: from factory state a manager establishes the connection with a passphrase used once: keys,
    certificates and serial numbers are known on both sides, nothing acts before the commit; exactly four services; the gateway's
    log says what the manager asked."""
    m, g = pair(t)
    g.cli('logconfig auditlogconfig enable; commit -y')
    said = m.cli('applianceconfig add 127.0.0.1:%d gw1 2 1 admin; commit -y' % (g.base + 22), answers='%s\nY\n' % g.passphrase())
    assert re.search(r'SHA256:[A-Za-z0-9+/]{43}', said) and 'is established' in said, said
    assert serial(g) in said
    assert setting(m, 'appliance.gw1.serial') == serial(g) and setting(m, 'appliance.gw1.host_key').startswith('ssh-ed25519 ')
    assert list(peers(m, 'gateway')) == [serial(g)] and list(peers(g, 'manager')) == [serial(m)]
    lists = m.cli('applianceconfig', 'status')
    assert 'site cloud' in lists and 'services: none' in lists, lists
    # exactly four switches
    asked = m.cli('applianceconfig services gw1', answers='y\nn\ny\nn\n')
    assert asked.count('? [') == 4, asked
    m.cli('applianceconfig services gw1 reporting=yes tracking=yes spam=no pvo=no; commit -y')
    assert 'services: reporting tracking;' in m.cli('applianceconfig', 'status')
    # the passphrase is nowhere
    for h in (m, g):
        for top, _, files in os.walk(h.home):
            for f in files:
                path = os.path.join(top, f)
                if os.path.isfile(path):
                    assert g.passphrase().encode() not in open(path, 'rb').read(), path
    # the manager signed what the gateway asked for, and asks by SSH from now on
    assert 'CN=' + serial(m) in issuer(g)
    g.wait_log(r'hello: OK', 'audit_logs')
    assert 'enrolled with no manager' not in g.cli('smaconfig', 'list') and 'quarantined mail goes there' in g.cli('smaconfig', 'list')


def issuer(g):
    pem = setting(g, 'cpq_identity.certificate').replace('\\n', '\n')
    if 'BEGIN' in pem and '\n' not in pem.strip():
        pem = g.cli('settings', 'show', 'cpq_identity.certificate').split('=', 1)[1]
    text = g.cli('settings', 'show', 'cpq_identity').split('certificate=', 1)[1]
    pem = text[:text.index('-----END CERTIFICATE-----') + 25]
    return subprocess.run(['openssl', 'x509', '-noout', '-issuer', '-nameopt', 'RFC2253'], input=pem, capture_output=True, text=True, check=True).stdout


def test_nothing_acts_before_commit(t):
    """central.md 3: what is learned is staged; without a commit the manager has no appliance."""
    m, g = pair(t)
    said = m.cli('applianceconfig add 127.0.0.1:%d gw1 1 1 admin' % (g.base + 22), answers='%s\nY\n' % g.passphrase())
    assert 'is established' in said
    assert 'no appliances' in m.cli('applianceconfig', 'status') and not peers(m, 'gateway')


def test_by_the_key_of_the_manager(t):
    """central.md 3: the manager's public key is typed into the gateway and committed there; the manager then logs in with it and no
    passphrase is asked."""
    m, g = pair(t)
    refused = m.cli('applianceconfig add 127.0.0.1:%d gw1 1 2 y' % (g.base + 22), answers='Y\n', check=False)
    assert 'does not accept our key' in refused, refused
    g.cli('smaconfig add sma "%s"; commit -y' % key_of(m))
    assert 'not enrolled yet' in g.cli('smaconfig', 'list')
    said = m.cli('applianceconfig add 127.0.0.1:%d gw1 1 2 y; commit -y' % (g.base + 22), answers='Y\n')
    assert 'is established' in said, said
    assert setting(g, 'manager.sma.serial') == serial(m)
    assert list(peers(m, 'gateway')) == [serial(g)] and list(peers(g, 'manager')) == [serial(m)]


def test_what_is_refused(t):
    """CPQ-01, ST-25: a wrong passphrase, a refused fingerprint, a port where nobody listens, a name without address and an appliance
    that is too old are told apart; nothing is staged."""
    m, g = pair(t)
    at = '127.0.0.1:%d' % (g.base + 22)
    assert 'does not accept this user and passphrase' in m.cli('applianceconfig add %s gw1 1 1 admin' % at, answers='wrong\nY\n', check=False)
    assert 'not established' in m.cli('applianceconfig add %s gw1 1 1 admin' % at, answers='x\nN\n', check=False)
    assert 'refuses connections on port' in m.cli('applianceconfig add 127.0.0.1:%d gw1 1 1 admin' % free_port(), answers='x\nY\n', check=False)
    assert not g.cli('smaconfig', 'list').count('serial number')
    card = {'proto': 1, 'serial': 'AA-BB', 'ver': '0.1.9', 'ssh_key': 'ssh-ed25519 AAAA', 'cpq_print': 'a' * 64}
    said = g.cli('smaconfig enrol', answers=json.dumps(card) + '\n', check=False)
    assert re.match(r'ERR 505 .*version 0.1.9 is too old, at least 0.2.0 is needed', said), said
    said = g.cli('smaconfig enrol', answers=json.dumps(dict(card, ver='0.2.0', cpq_print='zz')) + '\n', check=False)
    assert re.match(r'ERR 400 .*fingerprint', said), said
    assert 'no manager' in g.cli('smaconfig', 'list')


def test_test_connection(t):
    """ST-05: Test Connection says, with the ports as they are set, one line for each result, with the reason of what does not work."""
    m, g = pair(t)
    spam, pvo = m.base + 6025, m.base + 7025
    fleet.enrol(m, g, 'gw1')
    said = m.cli('applianceconfig', 'test', 'gw1', check=False)
    for line in (r'key login: ok', r'versions: ok \(0\.2\.0, protocol 1\)', r'clock: ok', r'reporting \(manager to gateway, by SSH\): ok',
                 r'tracking \(manager to gateway, by SSH\): ok', r'spam quarantine \(gateway to manager, port %d\): ok' % spam,
                 r'policy, virus and outbreak quarantines \(gateway to manager, port %d\): ok' % pvo):
        assert re.search(line, said), (line, said)
    m.set('euq_listener.enabled=no')
    said = wait_for('the port to be closed', lambda: (s := m.cli('applianceconfig', 'test', 'all', check=False)) and 'port %d not answered' % spam in s and s, 30)
    assert 'spam quarantine (gateway to manager, port %d): not reachable from this gateway: port %d not answered' % (spam, spam) in said
    g.stop()
    assert 'refuses connections' in m.cli('applianceconfig', 'test', 'gw1', check=False)


def test_another_host_key(t):
    """central.md 3: a gateway that shows another host key is not talked to until the connection is established again."""
    m, g = pair(t)
    fleet.enrol(m, g, 'gw1', services=())
    g.stop()
    for f in os.listdir(g.home + '/keys'):
        if f.startswith('ssh_host_'):
            os.unlink(g.home + '/keys/' + f)
    g.start()
    said = m.cli('applianceconfig', 'test', 'gw1', check=False)
    assert 'is not the one known' in said and 'establish the connection again' in said, said
    said = m.cli('applianceconfig edit gw1 127.0.0.1:%d gw1 1 y 1 admin; commit -y' % (g.base + 22), answers='%s\nY\n' % g.passphrase())
    assert 'has changed' in said and 'is established' in said, said
    assert 'key login: ok' in m.cli('applianceconfig', 'test', 'gw1', check=False)


def test_removed_on_both_ends(t):
    """central.md 3: a removed gateway forgets the manager's key and certificate; one that is away stays ignorant, which is told with
    what to type there."""
    m, g = pair(t)
    fleet.enrol(m, g, 'gw1', services=())
    m.cli('applianceconfig delete gw1; commit -y')
    m.wait_log(r'Appliance gw1 was removed: it forgot our keys', 'system_logs')
    assert 'no manager' in g.cli('smaconfig', 'list') and not peers(g, 'manager') and not peers(m, 'gateway')
    fleet.enrol(m, g, 'gw1', services=())
    g.stop()
    said = m.cli('applianceconfig delete gw1; commit -y')
    assert 'It cannot be told now. Enter there: smaconfig delete' in said, said
    m.wait_log(r'Appliance gw1 was removed but could not be told', 'system_logs')
    g.start()
    name = re.search(r'^1\. (\S+) - ', g.cli('smaconfig', 'list'))[1]
    g.cli('smaconfig delete %s; commit -y' % name)
    assert not peers(g, 'manager')


def test_replaced(t):
    """central.md 3: a new serial number is bound to an existing appliance when that is confirmed; the former one stays in its list."""
    m, g = pair(t)
    h = t.home([])
    fleet.enrol(m, g, 'gw1', services=('tracking',))
    first = serial(g)
    said = m.cli('applianceconfig edit gw1 127.0.0.1:%d gw1 1 y 1 admin' % (h.base + 22), answers='%s\nY\nN\n' % h.passphrase(), check=False)
    assert 'Does it replace the former one' in said and 'Nothing was changed' in said, said
    m.cli('applianceconfig edit gw1 127.0.0.1:%d gw1 1 y 1 admin; commit -y' % (h.base + 22), answers='%s\nY\nY\n' % h.passphrase())
    assert setting(m, 'appliance.gw1.serial') == serial(h) and setting(m, 'appliance.gw1.former') == first
    assert list(peers(m, 'gateway')) == [serial(h)]
    assert 'is here already' in m.cli('applianceconfig add 127.0.0.1:%d gw2 1 1 admin' % (h.base + 22), answers='%s\nY\n' % h.passphrase(), check=False)


def test_two_managers(t):
    """central.md 3: several managers are enrolled, one is where quarantined mail goes; promotion is one command."""
    m, g = pair(t)
    n = t.manager()
    fleet.enrol(m, g, 'gw1', services=())
    fleet.enrol(n, g, 'gw1', services=())
    assert set(peers(g, 'manager')) == {serial(m), serial(n)}
    assert g.cli('smaconfig', 'list').count('quarantined mail goes there') == 1
    names = {x[2]: x[1] for x in re.findall(r'((\S+) - .*serial number (\S+?)(?:;|$))', g.cli('smaconfig', 'list'), re.M)}
    g.cli('smaconfig promote %s; commit -y' % names[serial(n)])
    lines = [l for l in g.cli('smaconfig', 'list').splitlines() if 'quarantined mail goes there' in l]
    assert len(lines) == 1 and serial(n) in lines[0], lines


def test_two_managers_fetch_each_for_itself(t):
    """central.md 3, 8, ST-33: two managers fetch from one gateway, one of them through its link: each acknowledges for itself. What one of
    them misses while it is off is kept for it, though the other has it; quarantined mail goes to the first alone."""
    port = free_port()
    sink = t.sink()
    m, n = t.manager(['central.pull_every_ms=1s']), t.manager(['central.pull_every_ms=1s', 'system.hostname=second.manager.test'])
    g = t.home([fleet.HOLD, 'log.audit.type=audit', 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'], sink_port=sink.port)
    for h in (m, n):
        fleet.manager_ready(h)
    m.set('link_listener.enabled=yes', 'link_listener.ports=tls:%d' % port)
    token = re.search(r'PLT1\.\S+', m.cli('applianceconfig add 127.0.0.1:%d gw1 1 3; commit -y' % (g.base + 22)))[0]
    g.set('manager.first.address=127.0.0.1', 'manager.first.link_ports=tls:%d' % port)
    g.cli('smaconfig', 'link', 'first', '127.0.0.1', token)
    m.cli('applianceconfig services gw1 reporting=yes tracking=yes spam=yes pvo=yes; commit -y')
    fleet.enrol(n, g, 'gw1')
    g.name = 'gw1'
    fleet.centralize(m, g)

    def mail(*subjects):
        s = g.smtp()
        for x in subjects:
            assert s.send('a@s.test', ['b@rcpt.test'], b'Subject: %s\r\n\r\nx\r\n' % x.encode())[0] == 250
        s.quit()

    def acks(name):
        return len(re.findall(r'Manager %s \(.*?\): ack tracking .*: OK' % re.escape(name), g.log('audit')))
    mail('both-1', 'hold me')
    for h in (m, n):
        fleet.wait_tracked(h, 'both-1')
    for name in ('first', 'second.manager.test'):
        wait_for('an acknowledgement of ' + name, lambda name=name: acks(name) > 0)
    wait_for('the held one', lambda: len(fleet.held(m)) == 1)
    assert not fleet.held(n)
    n.stop()
    before, had = acks('second.manager.test'), acks('first')
    for i in range(4):
        mail('alone-%d' % i)
        fleet.wait_tracked(m, 'alone-%d' % i)
    wait_for('the acknowledgement of the first', lambda: acks('first') > had)
    assert acks('second.manager.test') == before
    n.start()
    fleet.wait_tracked(n, 'alone-', 4, 60)
    wait_for('its acknowledgement', lambda: acks('second.manager.test') > before)
    for h in (m, n):
        rows = fleet.rows(fleet.tracked(h, 'subject=alone-'))
        assert sorted(x['subject'] for x in rows) == ['alone-%d' % i for i in range(4)], rows
        gaps = [a['gaps'] for a in json.loads(h.cli('tracking', 'availability', '--json'))['appliances'] if a['name'] == 'gw1']
        assert gaps == [[]], gaps


def test_certificates_are_renewed(t):
    """central.md 3: at half of its life a certificate gets a successor; its key is known to the partner before it takes over, and is
    the only one in the end."""
    m, g = pair(t)
    fleet.enrol(m, g, 'gw1', services=('tracking',))
    before = peers(m, 'gateway')[serial(g)]
    # a certificate of another life: made a year and a half ago
    old = subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', g.home + '/k.pem', '-subj',
                          '/CN=' + serial(g), '-days', '1', '-set_serial', '7', '-out', g.home + '/c.pem'], capture_output=True)
    assert old.returncode == 0, old.stderr
    key = open(g.home + '/k.pem').read()
    cert = aged(g, serial(g))
    g.set('cpq_identity.certificate=' + cert, 'cpq_identity.key=' + key)
    g.stop()
    g.start()
    m.stop()
    m.start()
    wait_for('the successor to take over', lambda: 'CN=' + serial(m) in issuer(g) and setting(g, 'cpq_identity.next_certificate') == '', 60)
    wait_for('one pin', lambda: peers(m, 'gateway')[serial(g)] not in (before, ''), 60)


def aged(g, cn):
    """Certificate of HOME/k.pem that is past half of its life."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID
    import datetime
    key = serialization.load_pem_private_key(open(g.home + '/k.pem', 'rb').read(), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    now = datetime.datetime.utcnow()
    c = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
         .not_valid_before(now - datetime.timedelta(days=500)).not_valid_after(now + datetime.timedelta(days=230)).sign(key, hashes.SHA256()))
    return c.public_bytes(serialization.Encoding.PEM).decode()


def test_restarted_in_between(t):
    """What was established outlives a restart of either side, also one between establishing and commit."""
    m, g = pair(t)
    m.cli('applianceconfig add 127.0.0.1:%d gw1 1 1 admin; commit -y' % (g.base + 22), answers='%s\nY\n' % g.passphrase())
    g.stop()
    m.stop()
    m.start()
    g.start()
    assert 'key login: ok' in m.cli('applianceconfig', 'test', 'gw1', check=False)
    # the gateway knows the manager, the manager has forgotten it: established again, nothing twice
    m.cli('settings set -m x -- -appliance.gw1', check=False)
    fleet.enrol(m, g, 'gw2', services=()) if 'gw1' not in m.cli('applianceconfig', 'status') else None
    assert g.cli('smaconfig', 'list').count('serial number') == 1


def test_by_a_link_token(t):
    """central.md 3, 8: a token made on the manager and typed into the gateway, which opens a link and enrols through it; it works once,
    a second use and one that was never made are refused."""
    port = free_port()
    m, g = pair(t)
    m.set('link_listener.enabled=yes', 'link_listener.ports=tls:%d' % port)
    said = m.cli('applianceconfig add 127.0.0.1:%d gw1 1 3; commit -y' % (g.base + 22))
    token = re.search(r'PLT1\.\S+', said)[0]
    secret = token.split('.')[2]
    assert 'valid for 24 hours and once' in said
    for top, _, files in os.walk(m.home + '/conf'):  # the manager keeps no secret
        assert not any(secret in open(os.path.join(top, f), errors='replace').read() for f in files)
    g.set('manager.sma.link_ports=tls:%d' % port)
    said = g.cli('smaconfig', 'link', 'sma', '127.0.0.1', token)
    assert 'Enrolled with the manager' in said, said
    assert setting(g, 'manager.sma.serial') == serial(m) and setting(m, 'appliance.gw1.serial') == serial(g)
    assert list(peers(m, 'gateway')) == [serial(g)] and list(peers(g, 'manager')) == [serial(m)]
    assert setting(m, 'appliance.gw1.link').splitlines()[0] == 'only', m.cli('settings', 'show', 'appliance.gw1')
    status = m.cli('applianceconfig', 'status')
    assert 'services: none' in status, status
    wait_for('Test Connection through the link', lambda: 'key login: ok, via link' in m.cli('applianceconfig', 'test', 'gw1', check=False), 60)
    h = t.home(['manager.sma.link_ports=tls:%d' % port])
    said = h.cli('smaconfig', 'link', 'sma', '127.0.0.1', token, check=False)
    assert 'Enrolled' not in said and not peers(h, 'manager'), said
    assert 'no link token' in h.cli('smaconfig', 'link', 'other', '127.0.0.1', token[:-1], check=False)
