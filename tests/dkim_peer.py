#!/usr/bin/python3
"""Another implementation of DKIM and ARC (Debian's python3-dkim) over a directory of messages, for tests of ours.

    dkim_peer.py verify DIR        prints "NAME pass|fail" for each NAME.eml: all of its signatures
    dkim_peer.py arc DIR           prints "NAME pass|fail|none": its ARC chain
    dkim_peer.py sign DIR          writes NAME.signed with a signature of DIR/private (RSA, PEM) in front
    dkim_peer.py seal DIR          writes NAME.sealed with one more ARC set in front

DIR/zone has the key records: "name text" a line. Signatures are of d=peer.example, s=peer."""
import glob, os, re, sys

import dkim

mode, where = sys.argv[1:3]
zone = {}
for line in open(os.path.join(where, 'zone')):
    name, text = line.rstrip('\n').split(' ', 1)
    zone[name] = text


def answer(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    text = zone.get(name.rstrip('.'))
    return text.encode() if text is not None else None


def verify(data):
    d = dkim.DKIM(data, minkey=1024)
    n = sum(1 for h, _ in d.headers if h.lower() == b'dkim-signature')
    return n > 0 and all(dkim.DKIM(data, minkey=1024).verify(idx=i, dnsfunc=answer) for i in range(n))


def chain(data):
    cv, _, _ = dkim.ARC(data, minkey=1024).verify(dnsfunc=answer)
    return {b'pass': 'pass', b'none': 'none'}.get(cv.lower(), 'fail')


key = open(os.path.join(where, 'private'), 'rb').read() if mode in ('sign', 'seal') else b''
forms = [(a, b) for a in (b'relaxed', b'simple') for b in (b'relaxed', b'simple')]
for n, path in enumerate(sorted(glob.glob(os.path.join(where, '*.eml')))):
    data, name = open(path, 'rb').read(), os.path.basename(path)[:-4]
    try:
        if mode == 'verify':
            print(name, 'pass' if verify(data) else 'fail')
        elif mode == 'arc':
            print(name, chain(data))
        elif mode == 'sign':
            field = dkim.sign(data, b'peer', b'peer.example', key, canonicalize=forms[n % 4], length=n % 5 == 4)
            open(path[:-4] + '.signed', 'wb').write(field + data)
        elif mode == 'seal':
            results = b'Authentication-Results: peer.example; arc=%s; spf=pass\r\n' % chain(data).encode()
            fields = dkim.arc_sign(results + data, b'peer', b'peer.example', key, b'peer.example', timestamp=1000000)
            open(path[:-4] + '.sealed', 'wb').write(b''.join(fields) + data)
    except dkim.DKIMException as e:
        print(name, 'fail', re.sub(r'\s+', ' ', str(e)))
