use ansible::Context;
use pve::canned::Canned;
use pve::nodes::guest::GuestKind;
use serde_json::json;

use super::{Named, PATIENCE, patience};

const VMS: &[GuestKind] = &[GuestKind::Qemu];
const BOTH: &[GuestKind] = &[GuestKind::Qemu, GuestKind::Lxc];

/// 101 was `web` in the last statistics round, and is `old` by now; 102 has taken the name.
fn canned() -> Canned {
    Canned::new()
        .always(
            "GET /cluster/resources",
            json!([
                {"type": "node", "node": "pve1", "status": "online"},
                {"type": "node", "node": "pve2", "status": "offline"},
                {"type": "qemu", "node": "pve1", "vmid": 101, "name": "web", "status": "running", "pool": "p"},
                {"type": "qemu", "node": "pve1", "vmid": 102, "status": "unknown"},
                {"type": "qemu", "node": "pve2", "vmid": 103},
                {"type": "lxc", "node": "pve1", "vmid": 200, "name": "dns", "status": "running"},
            ]),
        )
        .always(
            "GET /nodes/pve1/qemu full=1",
            json!([
                {"vmid": 101, "name": "old", "status": "running"},
                {"vmid": 102, "name": "web", "status": "running"},
            ]),
        )
        .always("GET /nodes/pve1/lxc", json!([{"vmid": 200, "name": "dns", "status": "running"}]))
        .always("GET /nodes/pve1/qemu/101/config", json!({"name": "old"}))
        .always("GET /nodes/pve1/qemu/102/config", json!({"name": "web"}))
        .always("GET /nodes/pve1/lxc/200/config", json!({"hostname": "dns"}))
        .always(
            "GET /nodes/pve1/lxc/200/pending",
            json!([{"key": "hostname", "value": "dns"}, {"key": "memory", "value": 512}]),
        )
}

/// What is found by its configuration, and how many requests that took.
fn found(
    vmid: Option<u32>,
    name: Option<&str>,
    kinds: &'static [GuestKind],
) -> (Result<String, String>, usize) {
    let canned = canned();
    let asked = canned.asked();
    let cluster = canned.cluster();
    let named = Named::of(vmid, name, kinds).unwrap();
    let found = named
        .config(&cluster)
        .and_then(|sought| sought.there(&named, &cluster))
        .map(|guest| format!("{} {}", guest.label(), guest.address))
        .map_err(|failure| failure.msg);
    let requests = asked.lock().unwrap().len();
    (found, requests)
}

#[test]
fn a_guest_takes_two_requests_and_a_name_that_moved_on_a_live_list() {
    for (vmid, name, kinds, expected, requests) in [
        (Some(102), None, VMS, "web 102 on pve1", 2),
        (Some(200), None, BOTH, "dns 200 on pve1", 2),
        (None, Some("dns"), BOTH, "dns 200 on pve1", 2),
        (Some(101), Some("web"), VMS, "old 101 on pve1", 2),
        (None, Some("web"), VMS, "web 102 on pve1", 4),
        (None, Some("old"), VMS, "old 101 on pve1", 3),
    ] {
        let (found, asked) = found(vmid, name, kinds);
        assert_eq!(found.as_deref(), Ok(expected), "{vmid:?} {name:?}");
        assert_eq!(asked, requests, "{vmid:?} {name:?}");
    }
}

#[test]
fn what_is_not_there_is_said_in_the_words_that_playbooks_know() {
    for (vmid, name, expected, requests) in [
        // A VMID is placed at once: no list could know it better.
        (
            Some(999),
            None,
            "VM with vmid 999 does not exist in cluster (offline: pve2; a guest without VM.Audit is invisible to root@pam)",
            1,
        ),
        (
            None,
            Some("nobody"),
            "VM with name = nobody does not exist in cluster (offline: pve2; a guest without VM.Audit is invisible to \
             root@pam)",
            2,
        ),
        // A container is no VM.
        (
            Some(200),
            None,
            "VM with vmid 200 does not exist in cluster (offline: pve2; a guest without VM.Audit is invisible to root@pam)",
            1,
        ),
        (
            Some(103),
            None,
            "the guest `103` is on the node pve2, which is offline",
            1,
        ),
    ] {
        let (found, asked) = found(vmid, name, VMS);
        assert_eq!(found.unwrap_err(), expected);
        assert_eq!(asked, requests, "{expected}");
    }
}

#[test]
fn a_name_is_read_out_of_pending_values_too() {
    let cluster = canned().cluster();
    let named = Named::of(None, Some("dns"), BOTH).unwrap();
    let guest = named.pending(&cluster).unwrap().guest.unwrap();
    assert_eq!(guest.name.as_deref(), Some("dns"));
    assert_eq!(guest.address.vmid, 200);
}

#[test]
fn only_a_timeout_that_was_stated_ends_a_task() {
    let mut context = Context::default();
    assert_eq!(patience(&context, 30), PATIENCE);
    context.given.insert("timeout".to_owned());
    assert_eq!(patience(&context, 30).as_secs(), 30);
}
