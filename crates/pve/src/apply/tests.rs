//! Plans against a canned server.

mod cut_off;
mod endings;
mod losses;
mod order;
mod secrets;
mod vmids;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Applied, Control, TrackEnd, apply};
use crate::call::{Call, Param, Segment, Stop, Upload, Verb};
use crate::canned::{Canned, refused};
use crate::client::Client;
use crate::error::{Error, Request, Unreached};
use crate::path;
use crate::plan::{
    Allocation, Bind, Ending, Follow, Keep, Lost, OnError, Plan, Probe, Settles, Step, Track, VMID,
    Verdict,
};
use crate::texts::Matched;

const TASK: &str = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:root@pam:";
const LOCK: &str = "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout";

fn status() -> String {
    format!("GET /nodes/pve1/tasks/{TASK}/status")
}

fn ok() -> Value {
    json!({"status": "stopped", "exitstatus": "OK"})
}

fn carry_out(canned: Canned, plan: &Plan) -> (Applied, Vec<String>) {
    let asked = canned.asked();
    let never = Arc::new(AtomicBool::new(false));
    let applied = apply(
        &Client::new(canned),
        plan,
        &Control {
            interrupted: &never,
            watch: &|_| {},
        },
    );
    let asked = asked.lock().unwrap().clone();
    (applied, asked)
}

fn clone_call() -> Call {
    Call::post(path!("nodes", "pve1", "qemu", 9000u32, "clone")).with("newid", Param::Bound(VMID))
}

fn clone_track(name: &str) -> Track {
    let mut track = Track::new(
        "VM",
        name,
        vec![Step::task("clone", "cloned", clone_call())],
    );
    track.allocates = Some(Allocation {
        range: None,
        taken: Arc::new(BTreeSet::from([101])),
    });
    track
}

fn one(track: Track) -> Plan {
    Plan {
        tracks: vec![track],
        ..Plan::default()
    }
}

fn lost(call: &Call) -> Error {
    Error::Unknown {
        request: Request::from(call),
        cause: "connection reset".to_owned(),
    }
}

fn looks_for_config(quiet: Duration) -> Lost {
    let config = Call::get(path!(
        "nodes",
        "pve1",
        "qemu",
        Segment::Bound(VMID),
        "config"
    ));
    Lost::Look {
        probe: Probe::get(config, |answer| match answer {
            Ok(_) => Verdict::Holds(None),
            Err(_) => Verdict::Absent,
        }),
        quiet,
    }
}
