//! The options that a disk or drive has in the VM's configuration.

use std::fmt::Display;

use ansible::Args;
use pve::wire::switch;

/// The options of a disk. What is not stated is kept.
#[expect(
    clippy::doc_markdown,
    reason = "doc comments of options are in the markup of ansible-doc"
)]
#[derive(Args, Debug, Default)]
#[args(
    required_by(key = "mbps_max", requires = ["mbps"]),
    required_by(key = "mbps_rd_max", requires = ["mbps_rd"]),
    required_by(key = "mbps_wr_max", requires = ["mbps_wr"]),
    required_by(key = "bps_max_length", requires = ["mbps_max"]),
    required_by(key = "bps_rd_max_length", requires = ["mbps_rd_max"]),
    required_by(key = "bps_wr_max_length", requires = ["mbps_wr_max"]),
    required_by(key = "iops_max", requires = ["iops"]),
    required_by(key = "iops_rd_max", requires = ["iops_rd"]),
    required_by(key = "iops_wr_max", requires = ["iops_wr"]),
    required_by(key = "iops_max_length", requires = ["iops_max"]),
    required_by(key = "iops_rd_max_length", requires = ["iops_rd_max"]),
    required_by(key = "iops_wr_max_length", requires = ["iops_wr_max"]),
    mutually_exclusive(["mbps", "mbps_rd"], ["mbps", "mbps_wr"], ["iops", "iops_rd"], ["iops", "iops_wr"])
)]
pub struct Drive {
    /// How the node reads and writes it.
    #[arg(choices = ["native", "threads", "io_uring"])]
    pub aio: Option<String>,
    /// Whether backups of the VM include it.
    pub backup: Option<bool>,
    /// For how many seconds O(mbps_max) holds.
    pub bps_max_length: Option<u32>,
    /// For how many seconds O(mbps_rd_max) holds.
    pub bps_rd_max_length: Option<u32>,
    /// For how many seconds O(mbps_wr_max) holds.
    pub bps_wr_max_length: Option<u32>,
    /// How the node caches it.
    #[arg(choices = ["none", "writethrough", "writeback", "unsafe", "directsync"])]
    pub cache: Option<String>,
    /// How many cylinders it pretends to have. Proxmox VE 9 knows no such setting any more.
    pub cyls: Option<u32>,
    /// Whether zeroes that are written become holes.
    pub detect_zeroes: Option<bool>,
    /// Whether what the VM discards is given back to the storage (V(on)).
    #[arg(choices = ["ignore", "on"])]
    pub discard: Option<String>,
    /// The format of a new volume, or of one that is moved, on a storage that has formats. With O(state=moved) a
    /// volume is also converted on the storage that it is on. Otherwise that of a volume that is there is what it is.
    #[arg(choices = ["raw", "cow", "qcow", "qed", "qcow2", "vmdk", "cloop"])]
    pub format: Option<String>,
    /// How many heads it pretends to have. Proxmox VE 9 knows no such setting any more.
    pub heads: Option<u32>,
    /// The most operations in a second.
    pub iops: Option<u32>,
    /// The most operations in a second for a while.
    pub iops_max: Option<u32>,
    /// For how many seconds O(iops_max) holds.
    pub iops_max_length: Option<u32>,
    /// The most reads in a second.
    pub iops_rd: Option<u32>,
    /// The most reads in a second for a while.
    pub iops_rd_max: Option<u32>,
    /// For how many seconds O(iops_rd_max) holds.
    pub iops_rd_max_length: Option<u32>,
    /// The most writes in a second.
    pub iops_wr: Option<u32>,
    /// The most writes in a second for a while.
    pub iops_wr_max: Option<u32>,
    /// For how many seconds O(iops_wr_max) holds.
    pub iops_wr_max_length: Option<u32>,
    /// Whether it has a thread of its own. For V(virtio) and, with the controller virtio-scsi-single, V(scsi).
    pub iothread: Option<bool>,
    /// The most MB in a second.
    pub mbps: Option<f64>,
    /// The most MB in a second for a while.
    pub mbps_max: Option<f64>,
    /// The most MB in a second that are read.
    pub mbps_rd: Option<f64>,
    /// The most MB in a second that are read for a while.
    pub mbps_rd_max: Option<f64>,
    /// The most MB in a second that are written.
    pub mbps_wr: Option<f64>,
    /// The most MB in a second that are written for a while.
    pub mbps_wr_max: Option<f64>,
    /// Whether it is a disk or a CD-ROM drive. One cannot become the other.
    #[arg(choices = ["cdrom", "disk"])]
    pub media: Option<String>,
    /// How many queues it has, from 2 on. For V(scsi).
    pub queues: Option<u32>,
    /// Whether replication includes it.
    pub replicate: Option<bool>,
    /// What happens when it cannot be read.
    #[arg(choices = ["ignore", "report", "stop"])]
    pub rerror: Option<String>,
    /// Whether it is read-only. For V(scsi) and V(virtio).
    pub ro: Option<bool>,
    /// Whether a disk of the node is handed through as a whole. For V(scsi).
    pub scsiblock: Option<bool>,
    /// How many sectors a track pretends to have. Proxmox VE 9 knows no such setting any more.
    pub secs: Option<u32>,
    /// The serial number that the VM sees, percent-encoded.
    pub serial: Option<String>,
    /// Whether the volume is there on all nodes, although the storage does not say so.
    pub shared: Option<bool>,
    /// Whether what is written is forgotten when the VM stops.
    pub snapshot: Option<bool>,
    /// Whether the VM sees a solid-state disk. Not for V(virtio).
    pub ssd: Option<bool>,
    /// How its geometry is translated. Proxmox VE 9 knows no such setting any more.
    #[arg(choices = ["auto", "lba", "none"])]
    pub trans: Option<String>,
    /// What happens when it cannot be written.
    #[arg(choices = ["enospc", "ignore", "report", "stop"])]
    pub werror: Option<String>,
    /// The world wide name that the VM sees, V(0x) and 16 hexadecimal digits.
    pub wwn: Option<String>,
}

impl Drive {
    /// What is stated, as the API takes it.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let stated = [
            ("aio", text(self.aio.as_ref())),
            ("backup", on(self.backup)),
            ("bps_max_length", text(self.bps_max_length.as_ref())),
            ("bps_rd_max_length", text(self.bps_rd_max_length.as_ref())),
            ("bps_wr_max_length", text(self.bps_wr_max_length.as_ref())),
            ("cache", text(self.cache.as_ref())),
            ("cyls", text(self.cyls.as_ref())),
            ("detect_zeroes", on(self.detect_zeroes)),
            ("discard", text(self.discard.as_ref())),
            ("format", text(self.format.as_ref())),
            ("heads", text(self.heads.as_ref())),
            ("iops", text(self.iops.as_ref())),
            ("iops_max", text(self.iops_max.as_ref())),
            ("iops_max_length", text(self.iops_max_length.as_ref())),
            ("iops_rd", text(self.iops_rd.as_ref())),
            ("iops_rd_max", text(self.iops_rd_max.as_ref())),
            ("iops_rd_max_length", text(self.iops_rd_max_length.as_ref())),
            ("iops_wr", text(self.iops_wr.as_ref())),
            ("iops_wr_max", text(self.iops_wr_max.as_ref())),
            ("iops_wr_max_length", text(self.iops_wr_max_length.as_ref())),
            ("iothread", on(self.iothread)),
            ("mbps", text(self.mbps.as_ref())),
            ("mbps_max", text(self.mbps_max.as_ref())),
            ("mbps_rd", text(self.mbps_rd.as_ref())),
            ("mbps_rd_max", text(self.mbps_rd_max.as_ref())),
            ("mbps_wr", text(self.mbps_wr.as_ref())),
            ("mbps_wr_max", text(self.mbps_wr_max.as_ref())),
            ("media", text(self.media.as_ref())),
            ("queues", text(self.queues.as_ref())),
            ("replicate", on(self.replicate)),
            ("rerror", text(self.rerror.as_ref())),
            ("ro", on(self.ro)),
            ("scsiblock", on(self.scsiblock)),
            ("secs", text(self.secs.as_ref())),
            ("serial", text(self.serial.as_ref())),
            ("shared", on(self.shared)),
            ("snapshot", on(self.snapshot)),
            ("ssd", on(self.ssd)),
            ("trans", text(self.trans.as_ref())),
            ("werror", text(self.werror.as_ref())),
            ("wwn", text(self.wwn.as_ref())),
        ];
        stated
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

fn text(value: Option<&impl Display>) -> Option<String> {
    value.map(ToString::to_string)
}

fn on(value: Option<bool>) -> Option<String> {
    value.map(|on| switch(on).to_owned())
}
