"""Data loss prevention of outgoing mail, and the dictionaries it looks for, in the running gateway."""
import base64, io, zipfile

from lib import Smtp, wait_for

CARDS = ['4111 1111 1111 1111', '5500-0000-0000-0004', '340000000000009']


def zipped(name, data):
    b = io.BytesIO()
    with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, data)
    return (b'Subject: numbers\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nas agreed\r\n'
            b'--b\r\nContent-Type: application/zip; name=a.zip\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n'
            + base64.encodebytes(b.getvalue()).replace(b'\n', b'\r\n') + b'--b--\r\n')


def csv(cards):
    return 'name,card\n' + ''.join('Person %d,%s\n' % (i, c) for i, c in enumerate(cards))


def test_card_numbers_in_a_zip_are_held_and_dictionaries_are_changed_in_one_line(t):
    """Three card numbers in a CSV in a zip going out are held with their log line, one passes with no violation, incoming mail
    is not looked at; a dictionary made by batch commands is a classifier at the next message; what is wrong is refused."""
    sink = t.sink()
    g = t.home(['listener.InboundMail.rat=ALL ACCEPT', 'mail_flow_policy.ACCEPTED.max_messages=0',
                'dlp_classifier.Cards.rules=entity credit-card weight 25', 'dlp_policy.Payment.classifiers=Cards',
                'dlp_policy.Payment.low=30', 'dlp_policy.Payment.medium=40', 'mail_policy.out/DEFAULT.dlp_policies=Payment',
                'log.Whole.type=consolidated_event'], sink_port=sink.port)
    out = Smtp(g.base + 587)
    out.cmd('EHLO inside.test')
    for cards in (CARDS, CARDS[:1], ['4111 1111 1111 1112'] * 9):
        code, text = out.send('anna@ours.test', 'bob@else.test', zipped('cards.csv', csv(cards)))
        assert code == 250, text
    c = g.smtp()
    assert c.send('x@else.test', 'anna@ours.test', zipped('cards.csv', csv(CARDS)))[0] == 250
    c.quit()
    wait_for('three messages at the sink', lambda: len(sink.messages) >= 3)
    g.wait_log(r"MID 1 DLP violation\. Severity: HIGH \(Risk Factor: 75\)\. DLP policy match: 'Payment'\.")
    g.wait_log(r'MID 1 quarantined to "Policy" \(DLP violation\)')
    g.wait_log(r'MID 2 DLP no violation')
    g.wait_log(r'MID 3 DLP no violation')
    assert 'MID 4 DLP' not in g.log()
    g.wait_log(r'ESAMID=2 .*ESADLPVerdict=NO_VIOLATION ', 'Whole')
    g.wait_log(r'ESAMID=3 .*ESADLPVerdict=NO_TRIGGER ', 'Whole')

    # dictionaries, in one line each
    g.cli('dictionaryconfig new projects terms=falcon; dictionaryconfig edit projects new "blue whale,5"; '
          'dictionaryconfig edit projects new "nar[wv]al"; commit words')
    assert g.cli('dictionaryconfig print projects').splitlines()[-4:] == ['Dictionary: projects', 'falcon,1', 'blue whale,5', 'nar[wv]al,1']
    g.cli('dictionaryconfig edit projects delete "falcon"; dictionaryconfig edit projects new "BLUE WHALE,7"; commit words')
    assert g.cli('dictionaryconfig print projects').splitlines()[-2:] == ['BLUE WHALE,7', 'nar[wv]al,1']
    said = g.cli('dictionaryconfig export projects words.txt; dictionaryconfig import copy words.txt; dictionaryconfig rename copy spare; commit words')
    assert '2 terms.' in said, said
    assert g.cli('dictionaryconfig print spare').splitlines()[-2:] == ['BLUE WHALE,7', 'nar[wv]al,1']
    for line, reason in [('dictionaryconfig edit projects new "x,11"', 'a weight is 1 to 10'),
                         ('dictionaryconfig edit projects new "*nothing"', 'no such smart identifier'),
                         ('dictionaryconfig edit projects delete gone', 'gone'), ('dictionaryconfig print none', 'none'),
                         ('dictionaryconfig edit projects new "a(b"; commit x', "dictionary.projects.terms, entry 3: 'a(b'"),
                         ('dlpconfig classifiers new Bad "rules=words x"; commit x', 'dlp_classifier.Bad.rules, entry 1'),
                         ('dlpconfig policies edit Payment high=20; commit x', 'dlp_policy.Payment.high: 40 or more'),
                         ('dictionaryconfig delete projects; dlpconfig classifiers new W "rules=dictionary projects"; commit x',
                          "there is no dictionary 'projects'")]:
        said = g.cli(line + '; clearchanges', check=False)
        assert reason in said and 'Changes committed' not in said, (line, said)
    g.cli('dlpconfig classifiers new Words "rules=dictionary projects weight 9"; '
          'dlpconfig policies new Plans classifiers=Words "actions_high=drop()"; '
          'policyconfig outgoing edit DEFAULT dlp_policies=Payment,Plans; commit plans')
    assert out.send('anna@ours.test', 'bob@else.test', b'Subject: x\r\n\r\nThe blue\r\n\r\nnarval swims. A Blue Whale too.\r\n')[0] == 250
    g.wait_log(r"MID 5 DLP violation\. Severity: HIGH \(Risk Factor: 72\)\. DLP policy match: 'Plans'\.")
    g.wait_log(r"Message aborted MID 5 Dropped by DLP policy 'Plans'")
    out.quit()
