//! Whether a plan can be carried out at all, asked before its first write.

use super::Trouble;
use crate::client::Client;
use crate::error::Error;
use crate::plan::{Follow, Plan, Step};

/// The first request of a plan that the client's way to the API cannot carry,
/// as the trouble that it would be.
pub fn uncarried(client: &Client, plan: &Plan) -> Option<Trouble> {
    plan.tracks.iter().find_map(|track| {
        let steps = track.steps.iter().chain(&track.finally);
        steps.into_iter().find_map(|step| {
            let error = carried(client, step).err()?;
            Some(Trouble {
                verb: step.verb,
                thing: track.thing,
                id: track.id.clone(),
                error,
            })
        })
    })
}

/// A step with all that it may lead to.
fn carried(client: &Client, step: &Step) -> Result<(), Error> {
    for call in step.call.iter().chain(&step.undo) {
        client.transport().carries(call)?;
    }
    for (_, follow) in &step.on {
        if let Follow::Steps(steps) = follow {
            steps.iter().try_for_each(|step| carried(client, step))?;
        }
    }
    Ok(())
}
