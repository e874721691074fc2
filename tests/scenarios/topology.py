"""The sync topologies T1, T2 and T3 with real hosts and firewalls: what works, what waits, which reason is shown, and who opened
what. With the link on all four services work in each."""
import fleet
from lib import *
from lab import Site

SPAM, PVO = 'Spam quarantine', 'Policy, virus, outbreak quarantine'


def enrol(site, g=None):
    g = g or site.gateway
    return fleet.enrol(site.manager, g, g.name, site='cloud' if site.in_cloud(g.name) else 'external')


def mail_arrives(site, g, subject):
    """One plain message through this gateway: at the mail host, and in the tracking of the manager (ST-16)."""
    site.send(g, subject)
    wait_for('the mail outside', lambda: site.delivered(subject) == 1)
    fleet.wait_tracked(site.manager, subject)


def all_four_work(site, g, round):
    """ST-15 to ST-19 turned round: tracking, reporting, both quarantines, and releases back."""
    m = site.manager
    mail_arrives(site, g, 'plain %s' % round)
    site.send(g, 'hold me %s' % round)
    site.send(g, 'offer %s' % round, body='buy now')
    wait_for('the held one on the manager', lambda: len(fleet.held(m, 'subject=hold me ' + round)) == 1)
    wait_for('the spam on the manager', lambda: len(fleet.held(m, 'subject=offer ' + round, verb='spamquarantine')) == 1)
    m.cli('quarantine', 'release', 'subject=hold me ' + round)
    m.cli('spamquarantine', 'release', 'subject=offer ' + round)
    for subject in ('hold me ' + round, 'offer ' + round):
        wait_for('the released %s' % subject, lambda: site.delivered('Subject: ' + subject) == 1 or site.delivered(subject) == 1, 30)
    for (_, name), line in fleet.services(m).items():
        assert line['works'], line


def test_cloud_profile(t):
    """ST-01, ST-02, HD-12: from outside only 25 and 587 of a cloud site can be met, the rest is silent; the cloud host itself
    reaches any port outside."""
    site = Site(t, 'T1')
    for port in (22, 80, 443, 4431, 6025, 6080, 6443, 7025):
        assert site.port('gw1', 'sma', port, 1) == 'filtered', port
    for port in (25, 587):
        assert site.port('gw1', 'sma', port) in ('open', 'closed'), port
    for port in (22, 443, 6025, 7025):
        assert site.port('sma', 'gw1', port) in ('open', 'closed'), port
    assert site.port('sma', 'gw1', 22) == 'open' and site.port('out', 'gw1', 22, 1) == 'filtered'
    assert site.dropped() > 0


def test_t1_reporting_and_tracking_alone(t):
    """T1, link off. ST-03, ST-05, ST-21, ST-22: a manager in the cloud is joined with two gateways outside. ST-04, ST-07 to ST-10,
    ST-17: it opens SSH 22 of each, nothing else, and they never open 22. ST-15, ST-16: tracking has every message, counters are
    equal. ST-18 to ST-20, ST-11 to ST-14: spam and held mail stay on the gateway, hosts down, nothing lost, since 6025 and 7025 are
    dropped at the firewall; both are marked, Enable is refused with the reason."""
    site = Site(t, 'T1', gateways=2)
    m = site.manager
    fleet.manager_ready(m)
    for g in site.gateways:
        enrol(site, g)
    listed = m.cli('applianceconfig', 'status')
    assert len(re.findall(r'site external', listed)) == 2, listed
    for g in site.gateways:
        mail_arrives(site, g, 'news by ' + g.name)
    opened = site.opened()
    assert {('sma', 'gw1', 22), ('sma', 'gw2', 22)} <= opened
    assert not [x for x in opened if x[0].startswith('gw') and x[1] == 'sma' and x[2] == 22], opened
    assert {x[2] for x in opened if x[0] == 'sma' and x[1].startswith('gw')} == {22}, opened
    marked = fleet.services(m)
    for g in site.gateways:
        for service in ('Reporting', 'Tracking'):
            assert marked[g.name, service]['works'], marked
        for service, port in ((SPAM, 6025), (PVO, 7025)):
            line = marked[g.name, service]
            assert not line['works'] and 'not reachable from this gateway: port %d not answered' % port in line['text'] and 'link' in line['text'], line
    # Enable is grey: refused with the reason, and the probe was dropped at the firewall
    g = site.gateway
    m.cli('pvoconfig migration gw1 2; commit -y')
    said = g.cli('pvoconfig', 'enable', check=False)
    assert '7025' in said and g.cli('settings', 'show', 'pvo.central').strip().endswith('no'), said
    # spam set central all the same: it waits, nothing is lost
    g.set('spam_quarantine.central=yes')
    before = site.dropped()
    site.send(g, 'an offer', body='buy now')
    wait_for('the waiting spam', lambda: re.search(r'the\.euq\.queue +1\b', g.cli('tophosts', 'active_rcpts')), 20)
    wait_for('the host to be down', lambda: re.search(r'Host up/down: +down', g.cli('hoststatus', 'the.euq.queue')), 30)
    assert ('gw1', 'sma', 6025) in site.opened() and ('gw1', 'sma', 7025) in site.opened() and site.dropped() > before
    assert site.delivered('an offer') == 0 and re.search(r'an offer', g.cli('showrecipients', 'host', 'the.euq.queue'))


def test_t2_nothing_without_a_link(t):
    """T2, link off. ST-23 to ST-25: Establish ends with clear text and the advice, since 22 is not let in; SYN of the manager alone.
    ST-26 to ST-28: the gateway reaches 6025 and 7025 and sees the banner. ST-29: it is not enrolled, so both refuse it, logged."""
    site = Site(t, 'T2')
    m, g = site.manager, site.gateway
    fleet.manager_ready(m)
    wait_for('the hidden listeners', lambda: site.port('gw1', 'sma', 7025) == 'open' and site.port('gw1', 'sma', 6025) == 'open')
    said = fleet.establish(m, g, 'gw1', 'cloud', check=False)
    assert 'the gateway does not let SSH in from the manager; use a link' in said, said
    opened = site.opened()
    assert ('sma', 'gw1', 22) in opened and not [x for x in opened if x[:2] == ('gw1', 'sma') and x[2] == 22], opened
    for port in (6025, 7025):
        assert site.banner('gw1', 'sma', port).startswith('220 '), port
        assert 'ok' in g.cli('connectivity', site.address['sma'], str(port)), port
    # a certificate that nobody enrolled ends the handshake, told in the log with address and fingerprint
    for port in (6025, 7025):
        site.on('gw1', 'sh', '-c', 'openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=stranger -keyout k -out c -days 1 2>/dev/null; '
                '(sleep 1; echo QUIT) | openssl s_client -starttls smtp -connect %s:%d -cert c -key k' % (site.address['sma'], port), cwd=site.dir, input='')
    wait_for('both refusals', lambda: len(re.findall(r'not enrolled', m.log())) >= 2, 10)
    assert site.address['gw1'] in m.log()


def test_t3_all_four(t):
    """T3, ST-30: in one network all four services work. ST-11 to ST-14, FW-45, FW-46: spam goes to 6025 and held mail to 7025, opened
    by the gateway; releases to 7025 of the gateway, opened by the manager; 22 by the manager alone. ST-06: exactly four services."""
    site = Site(t, 'T3')
    m, g = site.manager, site.gateway
    fleet.manager_ready(m)
    enrol(site)
    fleet.centralize(m, g)
    all_four_work(site, g, 'one')
    opened = {x for x in site.opened() if {x[0], x[1]} == {'gw1', 'sma'}}
    assert opened == {('sma', 'gw1', 22), ('gw1', 'sma', 6025), ('gw1', 'sma', 7025), ('sma', 'gw1', 7025)}, opened


def test_blocked_ports_stop_their_service_alone(t):
    """FW-45, FW-46, CPQ-25, CPQ-35, CPQ-45: 6025, 7025 one way, 7025 the other way, 22 blocked one after the other: that service waits, is
    named with its port, loses nothing and goes on after."""
    site = Site(t, 'T3')
    m, g = site.manager, site.gateway
    fleet.manager_ready(m)
    enrol(site)
    fleet.centralize(m, g)
    all_four_work(site, g, 'before')
    # 6025: spam waits, held mail goes on
    site.block('ip daddr %s tcp dport 6025' % site.address['sma'])
    site.send(g, 'offer in between', body='buy now')
    site.send(g, 'hold me in between')
    wait_for('held all the same', lambda: len(fleet.held(m, 'subject=hold me in between')) == 1)
    assert not fleet.held(m, 'subject=offer in between', verb='spamquarantine')
    assert not fleet.services(g)['sma', SPAM]['works'] and '6025' in fleet.services(g)['sma', SPAM]['text']
    site.unblock()
    wait_for('the spam', lambda: len(fleet.held(m, 'subject=offer in between', verb='spamquarantine')) == 1, 60)
    # 7025 of the gateway: the release waits, the.cpq.release.host names it
    site.block('ip daddr %s tcp dport 7025' % site.address['gw1'])
    m.cli('quarantine', 'release', 'subject=hold me in between')
    wait_for('the waiting release', lambda: re.search(r'Active Recipients +1', m.cli('hoststatus', 'the.cpq.release.host')), 20)
    assert site.delivered('hold me in between') == 0
    site.unblock()
    wait_for('the released one', lambda: site.delivered('hold me in between') == 1, 60)
    # 22: tracking stops and releases wait, the error names SSH; quarantines go on
    site.block('ip daddr %s tcp dport 22' % site.address['gw1'])
    site.send(g, 'hold me at last')
    wait_for('held without SSH', lambda: len(fleet.held(m, 'subject=hold me at last')) == 1)
    m.cli('quarantine', 'release', 'subject=hold me at last')
    wait_for('a reason that names SSH', lambda: 'SSH' in m.cli('hoststatus', 'the.cpq.release.host'), 60)
    site.unblock()
    wait_for('the last one', lambda: site.delivered('hold me at last') == 1, 60)
    fleet.wait_tracked(m, 'at last', seconds=60)


def link(site, ports, enrol_by_token):
    """The link of the gateway on these ports: by token (the only way in T2), or on top of an enrolment."""
    m, g = site.manager, site.gateway
    m.set('link_listener.enabled=yes', 'link_listener.ports=' + ports)
    if enrol_by_token:
        said = m.cli('applianceconfig add %s gw1 %d 3; commit -y' % (g.address, 2 if site.in_cloud('gw1') else 1))
        token = re.search(r'\b(PLT1\.\S+)', said).group(1)
        g.cli('smaconfig link sma %s %s; commit -y' % (site.address['sma'], token))
    else:
        enrol(site)
        m.set('appliance.gw1.link=only')
        g.set('manager.%s.link=only' % manager_name(g))
    m.cli('applianceconfig services gw1 reporting=yes tracking=yes spam=yes pvo=yes; commit -y', check=False)


def manager_name(g):
    return re.search(r'(?m)^manager\.([^.]+(?:\.[^.=]+)*?)\.address', g.cli('settings', 'show', 'manager')).group(1)


def linked(t, topology, ports, carrier_ports, by_token):
    site = Site(t, topology)
    m, g = site.manager, site.gateway
    fleet.manager_ready(m)
    link(site, ports, by_token)
    g.set('manager.%s.link_ports=%s' % (manager_name(g), carrier_ports))
    wait_for('the link', lambda: 'works' in str(m.cli('connectivity', 'services', check=False)), 60)
    site.opened(anew=True)
    g.name = 'gw1'
    fleet.centralize(m, g)
    all_four_work(site, g, 'linked')
    opened = {x for x in site.opened() if {x[0], x[1]} == {'gw1', 'sma'}}
    wanted = {int(p.split(':')[-1]) for p in carrier_ports.split(',')}
    assert all(x[0] == 'gw1' and x[2] in wanted for x in opened), opened


def test_link_in_t1(t):
    """ST-31, ST-32, FW-54: T1 with the link on 25, then on 587: all four services, opened by the gateway alone."""
    linked(t, 'T1', 'smtp:25,smtp:587', 'smtp:25', True)


def test_link_in_t1_on_587(t):
    """ST-31, FW-54: T1 with the link on 587."""
    linked(t, 'T1', 'smtp:25,smtp:587', 'smtp:587', True)


def test_link_in_t2_by_each_carrier(t):
    """ST-31, FW-54: T2, where the token is the only way in, by TLS on 443."""
    linked(t, 'T2', 'tls:443', 'tls:443', True)


def test_link_in_t2_by_ssh(t):
    """ST-31, FW-54: T2 by SSH on 22."""
    linked(t, 'T2', 'smtp:25', 'ssh:22', True)


for _f in list(vars().values()):
    if getattr(_f, '__name__', '').startswith('test_'):
        _f.needs_root = True
for _f in (test_blocked_ports_stop_their_service_alone, test_link_in_t1, test_link_in_t1_on_587, test_link_in_t2_by_each_carrier,
           test_link_in_t2_by_ssh):
    _f.by_hand = 'not finished: it does not pass yet'
