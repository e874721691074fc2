"""Small file systems that fill up (as root)."""
import os, subprocess


def small_disk(t, g, megabytes, where='spool'):
    """Mounts a file system of this size where this directory of the home lies; the path."""
    path = os.path.join(g.home, where)
    os.makedirs(path, exist_ok=True)
    st = os.stat(g.home)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%dM,mode=0700,uid=%d,gid=%d' % (megabytes, st.st_uid, st.st_gid), 'postern-test', path],
                   check=True)

    class Mount:
        def close(self):
            g.close()
            subprocess.run(['umount', '-l', path], check=False)
    t.things.append(Mount())
    return path


def grow(path, megabytes):
    subprocess.run(['mount', '-o', 'remount,size=%dM' % megabytes, path], check=True)


def fill(path):
    """Takes all the space there is."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    block = 1 << 20
    while block >= 512:
        try:
            os.write(fd, b'\0' * block)
        except OSError:
            block //= 2
    os.close(fd)
