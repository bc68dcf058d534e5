//! `proxmox_sendkey`: presses keys on a VM's keyboard, by `/nodes/{node}/qemu/{vmid}/sendkey`.

mod keyboard;

use std::time::Duration;

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::nodes::guest::{GuestKind, Status};
use pve::plan::{Lost, Probe, Settles, VMID, Verdict};
use pve::{Call, Cluster, Error, Path, Plan, Planned, Step, Track};
use serde_json::{Map, json};

use super::single::Named;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};

/// What a key press may take beside its delay.
const PRESS: Duration = Duration::from_secs(30);

/// The options of `proxmox_sendkey`.
#[derive(Args, Debug)]
#[args(
    mutually_exclusive(["keys_send", "string_send"]),
    required_one_of(["keys_send", "string_send"], ["vmid", "name"])
)]
pub struct SendkeyArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The VM's VMID. It counts where O(name) is stated as well.
    pub vmid: Option<u32>,
    /// The VM's name.
    pub name: Option<String>,
    /// The keys to be pressed, one after the other, by the names that QEMU has for them. Keys with C(-) in between,
    /// as in V(ctrl-alt-delete), are pressed together.
    #[arg(no_log = false)]
    pub keys_send: Option<Vec<String>>,
    /// A text to be typed on a keyboard of the layout of the United States. A line feed is the key C(ret).
    pub string_send: Option<String>,
    /// How many seconds pass between one key press and the next.
    #[arg(default = 0.0)]
    pub delay: f64,
}

/// The module.
pub struct ProxmoxSendkey;

crate::module!(ProxmoxSendkey, "proxmox_sendkey");

/// What is pressed, and where.
pub struct Pressed {
    vmid: u32,
    keys: Vec<String>,
}

impl Job for ProxmoxSendkey {
    type Args = SendkeyArgs;
    type Notes = Pressed;

    fn connection(args: &SendkeyArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, SendkeyArgs>, cluster: &Cluster) -> Result<Planned<Pressed>, Failure> {
        let args = task.args;
        let keys = keys(args).map_err(Failure::new)?;
        let pause = Duration::try_from_secs_f64(args.delay).map_err(|_| {
            Failure::new(format!(
                "delay must be a number of seconds, got: {}",
                args.delay
            ))
        })?;
        let named = Named::of(args.vmid, args.name.as_deref(), &[GuestKind::Qemu])
            .ok_or_else(|| Failure::new("one of the following is required: vmid, name"))?;
        // A VM of this VMID is asked when the first key is pressed; only check mode has to ask before.
        let guest = if task.context.check_mode {
            let sought = named.current(cluster)?;
            let guest = sought.there(&named, cluster)?;
            if matches!(guest.read.status, Status::Stopped | Status::Unknown) {
                let vmid = guest.address.vmid;
                let error = Error::Never(format!("VM {vmid} not running"));
                return Err(fault::unable(
                    &format!("press a key of VM `{}`", guest.label()),
                    &error,
                ));
            }
            (guest.address.clone(), guest.label())
        } else {
            let guest = named.certain(cluster)?.there(&named, cluster)?;
            (guest.address.clone(), guest.label())
        };
        let (address, label) = guest;
        let steps = steps(&address.path(), &keys, pause);
        let mut plan = Plan::default();
        if !steps.is_empty() {
            let mut track = Track::new("VM", label, steps);
            track.bindings.insert(VMID, address.vmid.to_string());
            let each = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            track.limit = Some(pause.saturating_add(PRESS).saturating_mul(each));
            plan.tracks.push(track);
        }
        let pressed = Pressed {
            vmid: address.vmid,
            keys,
        };
        Ok(Planned::Ready(plan, pressed))
    }

    fn report(
        task: &Task<'_, SendkeyArgs>,
        notes: Pressed,
        _plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let done = match applied {
            Some(applied) => applied.tracks.iter().map(|track| track.steps.len()).sum(),
            None if task.context.check_mode => notes.keys.len(),
            None => 0,
        };
        Report {
            returns: Map::from_iter([
                ("vmid".to_owned(), json!(notes.vmid)),
                ("keys_num".to_owned(), json!(notes.keys.len())),
                ("total_keys".to_owned(), json!(notes.keys)),
                ("completed_keys_num".to_owned(), json!(done)),
            ]),
            ..Report::default()
        }
    }
}

/// The keys to be pressed; the reason why one of them cannot be.
fn keys(args: &SendkeyArgs) -> Result<Vec<String>, String> {
    match (&args.keys_send, &args.string_send) {
        (Some(keys), _) => {
            for key in keys.iter().flat_map(|keys| keys.split('-')) {
                if !keyboard::is_key(key) {
                    return Err(format!("Key is invalid: {key}"));
                }
            }
            Ok(keys.clone())
        }
        (None, Some(text)) => text
            .chars()
            .map(|letter| {
                keyboard::typed(letter).ok_or_else(|| {
                    format!("The character {letter} passed to string_send is not allowed")
                })
            })
            .collect(),
        (None, None) => Ok(Vec::new()),
    }
}

/// A step for each key press, with a pause between two of them.
fn steps(vm: &Path, keys: &[String], pause: Duration) -> Vec<Step> {
    let last = keys.len().saturating_sub(1);
    keys.iter()
        .enumerate()
        .map(|(index, key)| {
            let call = Call::put(vm.join("sendkey")).with("key", key);
            // Twice is not the same as once: what nobody knows is not done again.
            let unknown = Probe::new(Vec::new(), |_| {
                Verdict::Never(Error::Never(
                    "the answer was lost; whether the key was pressed is not known".to_owned(),
                ))
            });
            let step = Step::call("press a key of", "key pressed", call).lost(Lost::Look {
                probe: unknown,
                quiet: Duration::ZERO,
            });
            if index == last || pause.is_zero() {
                step
            } else {
                step.settles(Settles::After(pause))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::SendkeyArgs;
    use super::{keys, steps};
    use ansible::Args;
    use pve::path;
    use pve::plan::Settles;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn pressed(options: &Value) -> Result<String, String> {
        let mut options = options.clone();
        options["api_host"] = json!("pve1");
        options["vmid"] = json!(101);
        let Value::Object(options) = options else {
            unreachable!()
        };
        keys(&SendkeyArgs::parse(options).unwrap()).map(|keys| keys.join(" "))
    }

    #[test]
    fn a_text_is_typed_as_on_a_keyboard_of_the_united_states() {
        for (text, keys) in [
            ("root\n", "r o o t ret"),
            ("Pa55-w_rd", "shift-p a 5 5 minus w shift-minus r d"),
            ("a\tb", "a tab b"),
            ("`~", "grave_accent shift-grave_accent"),
            ("\\|", "backslash shift-backslash"),
            (
                "!@#$%^&*()",
                "shift-1 shift-2 shift-3 shift-4 shift-5 shift-6 shift-7 shift-8 shift-9 shift-0",
            ),
            (
                "[]{};:'\"",
                "bracket_left bracket_right shift-bracket_left shift-bracket_right semicolon \
              shift-semicolon apostrophe shift-apostrophe",
            ),
            (
                ",<.>/? =+",
                "comma shift-comma dot shift-dot slash shift-slash spc equal shift-equal",
            ),
            ("", ""),
        ] {
            assert_eq!(
                pressed(&json!({"string_send": text})).as_deref(),
                Ok(keys),
                "{text}"
            );
        }
    }

    #[test]
    fn every_printable_letter_of_ascii_has_a_key() {
        for letter in ' '..='~' {
            assert!(
                pressed(&json!({"string_send": letter.to_string()})).is_ok(),
                "{letter}"
            );
        }
    }

    #[test]
    fn what_is_on_no_keyboard_is_named() {
        for (options, why) in [
            (
                json!({"string_send": "aä"}),
                "The character ä passed to string_send is not allowed",
            ),
            (
                json!({"keys_send": ["a", "ctrl-alt-any"]}),
                "Key is invalid: any",
            ),
            (json!({"keys_send": ["ctrl-"]}), "Key is invalid: "),
        ] {
            assert_eq!(pressed(&options).unwrap_err(), why);
        }
        let chord = json!({"keys_send": ["ctrl-alt-delete", "f12"]});
        assert_eq!(pressed(&chord).as_deref(), Ok("ctrl-alt-delete f12"));
    }

    #[test]
    fn the_delay_lies_between_key_presses() {
        let keys = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let pauses: Vec<bool> = steps(&path!("vm"), &keys, Duration::from_secs(2))
            .iter()
            .map(|step| matches!(step.settles, Settles::After(pause) if pause.as_secs() == 2))
            .collect();
        assert_eq!(pauses, [true, true, false]);
    }
}
