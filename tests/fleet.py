"""A manager and its gateways brought together by the product's own commands, as an administrator does it."""
import json, re

from lib import wait_for

SERVICES = ('reporting', 'tracking', 'spam', 'pvo')


def manager_ready(m):
    """The services of the manager that have a port of their own are on."""
    if 'migration' not in m.cli('help', 'pvoconfig'):
        m.set('pvo.enabled=yes')
    else:
        m.cli('pvoconfig setup y; commit -y')
    m.set('euq_listener.enabled=yes')


def address(m, g):
    """Where the manager reaches the gateway's SSH server."""
    return ('127.0.0.1', g.base + 22) if not g.netns else (g.address, 22)


def establish(m, g, name, site='external', check=True):
    """Establish Connection with the passphrase of an administrator; what it says."""
    host, port = address(m, g)
    return m.cli('applianceconfig add %s:%d %s %d 1 admin; commit -y' % (host, port, name, 2 if site == 'cloud' else 1), check=check,
                 answers='%s\nY\n' % g.passphrase())


def enrol(m, g, name, services=SERVICES, site='external'):
    """Established, the services ticked, committed; the gateway's quarantined mail goes to this manager."""
    said = establish(m, g, name, site)
    g.name = name
    m.cli('applianceconfig services %s %s; commit -y' % (name, ' '.join('%s=%s' % (s, 'yes' if s in services else 'no') for s in SERVICES)))
    return said


def centralize(m, g):
    """Central policy, virus and outbreak quarantines and the central spam quarantine on this gateway."""
    if 'migration' not in m.cli('help', 'pvoconfig'):
        m.set('appliance.%s.migration=automatic' % g.name)
        g.set('pvo.central=yes', 'cpq_listener.enabled=yes', 'spam_quarantine.central=yes')
        return
    m.cli('pvoconfig migration %s 2; commit -y' % g.name)
    wait_for('the manager to be ready', lambda: 'is ready' in g.cli('pvoconfig enable; commit -y', check=False))
    g.set('spam_quarantine.central=yes')


def serial(h):
    return h.cli('settings', 'show', 'system.serial').strip().split('=', 1)[1]


def tracked(h, *conditions):
    """What the tracking of this machine finds."""
    return json.loads(h.cli('tracking', *conditions, '--json'))


def wait_tracked(h, subject, n=1, seconds=30):
    return wait_for('%d messages with subject %s in tracking' % (n, subject), lambda: len(rows(tracked(h, 'subject=' + subject))) >= n, seconds)


def rows(reply):
    """The messages of a reply of tracking or quarantine search, whatever the list is called."""
    return reply if isinstance(reply, list) else next(v for v in reply.values() if isinstance(v, list))


def held(m, *conditions, verb='quarantine'):
    return rows(json.loads(m.cli(verb, 'search', *conditions, '--json')))


def services(h):
    """{(partner, service): line} of connectivity."""
    return {(x['partner'], x['service']): x for x in json.loads(h.cli('connectivity', 'services', '--json', check=False))['services']}


HOLD = 'message_filter.hold.text=hold: if (subject == "hold me") { quarantine("Policy"); }'


def figures(h, report, range_='day'):
    """The counters of a report of one row."""
    got = rows(json.loads(h.cli('report', report, 'range=' + range_, '--json')))
    return got[0] if got else {}
