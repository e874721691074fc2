"""The sync topologies T1, T2 and T3 with real hosts and firewalls: what works, what waits, which reason is shown, and who opened
what. With the link on all four services work in each."""
import fleet
import json

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
    ST-17: it opens SSH 22 of each, nothing else, and they never open 22. ST-16: tracking has the mail of each. ST-18, ST-20: spam
    stays on the gateway, its host is down, nothing is lost, since 6025 and 7025 are dropped at the firewall; both services are
    marked. ST-19: held mail is not sent there at all: Enable is refused with the reason."""
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
    """T2, link off. ST-23, ST-24, ST-25: Establish ends with clear text and the advice, since 22 is not let in; SYN of the manager alone.
    ST-26, ST-27, ST-28: the gateway reaches 6025 and 7025 and sees the banner. ST-29: it is not enrolled, so both refuse it, logged."""
    site = Site(t, 'T2')
    m, g = site.manager, site.gateway
    fleet.manager_ready(m)
    wait_for('the hidden listeners', lambda: site.port('gw1', 'sma', 7025) == 'open' and site.port('gw1', 'sma', 6025) == 'open')
    said = fleet.establish(m, g, 'gw1', 'cloud', check=False)
    assert 'the gateway does not let SSH in from the manager; use a link' in said, said
    opened = site.opened()
    assert {x[2] for x in opened if x[:2] == ('sma', 'gw1')} == {22}, opened
    assert not [x for x in opened if x[:2] == ('gw1', 'sma') and x[2] == 22], opened
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
    """T3, ST-30: in one network all four services work. ST-11, ST-12, ST-13, ST-14, FW-45, FW-46: spam goes to 6025, held mail to 7025, opened
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
    """FW-45, FW-46, CPQ-25, CPQ-35, CPQ-45: 6025, 7025 of the manager, 7025 of the gateway, 22 blocked one after the other: that service
    waits, is named with its port, loses nothing and goes on after; the others work meanwhile."""
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
    line = fleet.services(g)[manager_name(g), SPAM]
    assert not line['works'] and '6025' in line['text'] and 'mail stays in the.euq.queue' in line['text'], line
    site.unblock()
    wait_for('the spam', lambda: len(fleet.held(m, 'subject=offer in between', verb='spamquarantine')) == 1, 60)
    # 7025 of the manager: held mail waits, spam goes on
    site.block('ip daddr %s tcp dport 7025' % site.address['sma'])
    site.send(g, 'hold me meanwhile')
    site.send(g, 'offer meanwhile', body='buy now')
    wait_for('the spam all the same', lambda: len(fleet.held(m, 'subject=offer meanwhile', verb='spamquarantine')) == 1)
    wait_for('the waiting hold', lambda: re.search(r'Active Recipients +1\b', g.cli('hoststatus', 'the.cpq.host')), 20)
    line = fleet.services(g)[manager_name(g), PVO]
    assert not line['works'] and '7025' in line['text'] and 'mail stays in the.cpq.host' in line['text'], line
    assert not fleet.held(m, 'subject=hold me meanwhile')
    site.unblock()
    wait_for('the hold', lambda: len(fleet.held(m, 'subject=hold me meanwhile')) == 1, 60)
    # 7025 of the gateway: the release waits, the.cpq.release.host names it
    site.block('ip daddr %s tcp dport 7025' % site.address['gw1'])
    m.cli('quarantine', 'release', 'subject=hold me in between')
    wait_for('the waiting release', lambda: re.search(r'Active Recipients +1', m.cli('hoststatus', 'the.cpq.release.host')), 20)
    assert site.delivered('hold me in between') == 0
    site.unblock()
    wait_for('the released one', lambda: site.delivered('hold me in between') == 1, 60)
    # 22: tracking stops and releases wait, the error names SSH; quarantines go on
    site.block('ip daddr %s tcp dport 22' % site.address['gw1'], 'reject with tcp reset')
    site.send(g, 'hold me at last')
    site.send(g, 'news without SSH')
    wait_for('held without SSH', lambda: len(fleet.held(m, 'subject=hold me at last')) == 1)
    # a connection that is open needs no SSH; the log is a moment behind
    wait_for('both releases in the log', lambda: len(re.findall(r'Message done DCID \d+ MID \d+ .*\(centralized policy quarantine\)', m.log())) == 2)
    wait_for('the end of the connection', lambda: set(re.findall(r'New SMTP DCID (\d+)', m.log())) <= set(re.findall(r'DCID (\d+) close', m.log())), 20)
    m.cli('quarantine', 'release', 'subject=hold me at last')
    wait_for('a reason that names SSH', lambda: 'SSH' in m.cli('hoststatus', 'the.cpq.release.host'), 60)
    assert site.delivered('news without SSH') == 1 and not fleet.rows(fleet.tracked(m, 'subject=news without SSH'))
    site.unblock()
    wait_for('the last one', lambda: site.delivered('hold me at last') == 1, 60)
    fleet.wait_tracked(m, 'news without SSH', seconds=60)


def by_token(site, gateway_ports=''):
    """Enrolment through the link, by token: the only way in T2."""
    m, g = site.manager, site.gateway
    said = m.cli('applianceconfig add %s gw1 %d 3; commit -y' % (g.address, 2 if site.in_cloud('gw1') else 1))
    token = re.search(r'\b(PLT1\.\S+)', said).group(1)
    if gateway_ports:
        g.set('manager.sma.address=' + site.address['sma'], 'manager.sma.link_ports=' + gateway_ports)
    g.cli('smaconfig link sma %s %s; commit -y' % (site.address['sma'], token))
    m.cli('applianceconfig services gw1 reporting=yes tracking=yes spam=yes pvo=yes; commit -y')


def manager_name(g):
    return re.search(r'(?m)^manager(?:\.|\[)(.+?)\]?\.address=', g.cli('settings', 'show', 'manager')).group(1)


def link_of(h):
    """The one link of this machine, as it tells."""
    answer = h.cli('link', '--json', check=False)
    links = json.loads(answer)['links'] if answer.startswith('{') else []
    return links[0] if links else {'state': 'none'}


def linked_by(site, carrier, port, seconds=30):
    """Both ends say that the link is up, by this carrier and port."""
    def up():
        ends = [link_of(h) for h in (site.manager, site.gateway)]
        return all(e['state'] == 'up' and (e['carrier'], e['port']) == (carrier, port) for e in ends)
    wait_for('the link by %s on %d' % (carrier, port), up, seconds)


def all_through(site, carrier, port, round):
    """All four services and the safelists work, and the one thing that anybody has opened between the two, if at all, is the link."""
    m, g = site.manager, site.gateway
    all_four_work(site, g, round)
    m.cli('slbl add ann@rcpt.lab.test safe %s.test' % round)
    wait_for('the safelist', lambda: '%s.test' % round in g.cli('slbl show --json'), 5)
    lines = fleet.services(g)
    for service in (SPAM, PVO):
        assert lines[manager_name(g), service]['works'] and lines[manager_name(g), service]['text'] == 'via link', lines
    opened = between(site, anew=True)
    assert opened <= {('gw1', 'sma', port)}, opened
    linked_by(site, carrier, port)


def site_with_link(t, topology, ports, **kw):
    site = Site(t, topology, **kw)
    fleet.manager_ready(site.manager)
    if 'tls:443' in ports:
        said = site.manager.cli('settings', 'set', 'link_listener.enabled=yes', 'link_listener.ports=' + ports, check=False)
        assert '443 is taken by HTTPS of interface Management' in said, said
        site.manager.set('interface.Management.https=no')
    site.manager.set('link_listener.enabled=yes', 'link_listener.ports=' + ports)
    return site


def between(site, anew=False):
    return {x for x in site.opened(anew) if {x[0], x[1]} == {'gw1', 'sma'}}


def test_link_in_t1(t):
    """ST-31, ST-32, FW-54: T1, enrolled through the link, nothing said about ports: 443 is dropped at the firewall, so it comes by 587. All
    four services and the safelists work, opened by the gateway alone. Told to use 25 it moves there."""
    site = site_with_link(t, 'T1', 'smtp:25,smtp:587')
    by_token(site)
    linked_by(site, 'smtp', 587)
    assert between(site, anew=True) == {('gw1', 'sma', 443), ('gw1', 'sma', 587)}
    fleet.centralize(site.manager, site.gateway)
    all_through(site, 'smtp', 587, 'one')
    site.gateway.set('manager.sma.link_ports=25')
    linked_by(site, 'smtp', 25)
    all_through(site, 'smtp', 25, 'two')


def test_link_in_t1_preferred(t):
    """ST-31, FW-54: T1, enrolled by SSH, then the manager prefers the link, the gateway uses nothing else: what did not work works, and SSH from the
    manager is used no more. With the link's ports closed both ends notice; the manager comes by SSH again, quarantined mail waits and goes when the link is back."""
    site = site_with_link(t, 'T1', 'smtp:25', settings=['central.link_keepalive_ms=1s'], manager=['central.link_keepalive_ms=1s'])
    m, g = site.manager, site.gateway
    enrol(site)
    assert not fleet.services(m)['gw1', PVO]['works']
    name = manager_name(g)
    m.set('appliance.gw1.link=prefer')
    g.set('manager[%s].link=only' % name, 'manager[%s].link_ports=smtp:25' % name)
    linked_by(site, 'smtp', 25)
    fleet.centralize(m, g)
    site.opened(anew=True)
    all_through(site, 'smtp', 25, 'one')
    site.block('ip saddr %s ip daddr %s tcp dport 25' % (site.address['gw1'], site.address['sma']))
    wait_for('both ends to notice', lambda: link_of(m)['state'] == link_of(g)['state'] == 'down', 15)
    mail_arrives(site, g, 'by the old way')
    assert ('sma', 'gw1', 22) in between(site)
    site.send(g, 'hold me meanwhile')
    line = fleet.services(g)[name, PVO]
    assert not line['works'] and 'the link is down' in line['text'] and 'mail stays in the.cpq.host' in line['text'], line
    site.unblock()
    wait_for('the held one', lambda: len(fleet.held(m, 'subject=hold me meanwhile')) == 1, 60)
    linked_by(site, 'smtp', 25)


def test_link_in_t2(t):
    """ST-31, FW-54: T2, where the token is the only way in, by TLS on 443."""
    site = site_with_link(t, 'T2', 'tls:443')
    by_token(site, 'tls:443')
    linked_by(site, 'tls', 443)
    fleet.centralize(site.manager, site.gateway)
    all_through(site, 'tls', 443, 'one')


def test_link_in_t2_by_every_port(t):
    """ST-31, FW-54: T2, with the list of ports as it is: 443 is refused, 587 is taken; then 25; then SSH on 22, which needs no listener."""
    site = site_with_link(t, 'T2', 'smtp:25,smtp:587')
    by_token(site)
    linked_by(site, 'smtp', 587)
    fleet.centralize(site.manager, site.gateway)
    assert between(site, anew=True) == {('gw1', 'sma', 443), ('gw1', 'sma', 587)}
    all_through(site, 'smtp', 587, 'one')
    for carrier, port in (('smtp', 25), ('ssh', 22)):
        site.gateway.set('manager.sma.link_ports=%d' % port)
        linked_by(site, carrier, port)
        all_through(site, carrier, port, 'by%d' % port)


def test_the_link_is_unplugged(t):
    """ST-32, CPQ-64, CPQ-29: T2, all packets of the gateway are dropped without a word: both ends notice by the missing signs of life and
    their status says so; after the time set both raise alerts, for the link and for the partner. What was held, offered and released meanwhile
    waits, and is there once when the link is back."""
    quick = ['central.link_keepalive_ms=1s', 'central.away_alert_ms=2s', 'alerts.first_wait_ms=1s']
    site = site_with_link(t, 'T2', 'tls:443', settings=quick + ['pvo.alert_away_ms=2s'], manager=quick)
    m, g = site.manager, site.gateway
    by_token(site, 'tls:443')
    linked_by(site, 'tls', 443)
    fleet.centralize(m, g)
    site.send(g, 'hold me before')
    wait_for('the held one', lambda: len(fleet.held(m, 'subject=hold me before')) == 1)
    begun = time.monotonic()
    site.block('ip daddr %s ip saddr %s' % (site.address['gw1'], site.address['sma']))
    site.block('ip saddr %s ip daddr %s' % (site.address['gw1'], site.address['sma']))
    wait_for('both ends to notice', lambda: link_of(m)['state'] == link_of(g)['state'] == 'down', 10)
    took = time.monotonic() - begun
    assert 2 < took < 9, took
    for h in (m, g):
        h.wait_log(r'Link: \S+ is disconnected: nothing was heard for too long', 'system_logs', 5)
    assert link_of(m)['error'] == 'nothing was heard for too long', link_of(m)
    site.send(g, 'hold me meanwhile')
    site.send(g, 'offer meanwhile', body='buy now')
    site.send(g, 'plain meanwhile')
    m.cli('quarantine', 'release', 'subject=hold me before')
    line = fleet.services(g)['sma', PVO]
    assert not line['works'] and 'the link is down' in line['text'] and 'mail stays in the.cpq.host' in line['text'], line
    line = fleet.services(m)['gw1', 'Tracking']
    assert not line['works'] and 'the link of this appliance is down' in line['text'], line
    wait_for('the plain one outside', lambda: site.delivered('plain meanwhile') == 1)
    for h, text in ((m, r'Link: no link with gw1'), (g, r'Link: no link with sma'), (m, r'Gateway gw1: no contact since'),
                    (g, r'The manager has not taken mail of the\.cpq\.host')):
        h.wait_log(text, 'system_logs', 20)
        assert re.search(text, h.cli('displayalerts')), text
    site.unblock()
    wait_for('what was held', lambda: len(fleet.held(m, 'subject=hold me meanwhile')) == 1, 60)
    wait_for('what was offered', lambda: len(fleet.held(m, 'subject=offer meanwhile', verb='spamquarantine')) == 1, 60)
    wait_for('what was released', lambda: site.delivered('hold me before') == 1, 60)
    fleet.wait_tracked(m, 'plain meanwhile')
    m.wait_log('Gateway gw1: contact again', 'system_logs', 10)
    assert all(len(fleet.rows(fleet.tracked(m, 'subject=' + x))) == 1 for x in ('hold me meanwhile', 'offer meanwhile', 'plain meanwhile'))


for _f in list(vars().values()):
    if getattr(_f, '__name__', '').startswith('test_'):
        _f.needs_root = True
