//! From `pvesh` on this node to a known version.

use std::time::Instant;

use super::{By, Fault, Identity, Run, milliseconds};
use crate::error::Error;
use crate::task;
use crate::transport::{Pvesh, Transport};

impl Run {
    /// Examines `pvesh` and the version.
    pub(super) fn on_the_node(&mut self, pvesh: &Pvesh) {
        let answer = self.stage("pvesh", |report| {
            let began = Instant::now();
            let answer = pvesh.send(&super::session::version_call(), None);
            let answer = answer.map_err(fault)?;
            report.latency_ms = Some(milliseconds(began.elapsed()));
            let user = pvesh.user().to_owned();
            let detail = format!("pvesh answers {user} on this node, as no api_host was given");
            report.identity = Some(Identity {
                user,
                by: By::Pvesh,
                privilege_separation: None,
            });
            Ok((answer, detail))
        });
        if let Some(answer) = answer {
            self.version(&answer);
        }
    }
}

fn fault(error: Error) -> Fault {
    let hint = match error {
        // It says itself what to do.
        Error::NotSent { .. } => None,
        _ => Some("try `pvesh get /version` on the node".to_owned()),
    };
    Fault {
        detail: error.to_string(),
        hint,
        passes: task::passes(&error),
        error: Box::new(error),
    }
}
