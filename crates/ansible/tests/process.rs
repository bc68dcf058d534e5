//! The protocol as a process: what goes in, and the one JSON object that comes
//! out. The executable is `examples/modules.rs`.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do, which Clippy does not see"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// Cargo builds examples next to the folder of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap().join("examples");
    folder.join(name)
}

fn command(words: &[&str]) -> Command {
    command_of("modules", words)
}

fn command_of(executable: &str, words: &[&str]) -> Command {
    let mut command = Command::new(example(executable));
    command
        .args(words)
        .env_remove("FERROX_PROGRESS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(words: &[&str], input: &str) -> Output {
    output(command(words), input)
}

fn output(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // A process that refuses its command line does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The one line on standard output, as JSON, and the exit code.
fn answer(output: &Output) -> (Value, Option<i32>) {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    (serde_json::from_str(text).unwrap(), output.status.code())
}

#[test]
fn a_module_answers_with_one_object() {
    let (answer, code) = answer(&run(&["echo", "-"], r#"{"text": "hello"}"#));
    assert_eq!(code, Some(0));
    assert_eq!(
        answer,
        json!({"changed": true, "msg": "hello", "config": {}, "given": true, "invocation":
            {"module_args": {"text": "hello", "password": null, "config": null}}})
    );
}

#[test]
fn arguments_come_from_a_file_too() {
    let folder = std::env::temp_dir().join(format!("ferrox-protocol-{}", std::process::id()));
    std::fs::write(
        &folder,
        r#"{"_ferrox_module": "a.b.echo", "text": "filed"}"#,
    )
    .unwrap();
    let named = answer(&run(&[folder.to_str().unwrap()], ""));
    let said = answer(&run(&["echo", folder.to_str().unwrap()], ""));
    std::fs::remove_file(&folder).unwrap();
    assert_eq!(named.0["msg"], "filed");
    assert_eq!(said, named);
}

#[test]
fn what_is_no_task_is_a_failure() {
    for (words, input, reason) in [
        (&["echo", "-"][..], "", "no JSON object"),
        (&["echo", "-"], "{\"text\": ", "no JSON object"),
        (&["echo", "-"], "[1]", "expected a JSON object"),
        (&["echo", "/nowhere/args"], "", "/nowhere/args"),
        (&["nonsense", "-"], "{}", "no module `nonsense`"),
        (&["-"], "{}", "_ferrox_module"),
        (&["spec", "nonsense"], "", "no module `nonsense`"),
        (&[], "", "usage"),
    ] {
        let (answer, code) = answer(&run(words, input));
        assert_eq!(code, Some(1), "{words:?} {input}");
        assert_eq!(answer["failed"], true, "{words:?} {input}");
        let msg = answer["msg"].as_str().unwrap();
        assert!(msg.contains(reason), "{words:?} {input}: {msg}");
    }
}

#[test]
fn wrong_arguments_fail_with_ansibles_words() {
    let (answer, code) = answer(&run(
        &["echo", "-"],
        r#"{"txt": 1, "_ansible_module_name": "ferrox.proxmox.echo", "_ansible_new": 1}"#,
    ));
    assert_eq!(code, Some(1));
    assert_eq!(
        answer["msg"],
        "Unsupported parameters for (ferrox.proxmox.echo) module: txt. \
         Supported parameters include: config, password, text."
    );
}

#[test]
fn secrets_do_not_come_out() {
    let output = run(
        &["echo", "-"],
        r#"{"password": "hunter2", "text": "aHVudGVyMg==", "config": {"hunter2": "x hunter2"}}"#,
    );
    let (answer, _) = answer(&output);
    assert_eq!(answer["warnings"], json!(["the password is ********"]));
    assert_eq!(answer["config"], json!({"********": "x ********"}));
    assert_eq!(answer["msg"], "********==");
    let module_args = &answer["invocation"]["module_args"];
    assert_eq!(
        module_args["password"],
        "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    );
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
}

#[test]
fn a_panic_in_any_thread_is_an_answer_without_secrets() {
    let output = run(&["panics", "-"], r#"{"password": "hunter2"}"#);
    let (answer, code) = answer(&output);
    assert_eq!(code, Some(1));
    assert_eq!(answer["failed"], true);
    assert_eq!(answer["failure"]["kind"], "internal");
    let msg = answer["msg"].as_str().unwrap();
    assert!(
        msg.starts_with("internal error: broken by ******** ("),
        "{msg}"
    );
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    let mut child = command(&["echo", "-"]).spawn().unwrap();
    drop(child.stdout.take());
    child
        .stdin
        .take()
        .unwrap()
        .write_all(br#"{"text": "unheard"}"#)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Starts a module that works until a signal, and waits until it is at work; what it says from then on can be read.
fn at_work(module: &str) -> (Child, BufReader<ChildStderr>) {
    let mut child = command(&[module, "-"]).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(br#"{"_ansible_ferrox_progress": true}"#)
        .unwrap();
    let mut says = BufReader::new(child.stderr.take().unwrap());
    assert_eq!(line(&mut says), "working\n");
    (child, says)
}

fn line(says: &mut BufReader<ChildStderr>) -> String {
    let mut line = String::new();
    says.read_line(&mut line).unwrap();
    line
}

fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
}

/// What a module answers that is sent a signal at work.
fn interrupt(module: &str, signal: &str) -> (Value, Option<i32>) {
    let (child, _says) = at_work(module);
    send(signal, &child);
    answer(&child.wait_with_output().unwrap())
}

#[test]
fn a_module_that_is_interrupted_answers_by_itself() {
    for signal in ["-TERM", "-INT"] {
        let (answer, code) = interrupt("waits", signal);
        assert_eq!(code, Some(1));
        assert_eq!(answer["msg"], "interrupted while UPID:pve1:1 was running");
    }
}

#[test]
fn a_module_that_does_not_stop_is_answered_for() {
    for (module, msg, running) in [
        (
            "deaf",
            "interrupted before anything was written",
            json!(null),
        ),
        (
            "stubborn",
            "interrupted, and the module did not come to an end within 10 s: what it has done by then is not \
             known; left running: UPID:pve1:2",
            json!(["UPID:pve1:2"]),
        ),
    ] {
        let (answer, code) = interrupt(module, "-TERM");
        assert_eq!(code, Some(1));
        assert_eq!(answer["msg"], msg);
        assert_eq!(answer["failure"]["kind"], "interrupted");
        assert_eq!(answer["failure"]["running"], running);
        assert_eq!(answer["changed"], running != json!(null));
    }
}

#[test]
fn a_module_that_puts_things_back_is_given_its_time_until_a_second_signal() {
    let (mut child, mut says) = at_work("mends");
    send("-INT", &child);
    // Ctrl-C comes from the terminal and from Ansible.
    send("-TERM", &child);
    let notice = line(&mut says);
    assert!(notice.starts_with("interrupted: "), "{notice}");
    // A module that has nothing to put back has 10 s.
    std::thread::sleep(Duration::from_secs(11));
    assert!(child.try_wait().unwrap().is_none());
    send("-INT", &child);
    let (answer, code) = answer(&child.wait_with_output().unwrap());
    assert_eq!(line(&mut says), "", "it is said once");
    assert_eq!(code, Some(1));
    assert_eq!(
        answer["msg"],
        "interrupted a second time: what it has done by then is not known; left running: UPID:pve1:2"
    );
    assert_eq!(answer["failure"]["kind"], "interrupted");
}

#[test]
fn a_module_that_puts_things_back_goes_on_when_nobody_listens_any_more() {
    let (mut child, says) = at_work("mends");
    drop(says);
    drop(child.stdout.take());
    send("-INT", &child);
    std::thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none());
    send("-INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn progress_is_shown_only_where_it_is_wanted() {
    for (wanted, setting, shown) in [
        (true, "", "half-way through ********\n"),
        (true, "never", ""),
        (false, "", ""),
        (false, "always", "half-way through ********\n"),
    ] {
        let mut child = command(&["echo", "-"])
            .env("FERROX_PROGRESS", setting)
            .spawn()
            .unwrap();
        let input = json!({"_ansible_ferrox_progress": wanted, "password": "hunter2"});
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            shown,
            "{wanted} {setting}"
        );
    }
}

#[test]
fn people_and_tools_get_text() {
    let list = run(&["list"], "");
    assert_eq!(
        String::from_utf8_lossy(&list.stdout),
        "echo\npanics\nwaits\ndeaf\nstubborn\nmends\n"
    );
    let spec: Value = serde_json::from_slice(&run(&["spec", "echo"], "").stdout).unwrap();
    assert_eq!(
        spec["argument_spec"]["password"],
        json!({"type": "str", "no_log": true})
    );
    assert_eq!(spec["supports_check_mode"], true);
    let version = run(&["--version"], "");
    assert_eq!(String::from_utf8_lossy(&version.stdout), "ferrox 1.2.3\n");
}

#[test]
fn an_executable_of_one_module_takes_its_arguments_anyhow() {
    for words in [&["-"][..], &[]] {
        let (answer, code) = answer(&output(command_of("single", words), "{}"));
        assert_eq!((answer["msg"].as_str(), code), (Some("alone"), Some(0)));
    }
    let (answer, code) = answer(&output(command_of("single", &["/nowhere"]), ""));
    assert_eq!((answer["failed"].as_bool(), code), (Some(true), Some(1)));
    let version = output(command_of("single", &["--version"]), "");
    assert_eq!(String::from_utf8_lossy(&version.stdout), "single 1.2.3\n");
}
