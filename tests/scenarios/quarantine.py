"""Held mail: the local leg from the queue to the quarantines and back."""
import json, os, re, time
from lib import *

RAT = 'listener.InboundMail.rat=rcpt.test ACCEPT,ALL REJECT'
FAST = ['queue.connection_failure_wait_ms=300']


def test_mail_goes_to_the_quarantine_and_stays(t):
    """CPQ-28, CPQ-29, CPQ-30, CPQ-32, CPQ-33: mail for the.cpq.host is held by the role quarantine; while that is suspended it
    waits in the destination, which tophosts, hoststatus and showrecipients know."""
    sink = t.sink()
    g = t.home([RAT] + FAST, sink_port=sink.port)
    assert ('quarantine', 0) in g.roles()
    g.cli('suspenddel')
    assert g.smtp().send('a@s.test', ['b@rcpt.test', 'c@rcpt.test'], MESSAGE)[0] == 250
    wait_for('the queue', lambda: 'rcpt.test' in g.cli('tophosts'))
    print(g.cli('redirectrecipients', 'all', 'to', 'the.cpq.host'))
    print(g.cli('tophosts')); print(g.cli('hoststatus', 'the.cpq.host')); print(g.cli('showrecipients', 'host', 'the.cpq.host'))
    g.cli('resumedel')
    g.wait_log(r'MID \d+ quarantined to "Unclassified"')
    print(g.log())
