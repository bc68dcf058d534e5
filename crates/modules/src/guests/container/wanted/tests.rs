use super::Stated;
use crate::guests::config::{Change, Config, change};
use crate::guests::proxmox::ContainerArgs;
use ansible::Args;
use pve::wire::password::Compared;
use pve::{Call, path};
use serde_json::{Value, json};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlcGxhY2UgbWUgYnkgeW91ciBvd24ga2V5IDopISE= me";

fn args(more: &Value) -> ContainerArgs {
    let mut options = json!({"hostname": "dns", "node": "pve1"});
    for (key, value) in more.as_object().into_iter().flatten() {
        options[key] = value.clone();
    }
    let Value::Object(options) = options else {
        unreachable!()
    };
    ContainerArgs::parse(options).unwrap()
}

fn made(more: &Value) -> Result<String, String> {
    let args = args(more);
    let params = Stated::of(&args)
        .and_then(|stated| stated.params())
        .map_err(|error| error.to_string())?;
    let mut call = Call::post(path!("x"));
    call.params = params;
    Ok(call.to_string().replace("POST /x ", ""))
}

fn have() -> Config {
    Config::from_config(&json!({
        "hostname": "dns", "memory": 512, "swap": 512, "cores": 1, "onboot": 1, "tags": "infra;dns",
        "unprivileged": 1, "ostype": "debian", "arch": "amd64", "description": "Names\n", "cpuunits": 100,
        "rootfs": "local-lvm:vm-200-disk-0,size=8G", "features": "nesting=1,keyctl=1", "startup": "order=1,up=5",
        "mp0": "ceph:vm-200-disk-0,mp=/srv,backup=1,size=4G", "nameserver": "192.0.2.53",
        "net0": "name=eth0,bridge=vmbr0,gw=192.0.2.1,hwaddr=BC:24:11:00:00:C8,ip=192.0.2.9/24,firewall=1,type=veth",
    }))
}

/// What is written, and the sizes that volumes grow to.
fn written(more: &Value) -> Result<String, String> {
    let args = args(more);
    let have = have();
    let about = Stated::of(&args)
        .and_then(|stated| stated.about(&have))
        .map_err(|error| error.to_string())?;
    let change: Change =
        change(&have, &about.wanted, Compared::Same).map_err(|error| error.to_string())?;
    let mut said = Vec::new();
    if !change.is_empty() {
        said.push(
            change
                .call(&path!("x"))
                .to_string()
                .replace("PUT /x/config ", ""),
        );
    }
    said.extend(
        about
            .sizes
            .iter()
            .map(|(key, size)| format!("{key} to {size}")),
    );
    said.extend(about.warnings);
    Ok(said.join("; "))
}

#[test]
fn a_new_container_is_asked_for_with_what_is_stated() {
    for (more, params) in [
        (
            json!({"ostemplate": "local:vztmpl/d.tar.zst"}),
            "ostemplate=local:vztmpl/d.tar.zst unprivileged=1 storage=local",
        ),
        (
            json!({"disk": "10", "storage": "ceph", "unprivileged": false}),
            "unprivileged=0 rootfs=ceph:10",
        ),
        (
            json!({"disk": "ceph:10", "mounts": {"mp0": "ceph:2,mp=/srv"}}),
            "unprivileged=1 rootfs=ceph:10 mp0=ceph:2,mp=/srv",
        ),
        (
            json!({"cpus": 2, "cpuunits": 500, "cores": 4, "memory": 1024, "swap": 0, "storage": "ceph"}),
            "unprivileged=1 cores=4 cpulimit=2 cpuunits=500 memory=1024 swap=0 storage=ceph",
        ),
        (
            json!({"tags": ["b", "a"], "features": ["nesting=1", "mount=nfs;cifs"], "startup": ["order=1", "up=2"],
                "onboot": true, "description": "", "storage": "ceph"}),
            "unprivileged=1 features=nesting=1,mount=nfs;cifs onboot=1 startup=order=1,up=2 tags=b;a storage=ceph",
        ),
        (
            json!({"netif": {"net0": "name=eth0,bridge=vmbr0,ip=dhcp"}, "nameserver": "192.0.2.53",
                "searchdomain": "example.org", "timezone": "host", "cmode": "shell", "storage": "ceph"}),
            "unprivileged=1 cmode=shell nameserver=192.0.2.53 net0=name=eth0,bridge=vmbr0,ip=dhcp \
          searchdomain=example.org timezone=host storage=ceph",
        ),
        (
            json!({"ostype": "debian", "pool": "lab", "password": "hunter2", "pubkey": KEY,
                "storage": "ceph"}),
            &format!(
                "unprivileged=1 ostype=debian pool=lab storage=ceph password=******** ssh-public-keys={KEY}"
            ),
        ),
    ] {
        assert_eq!(made(&more).as_deref(), Ok(params), "{more}");
    }
}

#[test]
fn what_is_as_it_is_wanted_is_not_written() {
    for more in [
        json!({}),
        json!({"memory": 512, "cores": 1, "onboot": true, "cmode": "tty", "description": "Names"}),
        json!({"tags": ["DNS", "infra"], "features": ["keyctl=1"], "startup": ["up=5"]}),
        json!({"netif": {"net0": "bridge=vmbr0,name=eth0"}}),
        json!({"netif": {"net0": "name=eth0,ip=192.0.2.9/24,hwaddr=bc:24:11:00:00:c8"}}),
        json!({"disk": "8"}),
        json!({"disk": "local-lvm:8"}),
        json!({"disk_volume": {"storage": "local-lvm", "size": 8}}),
        json!({"mounts": {"mp0": "ceph:4,mp=/srv"}}),
        json!({"mount_volumes": [
            {"id": "mp0", "mountpoint": "/srv", "storage": "ceph", "size": 4, "options": {"backup": true}}]}),
        json!({"delete": ["searchdomain", "mp7"]}),
        json!({"features": [], "startup": [], "netif": {}, "mounts": {}}),
        json!({"password": "hunter2", "pubkey": "x", "pool": "lab", "unprivileged": false, "ostype": "alpine"}),
    ] {
        assert_eq!(written(&more).as_deref(), Ok(""), "{more}");
    }
}

#[test]
fn what_differs_is_written_and_the_rest_of_it_kept() {
    let net0 = |rest: &str| format!("net0=name=eth0,{rest}");
    for (more, write) in [
        (json!({"hostname": "ns1"}), "hostname=ns1".to_owned()),
        (
            json!({"cpus": 2, "memory": 1024}),
            "cpulimit=2 memory=1024".to_owned(),
        ),
        (json!({"tags": ["dns"]}), "tags=dns".to_owned()),
        (json!({"tags": []}), "delete=tags".to_owned()),
        (json!({"description": ""}), "delete=description".to_owned()),
        (
            json!({"features": ["nesting=0"]}),
            "features=nesting=0,keyctl=1".to_owned(),
        ),
        (
            json!({"features": ["fuse=1"]}),
            "features=nesting=1,keyctl=1,fuse=1".to_owned(),
        ),
        (
            json!({"startup": ["order=3"]}),
            "startup=order=3,up=5".to_owned(),
        ),
        (
            json!({"delete": ["nameserver", "mp0"]}),
            "delete=mp0,nameserver".to_owned(),
        ),
        (
            json!({"netif": {"net0": "bridge=vmbr1"}}),
            net0(
                "bridge=vmbr1,gw=192.0.2.1,hwaddr=BC:24:11:00:00:C8,ip=192.0.2.9/24,firewall=1,type=veth",
            ),
        ),
        (
            json!({"netif": {"net0": "firewall=0"}}),
            net0(
                "bridge=vmbr0,gw=192.0.2.1,hwaddr=BC:24:11:00:00:C8,ip=192.0.2.9/24,firewall=0,type=veth",
            ),
        ),
        (
            json!({"netif": {"net0": "ip=dhcp"}}),
            net0("bridge=vmbr0,hwaddr=BC:24:11:00:00:C8,ip=dhcp,firewall=1,type=veth"),
        ),
        (
            json!({"netif": {"net0": "ip=192.0.2.8/24,gw=192.0.2.2"}}),
            net0(
                "bridge=vmbr0,gw=192.0.2.2,hwaddr=BC:24:11:00:00:C8,ip=192.0.2.8/24,firewall=1,type=veth",
            ),
        ),
        (
            json!({"netif": {"net1": "name=eth1,bridge=vmbr1"}}),
            "net1=name=eth1,bridge=vmbr1".to_owned(),
        ),
        (
            json!({"mounts": {"mp1": "ceph:2,mp=/var"}}),
            "mp1=ceph:2,mp=/var".to_owned(),
        ),
        (
            json!({"mounts": {"mp0": "ceph:4,mp=/data"}}),
            "mp0=ceph:vm-200-disk-0,mp=/data,backup=1,size=4G".to_owned(),
        ),
        (
            json!({"mounts": {"mp0": "ceph:6,mp=/srv,backup=0"}}),
            "mp0=ceph:vm-200-disk-0,mp=/srv,backup=0,size=4G; mp0 to 6G".to_owned(),
        ),
        (json!({"disk": "local-lvm:20"}), "rootfs to 20G".to_owned()),
        (
            json!({"disk": "local-lvm:4"}),
            "rootfs is 8G, and stays so: volumes cannot shrink to 4G".to_owned(),
        ),
    ] {
        assert_eq!(written(&more), Ok(write), "{more}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (more, why) in [
        (
            json!({"ip_address": "192.0.2.5"}),
            "ip_address: is no setting of containers",
        ),
        (json!({"cores": 0}), "cores: must be at least 1, got: 0"),
        (json!({"memory": 8}), "memory: must be at least 16, got: 8"),
        (json!({"tags": ["a/b"]}), "tags: `a/b` is not a tag"),
        (
            json!({"features": ["nesting"]}),
            "features: `nesting` has no key: expected key=value",
        ),
        (
            json!({"netif": {"eth0": "name=eth0"}}),
            "eth0: is no network interface",
        ),
        (
            json!({"netif": {"net0": {"name": "eth0"}}}),
            "net0: must be a property string",
        ),
        (
            json!({"netif": {"net0": "eth0,bridge=vmbr0"}}),
            "net0: `eth0` belongs to no interface of a container",
        ),
        (
            json!({"netif": {"net0": "name=eth0,brige=vmbr0"}}),
            "net0: there is no key `brige`; known are bridge,",
        ),
        (
            json!({"netif": {"net7": "bridge=vmbr0"}}),
            "net7: has no name, such as name=eth0",
        ),
        (
            json!({"mounts": {"data": "ceph:1,mp=/x"}}),
            "data: is no mount point",
        ),
        (
            json!({"disk": "8", "mounts": {"mp7": "ceph:1"}}),
            "mp7: has no place in the container",
        ),
        (
            json!({"mounts": {"mp0": ["ceph:1"]}}),
            "mp0: must be a property string",
        ),
    ] {
        for got in [made(&more), written(&more)] {
            let error = got.unwrap_err();
            assert!(error.starts_with(why), "{more}: {error}");
        }
    }
    let error = made(&json!({"mounts": {"mp0": "ceph:2,mp=/srv"}})).unwrap_err();
    assert!(error.starts_with("mp0: a new container with mount points must state its root too"));
    let error = written(&json!({"nameserver": "x", "delete": ["nameserver"]})).unwrap_err();
    assert_eq!(
        error,
        "nameserver: is stated and in delete at the same time"
    );
    let error = written(&json!({"disk": "ceph:8"})).unwrap_err();
    assert!(
        error.starts_with("rootfs: is on local-lvm:vm-200-disk-0"),
        "{error}"
    );
}
