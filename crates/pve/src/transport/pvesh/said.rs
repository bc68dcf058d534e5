//! What `pvesh` says: data at the end of standard output, errors on standard error.

use std::collections::BTreeMap;
use std::process::Output;

use serde_json::Value;

use crate::call::Call;
use crate::error::{Error, Refusal, Request, Unreached};
use crate::upid::Upid;

/// The data of a request that went well.
///
/// It is one line of JSON, the last one: before it stands what the code behind
/// the API prints, such as the log of a task. A request without data prints none.
pub(super) fn data(call: &Call, stdout: &[u8]) -> Result<Value, Error> {
    let text = String::from_utf8_lossy(stdout);
    let Some(last) = text.trim_end().lines().next_back() else {
        return Ok(Value::Null);
    };
    let data = serde_json::from_str(last);
    if !call.writes() {
        return data.map_err(|error| Error::Unexpected {
            request: Request::from(call),
            what: format!("no JSON from pvesh: {error}"),
        });
    }
    // A log without a line feed at its end stands before the UPID; one of another
    // node is put into one JSON text with it.
    let upid = match &data {
        Ok(Value::String(text)) => upid_at_end(text),
        Ok(_) => None,
        Err(_) => upid_at_end(last),
    };
    Ok(match upid {
        Some(upid) => Value::String(upid.to_string()),
        None => data.unwrap_or_default(),
    })
}

fn upid_at_end(text: &str) -> Option<Upid> {
    let upid = &text[text.rfind("UPID:")?..];
    upid.trim_end_matches('"').parse().ok()
}

/// The error of a request that did not go well.
pub(super) fn error(call: &Call, output: &Output) -> Error {
    let request = Request::from(call);
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = || text.lines().filter_map(told);
    // Before it looks at the request it becomes root@pam and reads the users.
    if lines().any(|line| line == "please run as root") {
        return Error::NotSent {
            request,
            why: Unreached::Options(
                "pvesh, which is used without api_host, must run as root: set become, or api_host"
                    .to_owned(),
            ),
        };
    }
    if let Some(cause) = lines().find_map(|line| line.strip_prefix(NO_USERS)) {
        return Error::NotSent {
            request,
            why: Unreached::Connect {
                address: "the cluster's file system on this node".to_owned(),
                cause: cause.to_owned(),
            },
        };
    }
    let handed_on = text.lines().any(|line| line.starts_with(HANDED_ON));
    if handed_on && let Some(line) = lines().find(|line| is_cut(line)) {
        return Error::Unknown {
            request,
            cause: line.to_owned(),
        };
    }
    let mut refusal = Refusal {
        request,
        status: 500,
        message: String::new(),
        errors: BTreeMap::new(),
    };
    if handed_on && let Some(line) = lines().find(|line| is_unreached(line)) {
        refusal.status = 595;
        line.clone_into(&mut refusal.message);
    } else {
        read(&mut refusal, lines());
    }
    if refusal.message.is_empty() {
        refusal.message = format!("pvesh ended ({})", output.status);
    }
    Error::Refused(Box::new(refusal))
}

/// `PVE::RPCEnvironment::init_request`.
const NO_USERS: &str = "Unable to load access control list: ";

/// `PVE::CLI::pvesh::proxy_handler`: stands before the last line of another node's error.
const HANDED_ON: &str = "proxy handler failed: ";

/// A line without what is put before it; none where it is no part of an error.
fn told(line: &str) -> Option<&str> {
    let line = line.strip_prefix(HANDED_ON).unwrap_or(line).trim_end();
    // PVE::Tools::lock_file, PVE::RESTEnvironment::warn.
    let aside = line.starts_with("trying to acquire lock") || line.starts_with("WARN: ");
    (!aside && !line.is_empty()).then_some(line)
}

/// Whether ssh says that it did not reach the other node.
fn is_unreached(line: &str) -> bool {
    line.starts_with("ssh: ")
        || line.starts_with("Host key verification failed")
        || line.contains("Permission denied (publickey")
}

/// Whether ssh says that it lost the other node midway.
fn is_cut(line: &str) -> bool {
    line.starts_with("client_loop: ") || line.ends_with("closed by remote host.")
}

/// Reads `PVE::Exception`: `400 Parameter verification failed.`, a line for each
/// parameter, the usage of the command. An error without a status is the text
/// alone, which the API answers with 500.
fn read<'a>(refusal: &mut Refusal, lines: impl Iterator<Item = &'a str>) {
    let mut has_status = false;
    for line in lines {
        if has_status && line.starts_with("pvesh ") {
            break;
        }
        if let Some((status, message)) = status(line).filter(|_| !has_status) {
            has_status = true;
            refusal.status = status;
            message.clone_into(&mut refusal.message);
        } else if let Some(option) = line.strip_prefix("Unknown option: ") {
            refusal.errors.insert(option.to_owned(), line.to_owned());
        } else if let Some((parameter, text)) = of_parameter(line).filter(|_| has_status) {
            refusal.errors.insert(parameter.to_owned(), text.to_owned());
        } else {
            // PVE::CLI::pvesh::extract_path_info.
            if line.starts_with("No '") && line.contains("' handler defined for '") {
                refusal.status = 501;
            }
            if !refusal.message.is_empty() {
                refusal.message.push('\n');
            }
            refusal.message.push_str(line);
        }
    }
}

/// `403 Permission check failed (/vms/100, VM.Audit)`.
fn status(line: &str) -> Option<(u16, &str)> {
    let (status, message) = line.split_once(' ')?;
    let status = status.parse().ok().filter(|_| status.len() == 3)?;
    (400..600).contains(&status).then_some((status, message))
}

/// `cores: type check ('integer') failed - got 'x'`.
fn of_parameter(line: &str) -> Option<(&str, &str)> {
    line.split_once(": ")
        .filter(|(parameter, _)| !parameter.contains(' '))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    use serde_json::{Value, json};

    use super::{data, error};
    use crate::call::Call;
    use crate::error::{Error, Refusal, Unreached};
    use crate::path;
    use crate::texts::Matched;

    const UPID: &str = "UPID:pve1:0000C0DE:00001234:65A1B2C3:qmclone:9000:root@pam:";

    fn failed(stderr: &str) -> Error {
        let output = Output {
            status: ExitStatus::from_raw(255 << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        error(&Call::post(path!("pools")), &output)
    }

    fn refused(stderr: &str) -> Refusal {
        match failed(stderr) {
            Error::Refused(refusal) => *refusal,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn the_upid_is_found_after_the_log_of_its_task() {
        let call = Call::post(path!("nodes", "pve1", "qemu", 9000u32, "clone"));
        for stdout in [
            format!("\"{UPID}\"\n"),
            format!("create linked clone of drive scsi0 (ceph:base-9000-disk-0)\n\"{UPID}\"\n"),
            format!("no line feed at the end\"{UPID}\"\n"),
            // Handed on to another node.
            json!(format!("a log in one line\"{UPID}\"")).to_string(),
            json!(format!("\"{UPID}\"")).to_string(),
        ] {
            let data = data(&call, stdout.as_bytes()).unwrap();
            assert_eq!(data, json!(UPID), "{stdout}");
        }
    }

    #[test]
    fn data_is_the_last_line_and_may_be_none() {
        let write = Call::put(path!("nodes", "pve1", "qemu", 100u32, "config"));
        let read = Call::get(path!("pools"));
        for (call, stdout, expected) in [
            (&write, "", Value::Null),
            (&write, "update VM 100: -cores 4\n", Value::Null),
            (&write, "update\n{\"value\":\"x\"}\n", json!({"value": "x"})),
            (&read, "", Value::Null),
            (
                &read,
                "[{\"poolid\":\"a\\nb\"}]\n",
                json!([{"poolid": "a\nb"}]),
            ),
            (&read, "a word aside\n[]\n", json!([])),
        ] {
            assert_eq!(data(call, stdout.as_bytes()).unwrap(), expected, "{stdout}");
        }
        assert!(matches!(
            data(&read, b"no JSON\n"),
            Err(Error::Unexpected { .. })
        ));
    }

    #[test]
    fn a_status_is_read_with_its_parameters() {
        let refusal = refused(
            "400 Parameter verification failed.\ncores: type check ('integer') failed - got 'x'\n\
             net0.model: property is missing and it is not optional\n\
             pvesh create <api_path> --vmid <integer> [OPTIONS] [FORMAT_OPTIONS]\n",
        );
        assert_eq!(
            (refusal.status, refusal.message.as_str()),
            (400, "Parameter verification failed.")
        );
        let errors: Vec<(&str, &str)> = refusal
            .errors
            .iter()
            .map(|(parameter, text)| (parameter.as_str(), text.as_str()))
            .collect();
        assert_eq!(
            errors,
            [
                ("cores", "type check ('integer') failed - got 'x'"),
                ("net0.model", "property is missing and it is not optional"),
            ]
        );
    }

    #[test]
    fn a_403_names_path_and_privilege() {
        let refusal = refused("403 Permission check failed (/vms/100, VM.Clone)\n");
        assert_eq!(
            refusal.missing_right(),
            Some(("/vms/100".to_owned(), vec!["VM.Clone".to_owned()]))
        );
    }

    #[test]
    fn a_text_without_a_status_is_what_the_api_answers_with_500() {
        let refusal = refused(
            "trying to acquire lock...\nWARN: old format\ncreate pool failed: pool 'a: b' already exists\n",
        );
        assert_eq!(
            (refusal.status, refusal.message.as_str()),
            (500, "create pool failed: pool 'a: b' already exists")
        );
        assert_eq!(refusal.matched(), Some(Matched::AlreadyExists));
        assert_eq!(refused("").message, "pvesh ended (exit status: 255)");
    }

    #[test]
    fn an_option_that_this_version_does_not_know_is_named() {
        let refusal =
            refused("Unknown option: allow-move\n400 unable to parse option\npvesh set\n");
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.matched(), Some(Matched::UnknownParameter));
        assert!(refusal.errors.contains_key("allow-move"));
        let missing = refused("No 'create' handler defined for '/cluster/new'\n");
        assert_eq!(missing.status, 501);
    }

    #[test]
    fn what_another_node_said_is_read_in_the_same_way() {
        let coded =
            refused("403 Permission check failed\nproxy handler failed: pvesh create <api_path>\n");
        assert_eq!((coded.status, coded.errors.len()), (403, 0));
        let plain = refused("proxy handler failed: VM 100 already running\n");
        assert_eq!(plain.matched(), Some(Matched::AlreadyRunning));
        let offline = refused(
            "proxy handler failed: ssh: connect to host 192.0.2.3 port 22: No route to host\n",
        );
        assert_eq!(offline.status, 595);
        let cut = failed(
            "Connection to 192.0.2.3 closed by remote host.\nproxy handler failed: exit code 255\n",
        );
        assert!(matches!(cut, Error::Unknown { .. }));
    }

    #[test]
    fn a_node_that_is_not_ready_has_not_been_asked() {
        let passes = |stderr| match failed(stderr) {
            Error::NotSent { why, .. } => why.passes(),
            other => unreachable!("{other:?}"),
        };
        assert!(!passes("please run as root\n"));
        assert!(passes(
            "ipcc_send_rec[1] failed: Connection refused\n\
             Unable to load access control list: Connection refused\n"
        ));
        assert!(matches!(
            failed("please run as root\n"),
            Error::NotSent { why: Unreached::Options(why), .. } if why.contains("become")
        ));
    }
}
