//! The options of making a VM: as a clone, or out of an archive.

use ansible::Args;

/// How a VM is made.
#[derive(Args, Debug, Default)]
pub struct Making {
    /// A backup, by its volume or path, that the new VM is restored from.
    pub archive: Option<String>,
    /// The VM or template that is cloned, by name. O(vmid) says it more exactly; any text will then do here.
    pub clone: Option<String>,
    /// The format of the disks of a full clone, on a storage that has formats.
    #[arg(choices = ["cloop", "cow", "qcow", "qcow2", "qed", "raw", "vmdk", "unspecified"])]
    pub format: Option<String>,
    /// Whether the disks of a clone are copied; otherwise they share those of a template.
    #[arg(default = true)]
    pub full: bool,
    /// The VMID of the clone. Without it, the next free one is taken where no VM has O(name) yet.
    pub newid: Option<u32>,
    /// The pool that a new VM belongs to.
    pub pool: Option<String>,
    /// The snapshot that is cloned, in place of what there is now.
    pub snapname: Option<String>,
    /// The storage for the disks of a full clone, or of what is restored from O(archive).
    pub storage: Option<String>,
    /// The node that the clone is made on; by default the node of what is cloned.
    pub target: Option<String>,
}
