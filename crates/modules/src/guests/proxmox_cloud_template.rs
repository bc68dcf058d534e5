//! `proxmox_cloud_template`: a template made of a cloud image, by `/nodes/{node}/storage/{storage}/download-url`
//! and `/nodes/{node}/qemu`.

mod draft;
mod hardware;
mod image;
mod notes;
mod rights;
mod site;

use std::collections::BTreeMap;
use std::time::Duration;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::plan::VMID;
use pve::{Cluster, Plan, Planned};
use serde_json::{Value, json};

use super::clone::item::check_name;
use crate::connection::Connection;
use crate::job::{Job, Report, Task};
use draft::Draft;
use hardware::Hardware;
use image::Image;
use notes::Notes;
use site::Site;

/// The options of `proxmox_cloud_template`.
#[expect(
    clippy::doc_markdown,
    reason = "option comments are Ansible's markup: they become the module's documentation"
)]
#[derive(Args, Debug)]
#[args(mutually_exclusive(["vmid", "vmid_range"]))]
pub struct CloudTemplateArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// The name of the template.
    #[arg(required)]
    pub name: String,
    /// The VMID of a template that is made. Without it a free one is allocated.
    pub vmid: Option<u32>,
    /// Where an allocated VMID may lie, such as V(9000-9099).
    pub vmid_range: Option<String>,
    /// The node that the image is downloaded by and the template made on. On a O(storage) that nodes share, a template that
    /// is there stays where it is; otherwise each node has one of its own, of the same name.
    #[arg(required)]
    pub node: String,
    /// The cloud image.
    #[arg(required)]
    pub image: ImageArgs,
    /// The storage for the disk and the cloud-init drive. It must take content of type C(images).
    #[arg(required)]
    pub storage: String,
    /// The size of the disk, such as V(10G). By default it is that of the image.
    #[arg(kind = "raw")]
    pub disk_size: Option<Value>,
    /// Cores of each socket.
    pub cores: Option<u32>,
    /// Processor sockets.
    pub sockets: Option<u32>,
    /// The processor type, such as V(host) or V(x86-64-v2-AES).
    pub cpu: Option<String>,
    /// Memory in MiB.
    pub memory: Option<u64>,
    /// Network cards by key, V(net0) and so on, as in M(ferrox.proxmox.proxmox_clone_vms). By default V(net0) is on the
    /// bridge V(vmbr0).
    pub net: Option<BTreeMap<String, Value>>,
    /// The VLAN tag of V(net0).
    pub vlan: Option<u16>,
    /// Whether there is a cloud-init drive.
    #[arg(default = true)]
    pub cloud_init: bool,
    /// The user that cloud-init makes in clones that do not say otherwise.
    pub ciuser: Option<String>,
    /// The SSH public keys of O(ciuser): a list, or a text with one on each line.
    #[arg(kind = "raw", no_log = false)]
    pub sshkeys: Option<Value>,
    /// IP configurations by key, V(ipconfig0) and so on. With a cloud-init drive, V(ipconfig0) is V(ip=dhcp) by default.
    pub ipconfig: Option<BTreeMap<String, Value>>,
    /// DNS servers.
    pub nameservers: Option<Vec<String>>,
    /// DNS search domains.
    pub searchdomains: Option<Vec<String>>,
    /// Whether there is a serial console, which is the display too. Most cloud images write to it.
    #[arg(default = true)]
    pub serial_console: bool,
    /// Whether the guest agent is there: true or false, or the API's property string. It is by default.
    #[arg(kind = "raw")]
    pub agent: Option<Value>,
    /// The tags. They replace those that the template has.
    pub tags: Option<Vec<String>>,
    /// The pool that the template belongs to.
    pub pool: Option<String>,
    /// The description. A line that says what the template is made of is added to it.
    pub description: Option<String>,
    /// Any further key of the API's VM configuration, such as V(bios); with V(scsi0), further properties of the disk,
    /// such as V(discard=on). An empty text removes the key.
    pub config: Option<BTreeMap<String, Value>>,
    /// What happens to a template of this name that is made of another image.
    #[arg(default = "keep")]
    pub on_change: OnChange,
    /// How many seconds it may all take, the download included. A task that takes longer is left running and named.
    #[arg(default = 3600)]
    pub timeout: u32,
}

/// The cloud image.
#[derive(Args, Debug)]
#[args(required_one_of(["url", "volume"]), mutually_exclusive(["url", "volume"]))]
pub struct ImageArgs {
    /// Where the node downloads it from, by C(http) or C(https).
    pub url: Option<String>,
    /// What it hashes to, as V(sha256:658b28e2…). It tells one image from another, so that the same image by another hash
    /// function is another one. The server checks it when it downloads the image; that of O(image.volume) it does not.
    #[arg(required)]
    pub checksum: String,
    /// The storage that it is downloaded to. It must take content of type C(import).
    #[arg(default = "local")]
    pub storage: String,
    /// Its name there. By default it is that in the URL, with the beginning of the checksum, and with C(.qcow2) in place of
    /// C(.img).
    pub filename: Option<String>,
    /// An image that is on a storage already, such as V(local:import/debian-13.qcow2).
    pub volume: Option<String>,
}

/// What happens to a template that is made of another image.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// It is left as it is, and a warning tells so.
    Keep,
    /// A new one takes its place. It is made first, under another VMID and as C(name-checksum), and gets the name when the
    /// old one is removed. One that is protected or has linked clones cannot be removed: then the task fails, before
    /// anything is made where the caller sees the clones' volumes, and with both there otherwise.
    Replace,
    /// A new one is made beside it, called C(name-checksum).
    Versioned,
}

/// The module.
pub struct ProxmoxCloudTemplate;

crate::module!(ProxmoxCloudTemplate, "proxmox_cloud_template");

impl Job for ProxmoxCloudTemplate {
    type Args = CloudTemplateArgs;
    type Notes = Notes;

    fn connection(args: &CloudTemplateArgs) -> &Connection {
        &args.connection
    }

    fn plan(
        task: &Task<'_, CloudTemplateArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<Notes>, Failure> {
        let args = task.args;
        let unable = |why: String| cannot(&args.name, &why);
        let image = wanted_image(args).map_err(unable)?;
        let hardware = Hardware::of(args, |option| task.context.given(option))
            .map_err(|error| unable(error.to_string()))?;
        let range = super::values::vmid_range(args.vmid_range.as_deref())
            .map_err(|error| unable(error.to_string()))?;
        let site = Site::read(cluster, args, &image)?;
        let fate = site.fate(args, &image).map_err(unable)?;
        if let Some((until, why)) = site.blocked(cluster, args, &fate)? {
            return Ok(Planned::Blocked { until, why });
        }
        let draft = Draft {
            args,
            cluster,
            image: &image,
            hardware: &hardware,
            site: &site,
            range,
        };
        let (plan, notes) = draft.plan(&fate)?;
        Ok(Planned::Ready(plan, notes))
    }

    fn report(
        _task: &Task<'_, CloudTemplateArgs>,
        notes: Notes,
        _plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let end = applied.and_then(|applied| applied.tracks.first());
        let bound = end.and_then(|end| end.bindings.get(VMID)?.parse().ok());
        let vmid: Option<u32> = notes.vmid.or(bound);
        let mut report = Report {
            msg: Some(notes.says(vmid)),
            ..Report::default()
        };
        if end.is_some_and(|end| end.trouble.is_some()) {
            report.warnings.extend(notes.left(end));
        }
        for (key, value) in [
            ("name", json!(notes.name)),
            ("vmid", json!(vmid)),
            ("node", json!(notes.node)),
            ("image", json!(notes.image)),
            ("outdated", json!(notes.outdated)),
        ] {
            report.returns.insert(key.to_owned(), value);
        }
        report
    }

    fn patience(task: &Task<'_, CloudTemplateArgs>) -> Duration {
        Duration::from_secs(task.args.timeout.into())
    }
}

/// What is wrong with the options alone is told before anything is asked.
fn wanted_image(args: &CloudTemplateArgs) -> Result<Image, String> {
    check_name(&args.name)?;
    if args.vmid.is_some_and(|vmid| vmid < 100) {
        return Err("VMIDs begin at 100".to_owned());
    }
    if args.vmid.is_some() && args.on_change == OnChange::Replace {
        return Err(
            "vmid and on_change: replace exclude each other, as the new template is made before the old one goes: state \
             vmid_range, or on_change: versioned"
                .to_owned(),
        );
    }
    let image = Image::of(&args.image)?;
    check_name(&image.name_beside(&args.name))?;
    Ok(image)
}

fn cannot(name: &str, why: &str) -> Failure {
    Failure::new(format!("unable to make template `{name}`: {why}"))
}

#[cfg(test)]
mod tests;
