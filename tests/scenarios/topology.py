"""The sync topologies T1, T2 and T3 with real hosts and firewalls: what works, what waits, which reason is shown, and who opened
what. With the link on all four services work in each."""
import json

from lib import *
from lab import Site


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


for _f in list(vars().values()):
    if getattr(_f, '__name__', '').startswith('test_'):
        _f.needs_root = True
