//! From references to guests as they are now; what is wrong is told for all at once.

use ansible::Failure;
use pve::Cluster;
use pve::cluster::resources::{Guest as Listed, Resources};
use pve::guests::{Found, GuestRef, NotOne};
use pve::nodes::guest::{Address, Live};

use super::Guest;
use crate::fault;

pub(super) fn references(texts: &[String]) -> Vec<GuestRef> {
    texts
        .iter()
        .map(|text| GuestRef::from(text.as_str()))
        .collect()
}

pub(super) fn bears(guest: &Listed, reference: &GuestRef) -> bool {
    match reference {
        GuestRef::Vmid(vmid) => guest.address.vmid == *vmid,
        GuestRef::Name(name) => guest.name.as_ref() == Some(name),
    }
}

pub(super) fn guest(resources: &Resources, found: &Found, live: Live) -> Guest {
    Guest {
        address: found.address.clone(),
        live,
        ha_managed: found.ha_managed,
        pool: resources
            .guest(found.address.vmid)
            .and_then(|listed| listed.pool.clone()),
    }
}

/// What it means that a guest which was named is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The task fails.
    Fails,
    /// It is as good as any other.
    Passes,
}

/// All addresses, or one failure that names every reference that leads nowhere; none for a guest
/// that may be missing and surely is: a name may still be borne on a node that is offline.
pub(super) fn all_of(
    located: Vec<Result<Address, NotOne>>,
    may_be: Missing,
) -> Result<Vec<Option<Address>>, Failure> {
    let mut addresses = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    let mut ending = String::new();
    for one in located {
        match one {
            Ok(address) => addresses.push(Some(address)),
            Err(NotOne::None { which, offline, .. })
                if may_be == Missing::Passes
                    && (offline.is_empty() || which.parse::<u32>().is_ok()) =>
            {
                addresses.push(None);
            }
            Err(NotOne::None {
                which,
                offline,
                user,
            }) => {
                missing.push(format!("`{which}`"));
                ending = format!("{offline} (a guest without VM.Audit is invisible to {user})");
            }
            Err(several @ NotOne::Several { .. }) => others.push(several.to_string()),
            Err(NotOne::Error(error)) => return Err(fault::unable("look for guests", &error)),
        }
    }
    if !missing.is_empty() {
        others.insert(
            0,
            format!("there is no guest {}{ending}", missing.join(", ")),
        );
    }
    if others.is_empty() {
        Ok(addresses)
    } else {
        Err(Failure::new(others.join("; ")))
    }
}

/// Guests that were named, as they are now; one that is there and cannot be looked at fails the task.
pub(super) fn look_at_all(
    cluster: &Cluster,
    resources: &Resources,
    located: &[Option<Address>],
    missing: Missing,
) -> Result<Vec<Option<Guest>>, Failure> {
    let addresses: Vec<Address> = located.iter().flatten().cloned().collect();
    let away: Vec<String> = addresses
        .iter()
        .filter(|address| !resources.is_online(&address.node))
        .map(|address| {
            format!(
                "the guest `{}` is on the node {}, which is offline",
                address.vmid, address.node
            )
        })
        .collect();
    if !away.is_empty() {
        return Err(Failure::new(away.join("; ")));
    }
    let mut looked = cluster.look_at(resources, &addresses).into_iter();
    located
        .iter()
        .map(|address| address.as_ref().and_then(|_| looked.next()))
        .map(|found| {
            let Some(found) = found else { return Ok(None) };
            match &found.live {
                Ok(live) => Ok(Some(guest(resources, &found, live.clone()))),
                // It went between two answers.
                Err(error) if missing == Missing::Passes && error.is_not_found() => Ok(None),
                Err(error) => {
                    let what = format!("look at the guest `{}`", found.address.vmid);
                    Err(fault::unable(&what, error))
                }
            }
        })
        .collect()
}
