"""Hosts as network namespaces for tests that need root: a router in the middle with packet rules, every host on its own
subnet. Only namespaces made here are used; all go at the end."""
import os, subprocess

ADDRESSES = {}


def sh(*cmd, check=True, netns=None, **kw):
    full = (['ip', 'netns', 'exec', netns] if netns else []) + [str(c) for c in cmd]
    return subprocess.run(full, capture_output=True, text=True, check=check, **kw)


class Net:
    """Hosts by name; each gets ADDRESS/32 on its own wire to the router, which forwards all but what block() drops."""

    def __init__(self, **hosts):
        self.tag = 'pt%d' % (os.getpid() % 100000)
        self.router, self.hosts = self.tag + 'r', hosts
        sh('ip', 'netns', 'add', self.router)
        sh('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward', netns=self.router)
        sh('ip', 'link', 'set', 'lo', 'up', netns=self.router)
        for i, (name, address) in enumerate(hosts.items()):
            ns, near, far = self.ns(name), 'h%d' % i, 'eth0'
            sh('ip', 'netns', 'add', ns)
            sh('ip', 'link', 'add', near, 'netns', self.router, 'type', 'veth', 'peer', 'name', far, 'netns', ns)
            sh('ip', 'link', 'set', near, 'up', netns=self.router)
            sh('ip', 'link', 'set', 'lo', 'up', netns=ns)
            sh('ip', 'addr', 'add', address + '/32', 'dev', far, netns=ns)
            sh('ip', 'link', 'set', far, 'up', netns=ns)
            sh('ip', 'addr', 'add', '169.254.0.1/32', 'dev', near, netns=self.router)
            sh('ip', 'route', 'add', '169.254.0.1', 'dev', far, netns=ns)
            sh('ip', 'route', 'add', 'default', 'via', '169.254.0.1', 'dev', far, 'onlink', netns=ns)
            sh('ip', 'route', 'add', address + '/32', 'dev', near, netns=self.router)
        sh('nft', 'add table inet fw', netns=self.router)
        sh('nft', 'add chain inet fw forward { type filter hook forward priority 0; }', netns=self.router)

    def ns(self, name):
        return self.tag + name

    def block(self, rule):
        """Drops what an nft match selects, e.g. 'tcp dport 25 ip daddr 192.0.2.1'; counted."""
        sh('nft', 'add rule inet fw forward %s counter drop' % rule, netns=self.router)

    def unblock(self):
        """Forgets all rules; returns how many packets they dropped."""
        out = sh('nft', 'list', 'chain', 'inet', 'fw', 'forward', netns=self.router).stdout
        sh('nft', 'flush', 'chain', 'inet', 'fw', 'forward', netns=self.router)
        return sum(int(w) for a, w in zip(out.split(), out.split()[1:]) if a == 'packets')

    def popen(self, name, *cmd, **kw):
        return subprocess.Popen(['ip', 'netns', 'exec', self.ns(name), *[str(c) for c in cmd]], **kw)

    def close(self):
        for ns in [self.ns(n) for n in self.hosts] + [self.router]:
            sh('ip', 'netns', 'del', ns, check=False)
