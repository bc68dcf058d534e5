//! Tables over what is there and what becomes of it.

use ansible::{Args, Context, Failure};
use pve::canned::Canned;
use pve::{Plan, Planned};
use serde_json::{Value, json};

use super::image::{Image, mark_of, marked, uuid_of};
use super::notes::Notes;
use super::{CloudTemplateArgs, ProxmoxCloudTemplate};
use crate::job::{Job, Task};

const OLD: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const URL: &str = "https://example.org/debian-13.img";

fn args(more: &Value) -> CloudTemplateArgs {
    let mut options = json!({
        "api_host": "pve1", "name": "trixie", "node": "pve1", "storage": "ceph",
        "image": {"url": URL, "checksum": format!("sha256:{NEW}")},
    });
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    CloudTemplateArgs::parse(options.as_object().unwrap().clone()).unwrap()
}

/// A VM: its name, what its description says it is of, whether its UUID is the one that goes with it, and whether it is
/// a template.
type Vm<'a> = (&'a str, Option<&'a str>, bool, bool);

/// The plan with these VMs there, from VMID 900 on.
fn plan(on_change: &str, vms: &[Vm<'_>]) -> Result<(Plan, Notes), Failure> {
    let mut canned = Canned::new();
    let (mut resources, mut live) = (
        vec![json!({"type": "node", "node": "pve1", "status": "online"})],
        Vec::new(),
    );
    for (vmid, (name, of, is_ours, template)) in (900..).zip(vms) {
        let row = json!({
            "type": "qemu", "node": "pve1", "vmid": vmid, "name": name, "status": "stopped",
            "template": i32::from(*template),
        });
        let digest = if *is_ours { *of } else { None };
        let uuid = digest.and_then(|digest| uuid_of(&format!("sha256={digest}")));
        let config = json!({
            "name": name, "smbios1": format!("uuid={}", uuid.unwrap_or_default()),
            "description": of.map(|of| marked(Some("x"), &format!("sha256={of}"))),
            "scsi0": format!("ceph:vm-{vmid}-disk-0,size=3G"), "ide2": format!("ceph:vm-{vmid}-cloudinit,media=cdrom"),
            "ostype": "l26", "scsihw": "virtio-scsi-single", "boot": "order=scsi0", "serial0": "socket", "vga": "serial0",
            "agent": "1", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0", "ipconfig0": "ip=dhcp",
        });
        let vm = format!("GET /nodes/pve1/qemu/{vmid}");
        canned = canned
            .always(&format!("{vm}/config"), config)
            .always(&format!("{vm}/status/current"), row.clone());
        resources.push(row.clone());
        live.push(row);
    }
    let all = [
        "Datastore.AllocateTemplate",
        "Datastore.Audit",
        "Datastore.AllocateSpace",
        "Sys.AccessNetwork",
        "VM.Allocate",
        "VM.Config.CDROM",
        "VM.Config.CPU",
        "VM.Config.Cloudinit",
        "VM.Config.Disk",
        "VM.Config.HWType",
        "VM.Config.Network",
        "VM.Config.Options",
        "SDN.Use",
    ];
    let all: serde_json::Map<String, Value> = all
        .iter()
        .map(|name| ((*name).to_owned(), json!(1)))
        .collect();
    let cluster = canned
        .always("GET /cluster/resources", json!(resources))
        .always("GET /nodes/pve1/qemu full=1", json!(live))
        .always(
            "GET /nodes/pve1/tasks source=active typefilter=qmcreate",
            json!([]),
        )
        .always("GET /access/permissions", json!({"/": all}))
        .always(
            "GET /nodes/pve1/storage/local/status",
            json!({"content": "iso,import"}),
        )
        .always(
            "GET /nodes/pve1/storage/ceph/status",
            json!({"content": "images"}),
        )
        .cluster();
    let args = args(&json!({"on_change": on_change}));
    let context = Context::default();
    let task = Task {
        args: &args,
        context: &context,
    };
    match ProxmoxCloudTemplate::plan(&task, &cluster)? {
        Planned::Ready(plan, notes) => Ok((plan, notes)),
        Planned::Blocked { why, .. } => Err(Failure::new(why)),
    }
}

/// What is done, in the words of the steps, and which template is meant at the end.
fn done(on_change: &str, vms: &[Vm<'_>]) -> String {
    match plan(on_change, vms) {
        Ok((plan, notes)) => {
            let steps = plan.tracks.iter().flat_map(|track| &track.steps);
            let verbs: Vec<&str> = steps.map(|step| step.verb).collect();
            format!("{}: {}", notes.name, verbs.join(", "))
        }
        Err(failure) => failure
            .msg
            .split(": ")
            .nth(1)
            .unwrap_or_default()
            .to_owned(),
    }
}

#[test]
fn what_is_done_follows_from_what_is_there() {
    let made = "download, create, convert";
    let name = "trixie";
    let beside = "trixie-fedcba98";
    let (old, new) = ((name, Some(OLD), true, true), (name, Some(NEW), true, true));
    let new_beside = (beside, Some(NEW), true, true);
    let half_beside = (beside, Some(NEW), true, false);
    let foreign = (name, None, false, true);
    let of_a_clone = (name, Some(NEW), false, true);
    let cases: &[(&str, &[Vm<'_>], String)] = &[
        ("keep", &[], format!("trixie: {made}")),
        ("keep", &[new], "trixie: ".to_owned()),
        ("keep", &[old], "trixie: ".to_owned()),
        (
            "keep",
            &[(name, Some(NEW), true, false)],
            "trixie: convert".to_owned(),
        ),
        (
            "keep",
            &[(name, Some(OLD), true, false)],
            "trixie: convert".to_owned(),
        ),
        (
            "keep",
            &[foreign],
            "VM 900 on pve1 is there, and this module did not make it".to_owned(),
        ),
        (
            "keep",
            &[of_a_clone],
            "VM 900 on pve1 is there, and this module did not make it".to_owned(),
        ),
        (
            "keep",
            &[new, new],
            "more than one VM has this name".to_owned(),
        ),
        ("versioned", &[new], "trixie: ".to_owned()),
        ("versioned", &[old], format!("{beside}: {made}")),
        ("versioned", &[old, new_beside], format!("{beside}: ")),
        (
            "versioned",
            &[old, half_beside],
            format!("{beside}: convert"),
        ),
        ("versioned", &[new_beside], format!("{beside}: ")),
        ("replace", &[], format!("trixie: {made}")),
        ("replace", &[new], "trixie: ".to_owned()),
        (
            "replace",
            &[old],
            format!("trixie: {made}, remove the old, rename"),
        ),
        (
            "replace",
            &[old, half_beside],
            "trixie: convert, remove the old, rename".to_owned(),
        ),
        (
            "replace",
            &[old, new_beside],
            "trixie: remove the old, rename".to_owned(),
        ),
        ("replace", &[new_beside], "trixie: rename".to_owned()),
        (
            "replace",
            &[foreign],
            "VM 900 on pve1 is there, and this module did not make it".to_owned(),
        ),
        (
            "replace",
            &[old, (beside, None, false, true)],
            "VM 901 on pve1 is there, and this module did not make it".to_owned(),
        ),
    ];
    for (on_change, vms, expected) in cases {
        assert_eq!(done(on_change, vms), *expected, "{on_change} {vms:?}");
    }
}

#[test]
fn a_new_one_is_made_with_all_that_a_cloud_image_needs() {
    let (plan, _) = plan("keep", &[]).unwrap();
    let calls = plan.calls();
    assert_eq!(
        calls[0],
        format!(
            "POST /nodes/pve1/storage/local/download-url content=import filename=debian-13-fedcba98.qcow2 url={URL} \
             checksum-algorithm=sha256 checksum={NEW}"
        )
    );
    assert_eq!(
        calls[1],
        format!(
            "POST /nodes/pve1/qemu vmid={{vmid}} name=trixie agent=1 boot=order=scsi0 description=ferrox: image \
             sha256={NEW} ide2=ceph:cloudinit ipconfig0=ip=dhcp net0=virtio,bridge=vmbr0 ostype=l26 \
             scsi0=ceph:0,import-from=local:import/debian-13-fedcba98.qcow2 scsihw=virtio-scsi-single serial0=socket \
             smbios1=uuid=fedcba98-7654-3210-fedc-ba9876543210 vga=serial0"
        )
    );
    assert_eq!(calls[2], "POST /nodes/pve1/qemu/{vmid}/template");
}

#[test]
fn an_image_is_told_by_its_checksum() {
    let image = |options: Value| Image::of(&args(&json!({"image": options})).image);
    let digest = format!("SHA256: {}", NEW.to_uppercase());
    let mine = image(json!({"url": URL, "checksum": digest, "filename": "a b.raw"})).unwrap();
    assert_eq!(mine.identity(), format!("sha256={NEW}"));
    assert_eq!(mine.volid(), "local:import/a_b.raw");
    let there = image(json!({"volume": "nfs:import/x.qcow2", "checksum": digest})).unwrap();
    assert_eq!(
        (there.volid().as_str(), there.url),
        ("nfs:import/x.qcow2", None)
    );
    for (options, why) in [
        (
            json!({"volume": "local:iso/x.iso", "checksum": digest}),
            "is not of the form storage:import/name",
        ),
        (
            json!({"url": "https://example.org/a.ova", "checksum": digest}),
            "is an appliance",
        ),
        (
            json!({"url": "https://example.org/a.tar.gz", "checksum": digest}),
            "state filename",
        ),
        (
            json!({"url": "https://example.org/", "checksum": digest}),
            "state filename",
        ),
        (
            json!({"url": URL, "checksum": NEW}),
            "does not begin with the name of a hash function",
        ),
    ] {
        let said = image(options).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_mark_is_a_line_of_the_description() {
    let identity = format!("sha256={NEW}");
    for text in [None, Some(""), Some("Debian\nweekly\n")] {
        let description = marked(text, &identity);
        assert_eq!(
            mark_of(&description),
            Some(identity.as_str()),
            "{description}"
        );
    }
    assert_eq!(
        marked(Some("Debian\n"), &identity),
        format!("Debian\n\nferrox: image {identity}")
    );
    assert_eq!(mark_of("made by ferrox: image sha256=1"), None);
    assert_eq!(
        uuid_of(&identity).as_deref(),
        Some("fedcba98-7654-3210-fedc-ba9876543210")
    );
    assert_eq!(uuid_of("sha256=short"), None);
}
