"""For scenarios of gateway and manager: identities made by the test, and partners pinned to each other by hand."""
import hashlib, os, subprocess


def fingerprint(crt):
    """What the certificate in this file is pinned by."""
    pem = subprocess.run(['openssl', 'x509', '-in', crt, '-noout', '-pubkey'], check=True, capture_output=True).stdout
    der = subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=pem, check=True, capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def certificate(directory, name):
    """(certificate, key, fingerprint of its public key), PEM texts, self-signed."""
    key, crt = (os.path.join(directory, 'cpq-%s.%s' % (name, x)) for x in ('key', 'crt'))
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-days', '700', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', key,
                    '-out', crt, '-subj', '/CN=' + name], check=True, capture_output=True)
    return open(crt).read(), open(key).read(), fingerprint(crt)


def identify(home, name=None):
    """Gives a home an identity of the test; its fingerprint."""
    crt, key, pin = certificate(home.dir, name or home.serial)
    home.cli('settings', 'set', 'cpq_identity.certificate=' + crt, 'cpq_identity.key=' + key)
    home.crt, home.key, home.pin = crt, key, pin
    return pin
