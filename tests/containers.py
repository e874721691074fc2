#!/usr/bin/env python3
"""Messages for the unit tests of scanning: tests/containers.py DIR writes

    eicar-*.eml    the test virus in every usual container
    locked-*.eml   the same with a passphrase
    lie-*.eml      containers whose readers see different things, or whose names lie
    bomb-*.eml     messages that would like to eat memory and time
"""
import base64, bz2, gzip, io, lzma, os, struct, subprocess, sys, tarfile, tempfile, zipfile, zlib

EICAR = ('X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-' + 'STANDARD-ANTIVIRUS-TEST-FILE!$H+H*').encode()
out = sys.argv[1]


def attached(name, data, kind='application/octet-stream'):
    return (b'MIME-Version: 1.0\r\nSubject: attached\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'
            b'Content-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: ' + kind.encode() + b'; name="' + name.encode() +
            b'"\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
            base64.encodebytes(data).replace(b'\n', b'\r\n') + b'--b--\r\n')


def save(name, data):
    with open(os.path.join(out, name + '.eml'), 'wb') as f:
        f.write(data)


def packed(files, level=6):
    b = io.BytesIO()
    with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED, compresslevel=level) as z:
        for name, data in files:
            z.writestr(zipfile.ZipInfo(name) if not level else name, data)
    return b.getvalue()


def local(name, data, size=None, crc=None, method=8):
    return struct.pack('<4sHHHHHIIIHH', b'PK\3\4', 20, 0, method, 0, 0, zlib.crc32(data) if crc is None else crc, len(data),
                       size if size is not None else len(data), len(name), 0) + name + data


def central(name, data, at, size=None, crc=None, method=8):
    return struct.pack('<4sHHHHHHIIIHHHHHII', b'PK\1\2', 20, 20, 0, method, 0, 0, zlib.crc32(data) if crc is None else crc, len(data),
                       size if size is not None else len(data), len(name), 0, 0, 0, 0, 0, at) + name


def end(n, directory, at):
    return directory + struct.pack('<4sHHHHIIH', b'PK\5\6', 0, 0, n & 0xffff, n & 0xffff, len(directory), at, 0)


def raw_deflate(data, level=9):
    c = zlib.compressobj(level, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()


def zeros(n):
    """n octets of zero (a multiple of 16 MiB) deflated, without ever having them."""
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = c.compress(bytes(16 << 20)) + c.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    return one * (n >> 24) + last.flush()


def tnef(name, data):
    def attribute(level, kind, value):
        return struct.pack('<BII', level, kind, len(value)) + value + struct.pack('<H', sum(value) & 0xffff)
    return struct.pack('<IH', 0x223e9f78, 1) + attribute(1, 0x89006, b'\0\0\1\0') + attribute(2, 0x69002, bytes(14)) + \
        attribute(2, 0x18010, name + b'\0') + attribute(2, 0x6800f, data)


def by_tools():
    with tempfile.TemporaryDirectory() as d:
        with open(os.path.join(d, 'eicar.com'), 'wb') as f:
            f.write(EICAR)
        for kind, name, command in [
                ('eicar', 'a.7z', '7z a -bd -y a.7z eicar.com'), ('locked', 'names.7z', '7z a -bd -y -psecret -mhe=on names.7z eicar.com'),
                ('locked', 'b.7z', '7z a -bd -y -psecret b.7z eicar.com'), ('locked', 'a.zip', 'zip -q -P secret a.zip eicar.com'),
                ('eicar', 'a.tar.zst', 'bsdtar -cf a.tar.zst --zstd eicar.com'), ('eicar', 'a.iso', 'bsdtar -cf a.iso --format iso9660 eicar.com'),
                ('eicar', 'a.cpio', 'bsdtar -cf a.cpio --format cpio eicar.com'), ('eicar', 'a.xar', 'bsdtar -cf a.xar --format xar eicar.com')]:
            subprocess.run(command, shell=True, cwd=d, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with open(os.path.join(d, name), 'rb') as f:
                save('%s-%s' % (kind, name), attached(name, f.read()))


def tar(mode):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode='w' + mode) as t:
        i = tarfile.TarInfo('dir/eicar.com')
        i.size = len(EICAR)
        t.addfile(i, io.BytesIO(EICAR))
    return b.getvalue()


def containers():
    one = packed([('dir/eicar.com', EICAR)])
    save('eicar-a.zip', attached('a.zip', one))
    nested = one
    for i in range(4):
        nested = packed([('in%d.zip' % i, nested)])
    save('eicar-nested.zip', attached('a.zip', nested))
    for ext in ('gz', 'bz2', 'xz'):
        save('eicar-a.tar.' + ext, attached('a.tar.' + ext, tar(':' + ext)))
    save('eicar-a.tar', attached('a.tar', tar(':')))
    save('eicar-eicar.com.gz', attached('eicar.com.gz', gzip.compress(EICAR)))
    save('eicar-eicar.com.bz2', attached('eicar.com.bz2', bz2.compress(EICAR)))
    save('eicar-eicar.com.xz', attached('eicar.com.xz', lzma.compress(EICAR)))
    save('eicar-winmail.dat', attached('winmail.dat', tnef(b'eicar.com', EICAR), 'application/ms-tnef'))
    save('eicar-zip-in-winmail.dat', attached('winmail.dat', tnef(b'a.zip', one), 'application/ms-tnef'))
    save('eicar-message', attached('a.bin', attached('a.zip', one)))
    save('eicar-message.zip', attached('a.zip', packed([('a.eml', attached('b.zip', one))])))
    save('eicar-photo.jpg', attached('photo.jpg', one, 'image/jpeg'))
    save('eicar-self.exe', attached('a.exe', b'MZ' + bytes(5000) + one))
    save('eicar-a.docx', attached('a.docx', packed([('[Content_Types].xml', '<x/>'), ('word/document.xml', '<w:p/>'), ('word/embeddings/a.zip', one)])))
    uu = b'\r\n'.join(zlib_uu(one))
    save('eicar-uuencode', b'Subject: x\r\n\r\nhere\r\n\r\nbegin 644 a.zip\r\n' + uu + b'\r\n`\r\nend\r\n')
    # the directory names a harmless member, the local headers another one as well
    a, b = raw_deflate(b'harmless'), raw_deflate(EICAR)
    la, lb = local(b'a.txt', a, 8, zlib.crc32(b'harmless')), local(b'b.com', b, len(EICAR), zlib.crc32(EICAR))
    save('eicar-hidden.zip', attached('a.zip', la + lb + end(1, central(b'a.txt', a, 0, 8, zlib.crc32(b'harmless')), len(la + lb))))
    # the local header names another file than the directory
    save('lie-names.zip', attached('a.zip', local(b'a.exe', a, 8, zlib.crc32(b'harmless')) +
                                   end(1, central(b'a.txt', a, 0, 8, zlib.crc32(b'harmless')), len(la))))
    save('lie-invoice.pdf', attached('invoice.pdf', b'MZ' + bytes(500), 'application/pdf'))
    save('lie-a.docm', attached('a.docm', packed([('[Content_Types].xml', '<x/>'), ('word/vbaProject.bin', b'x'), (
        'word/document.xml', '<w:document><w:p><w:r><w:t>cre</w:t></w:r><w:r><w:t>dit &amp; card</w:t></w:r></w:p></w:document>')])))
    save('lie-a.pdf', attached('a.pdf', b'%PDF-1.4\n1 0 obj <</JavaScript 2 0 R /Encrypt 3 0 R>>'))
    save('lie-words.bin', attached('a.bin', b'ls-lh of the folder, no archive at all'))
    cut = packed([('a.com', os.urandom(3000) + EICAR)], 0)
    save('lie-cut.zip', attached('a.zip', cut[:2000]))


def zlib_uu(data):
    import binascii
    return [binascii.b2a_uu(data[i:i + 45]).rstrip(b'\n') for i in range(0, len(data), 45)]


def bombs():
    flat = packed([('%d.bin' % i, bytes(4 << 20)) for i in range(16)])
    for level in range(6):
        flat = packed([('%d-%d.zip' % (level, i), flat) for i in range(10)])
    save('bomb-nested.zip', attached('a.zip', flat))
    chain = packed([('end.txt', b'x')])
    for level in range(300):
        chain = packed([('r.zip', chain)])
    save('bomb-chain.zip', attached('r.zip', chain))
    kernel = raw_deflate(bytes(10 << 20))
    crc = zlib.crc32(bytes(10 << 20))
    body = local(b'k', kernel, 10 << 20, crc)
    save('bomb-overlap.zip', attached('a.zip', body + end(1000, b''.join(central(b'k', kernel, 0, 10 << 20, crc) for i in range(1000)), len(body))))
    save('bomb-entries.zip', attached('a.zip', packed([('%d.txt' % i, b'x') for i in range(10000)])))
    z = zeros(2 << 30)
    save('bomb-zeros.gz', attached('a.gz', b'\x1f\x8b\x08\0\0\0\0\0\0\3' + z + bytes(8)))
    lz = local(b'zeros', z, 2 << 30, 0)
    save('bomb-zeros.zip', attached('a.zip', lz + end(1, central(b'zeros', z, 0, 1000, 0), len(lz))))
    save('bomb-zeros.tar.xz', attached('a.tar.xz', lzma.compress(bytes(40 << 20), preset=0)))
    save('bomb-parts', b'Content-Type: multipart/mixed; boundary=b\r\n\r\n' + b'--b\r\n\r\nx\r\n' * 10100 + b'--b--\r\n')
    save('bomb-levels', b''.join(b'Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n' % (i, i) for i in range(1000)))
    save('bomb-headers', b''.join(b'X-%d: y\r\n' % i for i in range(50000)) + b'\r\nx')
    save('bomb-line', b'Subject: ' + b'x' * (10 << 20) + b'\r\nContent-Type: text/plain; ' + b'a=b; ' * 200000 + b'\r\n\r\nx')
    m = attached('a.com', EICAR)
    for i in range(28):
        m = b'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n' + base64.encodebytes(m)
    save('bomb-base64', m)
    # two readings at each level: as many as two to the power of the levels
    save('bomb-readings', b''.join(b'Content-Type: multipart/mixed; boundary=a%d; boundary=c%d\r\nContent-Type: multipart/x; boundary=d%d\r\n\r\n--a%d\r\n--c%d\r\n--d%d\r\n' % ((i,) * 6)
                                   for i in range(90)) + b'x\r\n' * 10000)
    save('bomb-uu', b'\r\n' + b'begin 644 x\n' * 500000)
    save('bomb-lines', b'Content-Type: multipart/mixed; boundary=b\r\n\r\n' + b'--bx\r\n' * 500000)
    save('bomb-html', b'Content-Type: text/html\r\n\r\n' + b'<a href="http://a.test/&#65;"><!-- <title> --><p style="display:none">' * 20000 + b'<!--' * 500000)
    save('bomb-words', b'Subject: ' + b'=?utf-8?q?=c3?= ' * 300000 + b'\r\nContent-Disposition: attachment; ' + b''.join(b'filename*%d="=?utf-8?q?a?=";' % i for i in range(20000)) + b'\r\n\r\nwww.' + b'www.a:' * 500000)
    save('bomb-pdf', attached('a.pdf', b'%PDF-' + b'/Encryp' * 1000000))


containers()
by_tools()
bombs()
