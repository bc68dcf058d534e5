//! The rooms of the house and their doors: which crate may depend on which.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every crate of the workspace with those of its crates that it may use.
/// `ansible` knows no Proxmox and `pve` knows no Ansible.
const ROOMS: &[(&str, &[&str])] = &[
    ("ansible", &["ansible-derive", "secret"]),
    ("ansible-derive", &[]),
    ("binaries", &["ansible", "modules"]),
    ("ferrox", &["ansible", "modules"]),
    ("modules", &["ansible", "pve", "secret"]),
    ("pve", &["secret"]),
    ("secret", &[]),
    ("xtask", &["ansible", "modules"]),
];

/// Libraries that open sockets, and the one room that may use them.
const SOCKETS: &[&str] = &[
    "hyper",
    "hyper-util",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "ureq",
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            // What a crate's tests use is no part of the house.
            let used = dependencies.iter().filter(|entry| entry["kind"] != "dev");
            (name(package), used.map(name).collect())
        })
        .collect()
}

#[test]
fn a_room_uses_only_the_rooms_that_it_may_know() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let dependencies = dependencies();
    assert!(
        dependencies.keys().eq(rooms.keys()),
        "{:?}",
        dependencies.keys()
    );
    for (room, uses) in &dependencies {
        let inner: Vec<&str> = uses
            .iter()
            .map(String::as_str)
            .filter(|name| rooms.contains_key(name))
            .collect();
        let may = rooms[room.as_str()];
        assert!(
            inner.iter().all(|name| may.contains(name)),
            "{room} uses {inner:?}, it may use {may:?}"
        );
    }
}

#[test]
fn only_pve_has_what_opens_sockets() {
    for (room, uses) in dependencies() {
        let sockets: Vec<&String> = uses
            .iter()
            .filter(|name| SOCKETS.contains(&name.as_str()))
            .collect();
        assert!(
            room == "pve" || sockets.is_empty(),
            "{room} uses {sockets:?}"
        );
    }
}

/// The Rust sources below a folder, with their text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                vec![(path.clone(), std::fs::read_to_string(path).unwrap())]
            }
        })
        .collect()
}

#[test]
fn within_pve_only_transport_opens_sockets() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pve/src");
    let opens = [
        "TcpStream::connect",
        "to_socket_addrs(",
        "reqwest::blocking",
    ];
    let (inside, outside): (Vec<_>, Vec<_>) = sources(&source)
        .into_iter()
        .filter(|(_, text)| opens.iter().any(|word| text.contains(word)))
        .partition(|(path, _)| path.starts_with(source.join("transport")));
    assert!(
        !inside.is_empty(),
        "the words that are looked for are outdated"
    );
    let outside: Vec<&PathBuf> = outside.iter().map(|(path, _)| path).collect();
    assert!(outside.is_empty(), "{outside:?}");
}
