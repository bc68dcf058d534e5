//! `/cluster/nextid`: which VMIDs are free.

use std::ops::RangeInclusive;

use super::Cluster;
use crate::call::Call;
use crate::error::Error;
use crate::path;
use crate::texts::Matched;

/// What can be a VMID.
const VMIDS: RangeInclusive<u32> = 100..=999_999_999;

impl Cluster {
    /// Whether a guest has this VMID, be it one that the caller may not see.
    pub fn is_taken(&self, vmid: u32) -> Result<bool, Error> {
        if !VMIDS.contains(&vmid) {
            return Ok(false);
        }
        match self.get(&Call::get(path!("cluster", "nextid")).with("vmid", vmid)) {
            Ok(_) => Ok(false),
            Err(error) if error.matched() == Some(Matched::VmidTaken) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::canned::{Canned, refused};
    use crate::{Call, path};
    use serde_json::json;

    #[test]
    fn a_vmid_is_taken_where_the_server_says_so() {
        let call = |vmid: u32| Call::get(path!("cluster", "nextid")).with("vmid", vmid);
        let canned = Canned::new()
            .once(
                "GET /cluster/nextid vmid=103",
                Err(refused(&call(103), 400, "VM 103 already exists")),
            )
            .once(
                "GET /cluster/nextid vmid=104",
                Err(refused(&call(104), 401, "")),
            )
            .always("GET /cluster/nextid vmid=999", json!("999"));
        let asked = canned.asked();
        let cluster = canned.cluster();
        assert!(cluster.is_taken(103).unwrap());
        assert!(!cluster.is_taken(999).unwrap());
        assert_eq!(cluster.is_taken(104).unwrap_err().status(), Some(401));
        assert!(!cluster.is_taken(7).unwrap());
        assert_eq!(asked.lock().unwrap().len(), 3);
    }
}
