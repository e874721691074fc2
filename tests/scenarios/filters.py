"""The command filters: message filters made, read from files, ordered, switched; what is wrong is said with its place."""
import os

from console import Terminal
from lib import POSTERN

TEXT = '''# two filters
big_mail: if (body-size > 2M and not (rcpt-to == "boss@")) {
    log-entry("too big");
    drop();
}
words: if (dictionary-match("secrets", 3)) { no-op(); } else { deliver(); }
'''


def rows(out):
    """The table of `filters list`: [number, active, valid, name]."""
    lines = out.splitlines()
    return [l.split() for l in lines[lines.index('Num Active Valid Name') + 1:] if l.strip()]


def refused(g, line, *reasons):
    out = g.cli(line, check=False)
    for r in reasons:
        assert r in out, (line, out)
    assert 'Changes committed' not in out, out


def test_filters_in_one_line(t):
    """Batch forms of every operation; a filter that names a dictionary is valid once that exists; a text that cannot be read
    is refused with line, column and what was expected, by the command and by a commit of settings, and nothing changes."""
    g = t.home([])
    path = os.path.join(g.dir, 'filters.txt')
    with open(path, 'w') as f:
        f.write(TEXT)
    out = g.cli('filters import %s; filters list; commit "filters"' % path)
    assert '2 filters imported.' in out, out
    assert rows(out.split('Changes')[0])[:2] == [['1', 'Y', 'Y', 'big_mail'], ['2', 'Y', 'N', 'words']], out
    out = g.cli('filters detail words')
    assert 'words: if (dictionary-match("secrets", 3)) { no-op(); } else { deliver(); }' in out, out
    assert 'This filter does not run: there is no dictionary "secrets".' in out, out
    g.cli('settings', 'set', 'dictionary.secrets.terms=plan')
    assert rows(g.cli('filters list'))[1] == ['2', 'Y', 'Y', 'words']

    out = g.cli("filters new \"third: if (true) { log-entry('x'); }\"; filters set 3 0; filters move third 1; filters list; commit c")
    assert '1 filter added.' in out and '1 filter updated.' in out and '1 filter moved.' in out, out
    assert [r[1:] for r in rows(g.cli('filters list'))] == [['N', 'Y', 'third'], ['Y', 'Y', 'big_mail'], ['Y', 'Y', 'words']]
    g.cli('filters move 1-2 3; commit c')
    assert [r[3] for r in rows(g.cli('filters list'))] == ['words', 'third', 'big_mail']

    # an export read back gives the same filters, and the one that was off stays off
    g.cli('filters export %s; filters import %s; commit c' % (path, path), check=False)
    assert [r[1:] for r in rows(g.cli('filters list'))] == [['Y', 'Y', 'words'], ['N', 'Y', 'third'], ['Y', 'Y', 'big_mail']]
    g.cli('filters set all 1; commit c')
    assert [r[1] for r in rows(g.cli('filters list'))] == ['Y', 'Y', 'Y']

    # mistakes
    before = g.cli('settings show message_filter')
    refused(g, "filters new \"bad: if (subjct == 'a') { drop(); }\"; commit x",
            "line 1, column 10: expected a rule, found 'subjct'; did you mean 'subject'?.")
    with open(path, 'w') as f:
        f.write(TEXT + 'next: if (true) {\n    drop()\n}\n')
    refused(g, 'filters import %s; commit x' % path, "line 9, column 1: expected ';', found '}'.")
    refused(g, "filters new \"third: if (true) { drop(); }\"; commit x", 'A filter third exists already.')
    refused(g, 'filters set 9 1; commit x', '9')
    refused(g, 'filters set 1 maybe; commit x', 'The value must be active (1) or inactive (0).')
    out = g.cli('settings', 'set', 'message_filter.third.text=third: if (true) { drop() }', check=False)
    assert "message_filter[third].text: line 1, column 27: expected ';', found '}'" in out, out
    assert g.cli('settings show message_filter') == before

    out = g.cli('filters delete 2-3; filters delete words; filters; commit c', check=False)
    assert '2 filters deleted.' in out and '1 filter deleted.' in out, out
    assert 'does not exist' in g.cli('settings show message_filter', check=False)


def test_filters_by_questions(t):
    """Dialogue: a text ended by a dot alone; a mistake leaves the menu as it was; operations on nothing are not offered."""
    g = t.home([])
    c = Terminal([POSTERN, 'cli', '--home', g.home], env=g.env)
    t.things.append(c)
    c.expect(r'> $')
    out = c.say('filters')
    assert '- NEW - Create a new filter' in out and 'DELETE' not in out and 'LIST' not in out, out
    assert 'Enter filter script.' in c.say('new', r'end\.\r\n')
    c.type('one: if (recv-listener == "x") {\r')
    c.type('  drop();\r')
    c.type('}\r')
    out = c.say('.')
    assert '1 filter added.' in out and '- DETAIL - ' in out, out
    c.say('new', r'end\.\r\n')
    c.type('two: if (true) { bounce( }\r')
    out = c.say('.')
    assert "line 1, column 26: expected" in out and '- NEW - ' in out, out
    out = c.say('list')
    assert 'Num Active Valid Name' in out and '  1   Y      Y   one' in out and 'two' not in out, out
    assert 'filter name, number, or range' in c.say('set')
    assert 'does not exist' in c.say('7')
    c.say('1')
    assert '1 filter updated.' in c.say('inactive')
    assert '  1   N      Y   one' in c.say('list')
