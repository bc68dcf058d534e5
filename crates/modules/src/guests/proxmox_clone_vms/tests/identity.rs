//! Which VM is which: nothing that is there is ever taken for another one.

use pve::Planned;
use serde_json::{Value, json};

use super::site::{Site, debian, vm};

fn web(vmid: u32) -> super::site::Vm {
    vm(vmid, "web-1")
}

#[test]
fn what_is_wrong_with_the_options_is_told_before_anything_is_asked() {
    for (vms, message) in [
        (
            json!([{"name": "web_1"}]),
            "VM `web_1`: the name must be a DNS name: letters, digits, hyphens, dots",
        ),
        (
            json!([{"name": "web..1"}]),
            "VM `web..1`: the name must be a DNS name: letters, digits, hyphens, dots",
        ),
        (
            json!([{"name": "101"}]),
            "VM `101`: a name of digits alone would be taken for a VMID",
        ),
        (
            json!([{"name": "web-1", "vmid": 99}]),
            "VM `web-1`: VMIDs begin at 100",
        ),
        (
            json!([{"name": "web-1"}, {"name": "web-1"}]),
            "VM `web-1`: it stands in vms more than once",
        ),
        (
            json!([{"name": "web-1", "vmid": 101}, {"name": "web-2", "vmid": 101}]),
            "VM `web-2`: another VM in vms has VMID 101 too",
        ),
        (
            json!([{"name": "web-1", "state": "started", "wait_for": "port"}]),
            "VM `web-1`: wait_for: port needs a port",
        ),
        (
            json!([{"name": "web-1", "wait_for": "running"}]),
            "VM `web-1`: wait_for needs state: started",
        ),
        (
            json!([{"name": "web-1", "vmid_range": "600-500"}]),
            "VM `web-1`: vmid_range: must be two VMIDs from 100 on, such as 5000-5999",
        ),
        (
            json!([{"name": "web-1", "disks": {"scsi0": {"size": "huge"}}}, {"name": "-a"}]),
            "VM `web-1`: scsi0: ",
        ),
    ] {
        // A cluster that cannot be asked.
        let site = Site::of([]).once(
            "GET /cluster/resources",
            Err(pve::Error::Never("it was asked".to_owned())),
        );
        let refusal = site.refusal(vms);
        let expected = format!("nothing was done: {message}");
        assert!(refusal.starts_with(&expected), "{refusal}");
    }
}

#[test]
fn everything_that_stands_against_it_is_told_at_once() {
    let refusal = Site::of([debian(), vm(101, "db-1")]).refusal(json!([
        {"name": "web-1", "template": "ubuntu"},
        {"name": "web-2"},
        {"name": "web-3", "template": "debian"},
    ]));
    assert_eq!(
        refusal,
        "nothing was done: VM `web-1`: there is no template `ubuntu` (one without VM.Audit is invisible); \
         VM `web-2`: it is not there, and no template is given to clone it from"
    );
}

#[test]
fn name_and_vmid_must_both_fit() {
    let named_twice = || [web(101), web(102).on("pve2")];
    let refusal = |vms: Vec<super::site::Vm>, wanted: Value| Site::of(vms).refusal(json!([wanted]));
    for (vms, wanted, message) in [
        (
            vec![web(101)],
            json!({"name": "web-1", "vmid": 102}),
            "it is there as VMID 101, not as 102",
        ),
        (
            vec![vm(102, "db-1").on("pve2")],
            json!({"name": "web-1", "vmid": 102, "template": "debian"}),
            "VMID 102 is taken by `db-1` on pve2",
        ),
        (
            named_twice().into(),
            json!({"name": "web-1"}),
            "more than one VM has this name: 101 on pve1, 102 on pve2",
        ),
        (
            named_twice().into(),
            json!({"name": "web-1", "vmid": 103}),
            "more than one VM has this name: 101 on pve1, 102 on pve2",
        ),
        (
            vec![web(9001).template()],
            json!({"name": "web-1", "template": "debian"}),
            "9001 has this name, and is a template",
        ),
    ] {
        let message = format!("nothing was done: VM `web-1`: {message}");
        assert_eq!(refusal(vms, wanted), message);
    }
    let (plan, notes) =
        Site::of(named_twice()).ready(&json!({"vms": [{"name": "web-1", "vmid": 102}]}));
    assert!(plan.tracks.is_empty());
    assert_eq!(notes[0].node, "pve2");
}

#[test]
fn a_container_with_the_vmid_is_in_the_way() {
    let container =
        json!({"type": "lxc", "vmid": 200, "node": "pve2", "name": "ct-1", "status": "running"});
    assert_eq!(
        Site::of([debian()])
            .row(container)
            .refusal(json!([{"name": "web-1", "vmid": 200, "template": "debian"}])),
        "nothing was done: VM `web-1`: VMID 200 is taken by `ct-1` on pve2"
    );
}

#[test]
fn an_invisible_guest_with_the_vmid_is_in_the_way() {
    let asked = pve::Call::get(pve::path!("cluster", "nextid")).with("vmid", 300u32);
    let refusal = Site::of([debian()])
        .once(
            "GET /cluster/nextid vmid=300",
            Err(pve::canned::refused(&asked, 400, "VM 300 already exists")),
        )
        .refusal(json!([{"name": "web-1", "vmid": 300, "template": "debian"}]));
    assert_eq!(
        refusal,
        "nothing was done: VM `web-1`: VMID 300 is taken by a guest that cannot be seen (one without VM.Audit is \
         invisible)"
    );
}

#[test]
fn a_vm_younger_than_the_statistics_is_found_by_its_node() {
    let (plan, notes) = Site::of([web(101).young()])
        .ready(&json!({"vms": [{"name": "web-1", "template": "debian"}]}));
    assert!(plan.tracks.is_empty());
    assert_eq!(notes[0].vmid, Some(101));
}

#[test]
fn a_vm_that_was_renamed_since_is_not_taken_for_the_wanted_one() {
    // The statistics still know 101 as web-1.
    let renamed = Site::of([debian(), vm(101, "old-1").young()]).row(
        json!({"type": "qemu", "vmid": 102, "node": "pve2", "name": "web-1", "status": "stopped"}),
    );
    assert!(renamed.calls(json!({"name": "web-1", "template": "debian"}))[0].contains("/clone"));
}

#[test]
fn a_vm_that_may_be_where_nothing_can_be_seen_is_not_cloned() {
    let hidden = |name: &str| {
        let hidden = vm(101, name).on("pve3");
        Site::with_nodes(
            &["pve1"],
            &["pve3"],
            [
                debian(),
                if name.is_empty() {
                    hidden.young()
                } else {
                    hidden
                },
            ],
        )
    };
    let wanted = json!([{"name": "web-1", "template": "debian"}]);
    assert_eq!(
        hidden("").refusal(wanted.clone()),
        "nothing was done: VM `web-1`: it may be there already, where it cannot be seen: pve3 is offline; \
         state its VMID to be sure"
    );
    assert_eq!(
        hidden("web-1").refusal(wanted.clone()),
        "nothing was done: VM `web-1`: it is there as VMID 101 on pve3, and that node is offline"
    );
    // Another VM is no reason to doubt, and a free VMID settles it.
    for (site, wanted) in [
        (hidden("db-1"), wanted[0].clone()),
        (
            hidden(""),
            json!({"name": "web-1", "vmid": 102, "template": "debian"}),
        ),
    ] {
        let site = site.always("GET /cluster/nextid vmid=102", json!("102"));
        assert!(site.calls(wanted)[0].contains("/clone"));
    }
}

#[test]
fn a_node_that_does_not_list_its_vms_leaves_a_doubt() {
    let list = pve::Call::get(pve::path!("nodes", "pve2", "qemu"));
    let site = Site::of([debian()]).once(
        "GET /nodes/pve2/qemu full=1",
        Err(pve::canned::refused(&list, 596, "Connection timed out")),
    );
    assert_eq!(
        site.refusal(json!([{"name": "web-1", "template": "debian"}])),
        "nothing was done: VM `web-1`: it may be there already, where it cannot be seen: pve2 does not list its \
         VMs (GET /nodes/pve2/qemu answered 596: Connection timed out); state its VMID to be sure"
    );
}

const CLONES_9000: &str = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:root@pam:";
const CLONES_8000: &str = "UPID:pve1:0001ABCE:00FF00AA:68A1B2C3:qmclone:8000:root@pam:";

fn wanted() -> Value {
    json!({"vms": [{"name": "web-1", "template": "debian"}]})
}

#[test]
fn a_vm_that_is_being_cloned_from_the_template_may_be_the_wanted_one() {
    let site = Site::of([debian(), vm(101, "").being_made()]).clones("pve1", &[CLONES_9000]);
    let Ok(Planned::Blocked { why, until }) = site.planned(&wanted()) else {
        panic!("it is planned for all the same");
    };
    assert_eq!(
        why,
        "VM 101 on pve1 is being cloned from a wanted template, and may be a wanted VM"
    );
    let holds = |answer| matches!(until.judge(&[answer]), pve::plan::Verdict::Holds(_));
    let gone = pve::Call::get(pve::path!("nodes", "pve1", "qemu", 101u32, "config"));
    assert!(!holds(Ok(json!({"lock": "clone"}))));
    assert!(holds(Ok(json!({"name": "web-1"}))));
    assert!(holds(Err(pve::canned::refused(
        &gone,
        500,
        "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"
    ))));
}

#[test]
fn clones_of_other_templates_and_vms_that_are_there_block_nothing() {
    let other = Site::of([debian(), vm(101, "").being_made()]).clones("pve1", &[CLONES_8000]);
    assert!(matches!(other.planned(&wanted()), Ok(Planned::Ready(..))));
    let there = Site::of([debian(), vm(101, "").being_made(), web(102).young()])
        .clones("pve1", &[CLONES_9000]);
    assert!(matches!(there.planned(&wanted()), Ok(Planned::Ready(..))));
}

#[test]
fn a_clone_lock_that_was_left_behind_is_told_with_its_cure() {
    let site = Site::of([debian(), vm(101, "").being_made()]).clones("pve1", &[]);
    assert_eq!(
        site.planned(&wanted()).unwrap_err(),
        "VM 101 on pve1 is locked by a clone that no longer runs, so it has no name and may be one of the wanted \
         VMs: look at it, then remove it, or unlock it with `qm unlock 101`"
    );
}

#[test]
fn without_sys_audit_a_clone_lock_fails_only_where_the_vmid_was_stated() {
    let planned = |stated: Value| {
        let mut wanted = json!({"name": "web-1", "template": "debian"});
        wanted
            .as_object_mut()
            .unwrap()
            .extend(super::site::map(stated));
        Site::of([debian(), vm(101, "").being_made(), vm(102, "").being_made()])
            .clones("pve1", &[])
            .once("GET /access/permissions path=/nodes/pve1", Ok(json!({})))
            .planned(&json!({"vms": [wanted]}))
    };
    for stated in [json!({"vmid": 102}), json!({"vmid_range": "102-199"})] {
        let refusal = planned(stated).unwrap_err();
        assert!(
            refusal.starts_with(
                "VM 102 on pve1 is locked by a clone that is not one of root@pam's running tasks, and has a VMID \
                 that is stated for `web-1`: another client makes it, or it was left over"
            ),
            "{refusal}"
        );
    }
    for stated in [json!({}), json!({"vmid_range": "200-299"})] {
        let Ok(Planned::Ready(plan, _)) = planned(stated) else {
            panic!("it is not planned");
        };
        let [warning] = plan.warnings.as_slice() else {
            panic!("{:?}", plan.warnings);
        };
        assert!(warning.starts_with("VM 101 on pve1 is locked"), "{warning}");
    }
}

#[test]
fn a_clone_that_ends_between_two_questions_is_looked_at_again() {
    let site = Site::of([debian(), vm(101, "").being_made()])
        .clones("pve1", &[])
        .once(
            "GET /nodes/pve1/qemu/101/config",
            Ok(json!({"name": "web-1"})),
        );
    assert!(matches!(
        site.planned(&wanted()),
        Ok(Planned::Blocked { .. })
    ));
}
