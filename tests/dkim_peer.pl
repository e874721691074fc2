#!/usr/bin/perl
# A third implementation of DKIM (Debian's Mail::DKIM) over a directory of messages, for tests of ours.
#     dkim_peer.pl verify DIR    prints "NAME pass|fail" for each NAME.eml: all of its signatures
#     dkim_peer.pl arc DIR       prints "NAME pass|fail|none": its ARC chain
#     dkim_peer.pl sign DIR      writes NAME.signed with a signature of DIR/private in front
# DIR/zone has the key records: "name text" a line. Signatures are of d=peer.example, s=peer.
use strict;
use warnings;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Net::DNS;

my ($mode, $dir) = @ARGV;
my %zone;
open my $z, '<', "$dir/zone" or die;
while (<$z>) { chomp; my ($name, $text) = split / /, $_, 2; $zone{lc $name} = $text; }

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name, $type) = @_;
        my $text = $zone{lc $name};
        $@ = '';
        return () unless defined $text;
        my @parts = $text =~ /.{1,200}/g;
        return (Net::DNS::RR->new(owner => $name, type => 'TXT', txtdata => \@parts));
    };
}

my @forms = ('relaxed/relaxed', 'simple/simple', 'relaxed/simple', 'simple/relaxed');
my $n = 0;
for my $path (sort glob "$dir/*.eml") {
    my ($name) = $path =~ m{([^/]+)\.eml$};
    open my $f, '<:raw', $path or die;
    my $data = do { local $/; <$f> };
    if ($mode eq 'sign') {
        my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $forms[$n++ % 4], Domain => 'peer.example',
                                        Selector => 'peer', KeyFile => "$dir/private");
        $s->PRINT($data);
        $s->CLOSE;
        open my $out, '>:raw', "$dir/$name.signed" or die;
        (my $field = $s->signature->as_string) =~ s/\r?\n/\r\n/g;
        print $out "$field\r\n$data";
    } elsif ($mode eq 'arc') {
        my $v = Mail::DKIM::ARC::Verifier->new;
        $v->PRINT($data);
        $v->CLOSE;
        print "$name ", ($v->result eq 'pass' || $v->result eq 'none' ? $v->result : 'fail'), "\n";
    } else {
        my $v = Mail::DKIM::Verifier->new;
        $v->PRINT($data);
        $v->CLOSE;
        my @all = $v->signatures;
        print "$name ", (@all && !grep({ $_->result ne 'pass' } @all) ? 'pass' : 'fail'), "\n";
    }
}
