//! What is said of a template at the end.

use pve::apply::TrackEnd;
use pve::plan::VMID;

/// The verb of the step after which only the new template is there.
pub(super) const REMOVE_OLD: &str = "remove the old";

/// What the report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notes {
    /// What it is called at the end.
    pub(super) name: String,
    /// What it is called until it takes the place of another one.
    pub(super) made_as: String,
    /// Its VMID, where it is known.
    pub(super) vmid: Option<u32>,
    /// Where it is.
    pub(super) node: String,
    /// What it is made of.
    pub(super) image: String,
    /// Whether that is another image than the wanted one.
    pub(super) outdated: bool,
    /// Whether it is made by this run.
    pub(super) is_new: bool,
    /// Whether anything is done.
    pub(super) changes: bool,
    /// The VMID of the one that it takes the place of.
    pub(super) replaces: Option<u32>,
}

impl Notes {
    /// A sentence for the person who watches.
    pub(super) fn says(&self, vmid: Option<u32>) -> String {
        let label = match vmid {
            Some(vmid) => format!("template {} ({vmid})", self.name),
            None => format!("template {}", self.name),
        };
        match (self.is_new, self.replaces) {
            (_, Some(old)) => format!("{label} made of {}, in place of {old}", self.image),
            (true, None) => format!("{label} made of {}", self.image),
            (false, None) if self.changes => format!("{label} changed"),
            (false, None) if self.outdated => {
                format!("{label} is of another image, {}, and kept", self.image)
            }
            (false, None) => format!("{label} is there"),
        }
    }

    /// What a failure leaves there.
    pub(super) fn left(&self, end: Option<&TrackEnd>) -> Option<String> {
        let end = end?;
        let old = self.replaces?;
        let vmid = end.bindings.get(VMID)?;
        let trouble = end.trouble.as_ref()?;
        (trouble.verb == REMOVE_OLD).then(|| {
            format!(
                "the new template is there as {} ({vmid}), and the old one, {} ({old}), as it was: one that has linked \
                 clones cannot be removed. The next run tries again; on_change: versioned keeps both",
                self.made_as, self.name
            )
        })
    }
}
