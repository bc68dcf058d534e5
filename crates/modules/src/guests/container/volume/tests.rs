use super::Volume;
use crate::guests::proxmox::{Mount, Volume as Parts};
use ansible::Args;
use serde_json::{Value, json};

fn parts(value: Value) -> Parts {
    let Value::Object(map) = value else {
        panic!("not an object")
    };
    Parts::parse(map).unwrap()
}

fn mount(value: Value) -> Mount {
    let Value::Object(map) = value else {
        panic!("not an object")
    };
    Mount::parse(map).unwrap()
}

#[test]
fn a_new_volume_is_asked_for_in_the_words_of_the_api() {
    for (text, value) in [
        ("10", "local:10"),
        ("0.5", "local:0.5"),
        ("ceph:10", "ceph:10"),
        ("volume=ceph:10,acl=1", "ceph:10,acl=1"),
        (
            "size=8G,mountoptions=noatime",
            "local:8,mountoptions=noatime",
        ),
        ("size=1536M", "local:1.500"),
        ("ceph:vm-101-disk-0,size=4G", "ceph:vm-101-disk-0,size=4G"),
    ] {
        let volume = Volume::parse("rootfs", text).unwrap();
        assert_eq!(volume.new_value("local").unwrap(), value, "{text}");
    }
    let volume = Volume::parse("mp0", "/srv/data,mp=/srv,ro=1").unwrap();
    assert_eq!(volume.new_value("local").unwrap(), "/srv/data,mp=/srv,ro=1");
}

#[test]
fn parts_say_the_same_as_a_text() {
    for (given, text) in [
        (json!({"storage": "ceph", "size": 8}), "ceph:8"),
        (
            json!({"storage": "ceph", "size": 8, "options": {"acl": true, "quota": false}}),
            "ceph:8,acl=1,quota=0",
        ),
        (
            json!({"storage": "ceph", "volume": "vm-101-disk-0", "size": 8}),
            "ceph:vm-101-disk-0,size=8G",
        ),
        (json!({"host_path": "/srv/data"}), "/srv/data"),
    ] {
        let volume = Volume::root(&parts(given.clone())).unwrap();
        assert_eq!(volume.new_value("local").unwrap(), text, "{given}");
    }
    let given = json!({"id": "mp1", "mountpoint": "/srv", "storage": "ceph", "size": 3});
    let volume = Volume::mount(&mount(given)).unwrap();
    assert_eq!(volume.key(), "mp1");
    assert_eq!(volume.new_value("local").unwrap(), "ceph:3,mp=/srv");
}

#[test]
fn a_volume_that_is_there_is_kept_and_only_grows() {
    let have = "local-lvm:vm-101-disk-0,size=8G,acl=1";
    for (text, value, grows, larger) in [
        ("8", "local-lvm:vm-101-disk-0", None, None),
        ("local-lvm:8", "local-lvm:vm-101-disk-0", None, None),
        ("local-lvm:20", "local-lvm:vm-101-disk-0", Some("20G"), None),
        ("12", "local-lvm:vm-101-disk-0", Some("12G"), None),
        (
            "size=9G,quota=1",
            "local-lvm:vm-101-disk-0,quota=1",
            Some("9G"),
            None,
        ),
        (
            "local-lvm:vm-101-disk-0,size=9G",
            "local-lvm:vm-101-disk-0",
            Some("9G"),
            None,
        ),
        (
            "volume=local-lvm:vm-101-disk-0,acl=0",
            "local-lvm:vm-101-disk-0,acl=0",
            None,
            None,
        ),
        (
            "local-lvm:4",
            "local-lvm:vm-101-disk-0",
            None,
            Some(("8G", "4G")),
        ),
    ] {
        let fitted = Volume::parse("rootfs", text).unwrap().fit(have).unwrap();
        assert_eq!(fitted.value, value, "{text}");
        let grows = grows.map(|size| size.parse().unwrap());
        assert_eq!(fitted.grows, grows, "{text}");
        let larger = larger.map(|(size, wanted)| (size.parse().unwrap(), wanted.parse().unwrap()));
        assert_eq!(fitted.larger, larger, "{text}");
    }
}

#[test]
fn one_path_takes_the_place_of_another() {
    let volume = Volume::parse("mp0", "/srv/b,mp=/srv").unwrap();
    assert_eq!(
        volume.fit("/srv/a,mp=/srv").unwrap().value,
        "/srv/b,mp=/srv"
    );
}

#[test]
fn what_would_take_the_place_of_a_volume_is_refused() {
    for (text, have, why) in [
        (
            "ceph:8",
            "local-lvm:vm-101-disk-0,size=8G",
            "rootfs: is on local-lvm:vm-101-disk-0, and is not moved to ceph",
        ),
        (
            "local-lvm:vm-101-disk-1",
            "local-lvm:vm-101-disk-0,size=8G",
            "rootfs: is on local-lvm:vm-101-disk-0, and is not moved to local-lvm:vm-101-disk-1",
        ),
        (
            "/srv/a",
            "local-lvm:vm-101-disk-0,size=8G",
            "rootfs: is on local-lvm:vm-101-disk-0, and is not moved to /srv/a",
        ),
        (
            "8",
            "/srv/a,mp=/srv",
            "rootfs: is on /srv/a, and is not moved to a volume",
        ),
    ] {
        let volume = Volume::parse("rootfs", text).unwrap();
        assert_eq!(volume.fit(have).unwrap_err().to_string(), why, "{text}");
    }
}

#[test]
fn what_is_no_volume_is_named() {
    for (key, text, why) in [
        (
            "rootfs",
            "ceph",
            "rootfs: `ceph` is neither a size, nor a volume such as local-lvm:10, nor a path",
        ),
        (
            "rootfs",
            "acl=1",
            "rootfs: states no volume, such as local-lvm:10",
        ),
        (
            "mp0",
            "ceph:4",
            "mp0: has no place in the container, such as mp=/srv",
        ),
        (
            "mp0",
            "size=four",
            "mp0: `four` is not a size: expected a number with K, M, G or T after it, such as 40G",
        ),
    ] {
        let made = Volume::parse(key, text).and_then(|volume| volume.new_value("local"));
        assert_eq!(made.unwrap_err().to_string(), why);
    }
    assert_eq!(
        super::mount_key("data").unwrap_err().to_string(),
        "data: is no mount point: name it mp0, mp1, …"
    );
}
