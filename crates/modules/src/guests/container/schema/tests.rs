use super::hold;

#[test]
fn what_the_schema_has_passes() {
    for (key, value) in [
        ("cores", "8192"),
        ("cpuunits", "0"),
        ("nameserver", "192.0.2.1 2001:db8::1,fe80::1%eth0"),
        ("searchdomain", "example.org lan"),
        ("timezone", "host"),
        ("timezone", "America/Argentina/Buenos_Aires"),
        ("features", "nesting=1,mount=nfs;cifs,keyctl=yes"),
        ("rootfs", "local-lvm:8,acl=1,mountoptions=noatime;nosuid"),
        ("mp255", "ceph:4,mp=/srv/a..b,backup=1,size=4G"),
        ("mp0", "ceph:4,mp=/x,idmap=u:0:100000:65536;g:0:100000:1"),
        ("unprivileged", "1"),
        (
            "net31",
            "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=192.0.2.5/24,gw=192.0.2.1,tag=4094",
        ),
        (
            "net0",
            "name=eth0,ip=manual,ip6=2001:db8::5/64,gw6=fe80::1,mtu=64,rate=12.5,trunks=1;20,type=veth",
        ),
        (
            "ssh-public-keys",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlcGxhY2UgbWUgYnkgeW91ciBvd24ga2V5IDopISE= me\n",
        ),
    ] {
        assert_eq!(hold(key, value), Ok(()), "{key}={value}");
    }
}

fn refused(key: &str, value: &str, why: &str) {
    let told = hold(key, value).unwrap_err().to_string();
    assert_eq!(told, why);
}

#[test]
fn a_value_that_it_does_not_have_is_told() {
    for (key, value, why) in [
        (
            "cores",
            "8193",
            "cores: `8193`: expected a whole number from 1 to 8192",
        ),
        (
            "cpulimit",
            "9000",
            "cpulimit: `9000`: expected a whole number from 0 to 8192",
        ),
        (
            "cpuunits",
            "500001",
            "cpuunits: `500001`: expected a whole number from 0 to 500000",
        ),
        (
            "nameserver",
            "192.0.2.300",
            "nameserver: `192.0.2.300`: expected IP addresses",
        ),
        (
            "nameserver",
            "2001:db8::1%eth0",
            "nameserver: `2001:db8::1%eth0`: expected IP addresses",
        ),
        (
            "searchdomain",
            "a_b.org",
            "searchdomain: `a_b.org`: expected DNS names",
        ),
        (
            "timezone",
            "Vienna",
            "timezone: `Vienna`: expected host, UTC, or a time zone such as Europe/Vienna",
        ),
        (
            "features",
            "nested=1",
            "features: there is no key `nested`; known are force_rw_sys, fuse, keyctl, mknod, \
                                      mount, nesting",
        ),
        (
            "features",
            "nesting=2",
            "features: `nesting=2`: expected a switch, such as 1 or 0",
        ),
    ] {
        refused(key, value, why);
    }
}

#[test]
fn an_interface_that_it_does_not_have_is_told() {
    for (key, value, why) in [
        (
            "net32",
            "name=eth0",
            "net32: a container has 32 of them at most",
        ),
        (
            "net0",
            "name=eth0,tag=4095",
            "net0: `tag=4095`: expected a whole number from 1 to 4094",
        ),
        (
            "net0",
            "name=eth0,mtu=9",
            "net0: `mtu=9`: expected a whole number from 64 to 65535",
        ),
        (
            "net0",
            "name=eth0,rate=fast",
            "net0: `rate=fast`: expected a number",
        ),
        (
            "net0",
            "name=eth 0",
            "net0: `name=eth 0`: expected letters, digits, -, _ and .",
        ),
        (
            "net0",
            "name=eth0,ip=192.0.2.5",
            "net0: `ip=192.0.2.5`: expected an IPv4 address with its prefix, such as \
                                                192.0.2.5/24, dhcp or manual",
        ),
        (
            "net0",
            "name=eth0,ip=192.0.2.5/33",
            "net0: `ip=192.0.2.5/33`: expected an IPv4 address with its prefix, \
                                                   such as 192.0.2.5/24, dhcp or manual",
        ),
        (
            "net0",
            "name=eth0,gw=192.0.2.0/24",
            "net0: `gw=192.0.2.0/24`: expected an IPv4 address",
        ),
        (
            "net0",
            "name=eth0,hwaddr=01:00:5E:00:00:01",
            "net0: `hwaddr=01:00:5E:00:00:01`: expected a MAC address of \
                                                            one device, such as BC:24:11:00:00:01",
        ),
        (
            "net0",
            "name=eth0,type=phys",
            "net0: `type=phys`: expected veth",
        ),
    ] {
        refused(key, value, why);
    }
}

#[test]
fn a_volume_or_key_that_it_does_not_have_is_told() {
    for (key, value, why) in [
        (
            "rootfs",
            "ceph:4,backup=1",
            "rootfs: there is no key `backup`; known are acl, idmap, mountoptions, quota, \
                                           replicate, ro, shared, size, volume",
        ),
        (
            "mp0",
            "ceph:4,mp=/srv/../etc",
            "mp0: `mp=/srv/../etc`: expected a path without `..`",
        ),
        (
            "mp0",
            "ceph:4,mp=/x,mountoptions=fast",
            "mp0: `mountoptions=fast`: expected some of discard, lazytime, \
                                                       noatime, nodev, noexec, nosuid, with semicolons in between",
        ),
        (
            "ssh-public-keys",
            "# mine",
            "pubkey: `# mine` is a comment, and each line is to be a key",
        ),
        (
            "ssh-public-keys",
            "mine",
            "pubkey: `mine` is not an SSH public key: expected a line such as `ssh-ed25519 \
                                         AAAA… comment`",
        ),
    ] {
        refused(key, value, why);
    }
}
