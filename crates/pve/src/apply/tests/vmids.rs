//! VMIDs that are allocated.

use super::*;

#[test]
fn vmids_are_asked_for_once_and_each_is_given_once() {
    let plan = Plan {
        tracks: (0..5).map(|n| clone_track(&format!("web-{n}"))).collect(),
        ..Plan::default()
    };
    let canned = Canned::new().always("GET /cluster/nextid", json!("100"));
    let (applied, asked) = carry_out(canned, &plan);
    assert!(applied.tracks.iter().all(TrackEnd::succeeded));
    let vmids: Vec<&str> = applied
        .tracks
        .iter()
        .map(|end| end.bindings[VMID].as_str())
        .collect();
    assert_eq!(
        vmids,
        ["100", "102", "103", "104", "105"],
        "in the order of the tracks"
    );
    let asked_for_next = asked.iter().filter(|ask| ask.contains("nextid"));
    assert_eq!(asked_for_next.count(), 1);
}

#[test]
fn a_vmid_that_another_client_took_is_replaced_by_the_next() {
    let canned = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .once(
            "POST /nodes/pve1/qemu/9000/clone newid=100",
            Err(refused(
                &clone_call(),
                500,
                "unable to create VM 100: config file already exists",
            )),
        );
    let (applied, _) = carry_out(canned, &one(clone_track("web-1")));
    assert!(applied.tracks[0].succeeded());
    assert_eq!(applied.tracks[0].bindings[VMID], "102");
}

#[test]
fn a_bare_403_is_a_taken_vmid_or_a_missing_right() {
    let refusal = || Err(refused(&clone_call(), 403, "Permission check failed\n"));
    let taken = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .once("POST /nodes/pve1/qemu/9000/clone newid=100", refusal())
        .once(
            "GET /cluster/nextid vmid=100",
            Err(refused(&clone_call(), 400, "VM 100 already exists")),
        );
    let (applied, _) = carry_out(taken, &one(clone_track("web-1")));
    assert_eq!(applied.tracks[0].bindings[VMID], "102");

    let forbidden = Canned::new()
        .always("GET /cluster/nextid", json!("100"))
        .always("GET /cluster/nextid vmid=100", json!("100"))
        .once("POST /nodes/pve1/qemu/9000/clone newid=100", refusal());
    let (applied, _) = carry_out(forbidden, &one(clone_track("web-1")));
    let trouble = applied.tracks[0].trouble.as_ref().unwrap();
    assert_eq!(trouble.error.status(), Some(403));
    assert!(!applied.changed());
}
