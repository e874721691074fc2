"""A real directory for scenarios: slapd on loopback with people, groups and certificates of the test's own."""
import os, shutil, socket, subprocess, tempfile
from lib import free_port, wait_for

SCHEMA = '/etc/ldap/schema'
BASE = 'dc=example,dc=test'
ADMIN, SECRET = 'cn=admin,' + BASE, 'admin-secret'

# inetLocalMailRecipient (routing) is not among Debian's schemas: the two attributes it has, in an own class.
MAIL_SCHEMA = """attributetype ( 2.16.840.1.113730.3.1.13 NAME 'mailLocalAddress' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )
attributetype ( 2.16.840.1.113730.3.1.18 NAME 'mailHost' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} SINGLE-VALUE )
attributetype ( 2.16.840.1.113730.3.1.47 NAME 'mailRoutingAddress' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.1.1 NAME 'memberOfGroup' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{256} )
objectclass ( 2.16.840.1.113730.3.2.147 NAME 'inetLocalMailRecipient' SUP top AUXILIARY MAY ( mailLocalAddress $ mailHost $ mailRoutingAddress $ memberOfGroup ) )
"""


def person(uid, password='', **more):
    lines = ['dn: uid=%s,%s' % (uid, BASE), 'objectClass: inetOrgPerson', 'objectClass: inetLocalMailRecipient', 'uid: ' + uid, 'cn: ' + uid,
             'sn: ' + uid, 'mail: %s@rcpt.test' % uid]
    if password:
        lines.append('userPassword: ' + password)
    for k, v in more.items():
        lines += ['%s: %s' % (k, x) for x in ([v] if isinstance(v, str) else v)]
    return '\n'.join(lines) + '\n\n'


class Slapd:
    """people: entries as LDIF text. ca and name: TLS too (LDAPS on tls_port, and STARTTLS on port)."""

    def __init__(self, people, ca=None, name='ldap.example.test', port=None):
        self.dir = tempfile.mkdtemp(prefix='postern-slapd.')
        self.port, self.tls_port, self.proc = port or free_port(), free_port() if ca else 0, None
        open(self.dir + '/mail.schema', 'w').write(MAIL_SCHEMA)
        os.mkdir(self.dir + '/db')
        tls = ''
        if ca:
            ca.context(name)
            tls = 'TLSCertificateFile %s/%s.crt\nTLSCertificateKeyFile %s/%s.key\n' % (ca.dir, name, ca.dir, name)
        with open(self.dir + '/slapd.conf', 'w') as f:
            f.write(''.join('include %s/%s.schema\n' % (SCHEMA, s) for s in ('core', 'cosine', 'inetorgperson')) +
                    'include %s/mail.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile %s/pid\n%s'
                    'access to attrs=userPassword by anonymous auth by * none\naccess to * by * read\ndatabase mdb\nsuffix "%s"\n'
                    'rootdn "%s"\nrootpw %s\ndirectory %s/db\nmaxsize 10485760\nindex uid,mail eq\n' %
                    (self.dir, self.dir, tls, BASE, ADMIN, SECRET, self.dir))
        ldif = 'dn: %s\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n\n' % BASE + people
        subprocess.run(['/usr/sbin/slapadd', '-f', self.dir + '/slapd.conf'], input=ldif, text=True, check=True, capture_output=True)
        self.start()

    def start(self):
        urls = 'ldap://127.0.0.1:%d/' % self.port + (' ldaps://127.0.0.1:%d/' % self.tls_port if self.tls_port else '')
        self.proc = subprocess.Popen(['/usr/sbin/slapd', '-d', '0', '-f', self.dir + '/slapd.conf', '-h', urls], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)

        def up():
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return True
            except OSError:
                return False
        wait_for('slapd', up)

    def stop(self):
        if self.proc:
            self.proc.terminate()
            self.proc.wait()
        self.proc = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
