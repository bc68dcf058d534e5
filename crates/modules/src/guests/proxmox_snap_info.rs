//! `proxmox_snap_info`: the snapshots of a guest, by `/nodes/{node}/{qemu,lxc}/{vmid}/snapshot`.

use ansible::{Args, Failure};
use pve::Cluster;
use pve::nodes::guest::GuestKind;
use pve::nodes::snapshot;

use super::single::Named;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::Report;
use crate::reader::{self, Reader};

/// The options of `proxmox_snap_info`.
#[derive(Args, Debug)]
pub struct SnapInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The guest's VMID. It counts where O(hostname) is stated as well.
    pub vmid: Option<String>,
    /// The guest's name.
    pub hostname: Option<String>,
    /// The snapshot to be told alone.
    pub snapname: Option<String>,
}

/// The module.
pub struct ProxmoxSnapInfo;

crate::module!(ProxmoxSnapInfo, "proxmox_snap_info");

impl Reader for ProxmoxSnapInfo {
    type Args = SnapInfoArgs;

    fn connection(args: &SnapInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn read(args: &SnapInfoArgs, cluster: &Cluster) -> Result<Report, Failure> {
        let Some(named) = named(args.vmid.as_deref(), args.hostname.as_deref())? else {
            let msg = "Vmid could not be fetched (vmid or hostname required)";
            return Ok(says(Report::default(), msg));
        };
        let guest = named.certain(cluster)?.there(&named, cluster)?;
        let mut snapshots = cluster.snapshots(&guest.address).map_err(|error| {
            let noun = guest.address.kind.noun();
            fault::unable(
                &format!("read the snapshots of {noun} `{}`", guest.label()),
                &error,
            )
        })?;
        let Some(wanted) = args.snapname.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(reader::told("snapshots", snapshots));
        };
        snapshots.retain(|row| snapshot::name(row) == wanted);
        if let Some(snapshot) = snapshots.into_iter().next() {
            return Ok(reader::told("snapshot", snapshot));
        }
        let none: [(); 0] = [];
        let msg = format!("Snapshot '{wanted}' not found");
        Ok(says(reader::told("snapshots", none), &msg))
    }
}

fn says(report: Report, msg: &str) -> Report {
    Report {
        msg: Some(msg.to_owned()),
        ..report
    }
}

/// The guest that the options name, a VMID being a text with these modules; none where neither is stated.
pub(super) fn named(vmid: Option<&str>, hostname: Option<&str>) -> Result<Option<Named>, Failure> {
    let stated = |text: Option<&str>| {
        text.map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let vmid = stated(vmid)
        .map(|vmid| {
            vmid.parse::<u32>()
                .map_err(|_| Failure::new(format!("vmid must be a number, got: {vmid}")))
        })
        .transpose()?;
    let both = &[GuestKind::Qemu, GuestKind::Lxc];
    Ok(Named::of(vmid, stated(hostname).as_deref(), both))
}
