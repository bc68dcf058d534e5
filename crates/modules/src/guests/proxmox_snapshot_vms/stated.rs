//! Which options go together.

use ansible::{Choice, Failure};

use super::{SnapshotArgs, State};
use crate::guests::snapshots::{begins_name, hold_name};

/// What cannot be meant, told before anything is asked.
pub(super) fn hold(args: &SnapshotArgs) -> Result<(), Failure> {
    let state = args.state.name();
    let selection = &args.selection;
    let with = |option: &str, stated: bool, states: &[State]| {
        if !stated || states.contains(&args.state) {
            return Ok(());
        }
        let states: Vec<&str> = states.iter().map(Choice::name).collect();
        Err(Failure::new(format!(
            "{option} has a meaning with state: {} only, got: {state}",
            states.join(" or ")
        )))
    };
    with(
        "keep",
        args.keep.is_some(),
        &[State::Present, State::Pruned],
    )?;
    let named = [State::Present, State::Absent, State::Rollback];
    with("snapshot", args.snapshot.is_some(), &named)?;
    with("description", args.description.is_some(), &[State::Present])?;
    with("vmstate", args.vmstate, &[State::Present])?;
    with("atomic", args.atomic, &[State::Present])?;
    with("start", args.start.is_some(), &[State::Rollback])?;
    let wide = [
        ("pool", selection.pool.is_some()),
        ("node", selection.node.is_some()),
        ("all", selection.all == Some(true)),
    ];
    if args.state == State::Rollback
        && let Some((option, _)) = wide.iter().find(|(_, stated)| *stated)
    {
        return Err(Failure::new(format!(
            "state: rollback takes guests by vms or tags only, got: {option}"
        )));
    }
    match args.state {
        // A null passes for a value that is stated.
        State::Pruned if args.keep.is_none() || args.prefix.is_none() => {
            return Err(Failure::new(
                "state: pruned wants prefix and keep, got: null",
            ));
        }
        State::Pruned => {}
        _ => hold_name("snapshot", args.name())?,
    }
    match (&args.prefix, args.keep) {
        (Some(prefix), _) if prefix.is_empty() => Err(Failure::new(
            "prefix must not be empty: keep would count and remove snapshots of any name, those made by hand too",
        )),
        (Some(prefix), _) if !begins_name(prefix) => Err(Failure::new(format!(
            "prefix: no snapshot has a name that begins with `{prefix}`"
        ))),
        _ if args.state != State::Present => Ok(()),
        (_, Some(0)) => Err(Failure::new(
            "keep must be at least 1 with state: present, got: 0",
        )),
        (_, Some(_)) if args.atomic => Err(Failure::new(
            "atomic: true goes without keep: a snapshot that was removed cannot be taken back",
        )),
        (Some(prefix), _) if !args.name().starts_with(prefix.as_str()) => {
            Err(Failure::new(format!(
                "the snapshot `{}` does not begin with the prefix `{prefix}`, so keep would never count it",
                args.name()
            )))
        }
        _ => Ok(()),
    }
}
