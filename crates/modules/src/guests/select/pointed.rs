//! The narrower choice: guests each by itself or by a tag, for what cannot be taken back.

use ansible::{Args, Failure};
use pve::Cluster;

use super::look::Missing;
use super::{Chosen, Kind, Selection};

/// The options that choose guests where nothing can be taken back: each by itself, or by a tag
/// that it bears, and never all that are somewhere.
#[derive(Args, Debug)]
#[args(
    required_one_of(["vms", "tags"]),
    mutually_exclusive(["vms", "tags"])
)]
pub struct Pointed {
    /// Guests by name or VMID. One that is not there is as good; an ambiguous name fails and lists the candidates,
    /// before anything is done.
    pub vms: Option<Vec<String>>,
    /// All guests with at least one of these tags.
    pub tags: Option<Vec<String>>,
    /// Guests, by name or VMID, that are left alone although they were chosen.
    pub exclude: Vec<String>,
    /// What kind of guests are chosen. Templates never are, unless O(vms) names one.
    #[arg(default = "any")]
    pub kind: Kind,
}

impl Pointed {
    fn selection(&self) -> Selection {
        Selection {
            vms: self.vms.clone(),
            tags: self.tags.clone(),
            pool: None,
            node: None,
            all: None,
            exclude: self.exclude.clone(),
            kind: self.kind,
        }
    }

    /// How the guests were chosen, for the sentence that there are none.
    pub fn description(&self) -> String {
        self.selection().description()
    }

    /// As [`Selection::choose_surely`], but that a guest is not there is no error.
    pub fn choose(&self, cluster: &Cluster) -> Result<Chosen, Failure> {
        self.selection().look_up_surely(cluster, Missing::Passes)
    }
}

impl Selection {
    /// As [`Selection::choose`], for what cannot be taken back: a guest's tag must be its own at this moment, as the
    /// list it is found in may be 10 s old.
    pub fn choose_surely(&self, cluster: &Cluster) -> Result<Chosen, Failure> {
        self.look_up_surely(cluster, Missing::Fails)
    }

    fn look_up_surely(&self, cluster: &Cluster, missing: Missing) -> Result<Chosen, Failure> {
        let mut chosen = self.look_up(cluster, missing)?;
        if let Some(tags) = &self.tags {
            chosen
                .guests
                .retain(|guest| tags.iter().any(|tag| guest.live.tags.contains(tag)));
        }
        Ok(chosen)
    }
}
