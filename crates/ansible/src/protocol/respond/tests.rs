//! What comes out for what comes in.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{context, respond};
use crate::mask::WHOLE;
use crate::protocol::Module;
use crate::protocol::desk::Desk;
use crate::spec::{DeprecatedAlias, Opt, Spec};
use crate::{Context, Diff, Failure, Outcome};

type Run = fn(&Context, &Map<String, Value>) -> Result<Outcome, Failure>;

fn spec() -> Spec {
    let text = |name: &'static str| Opt {
        name: name.into(),
        ..Opt::default()
    };
    Spec {
        options: vec![
            Opt {
                aliases: vec!["old".into()],
                deprecated_aliases: vec![DeprecatedAlias {
                    name: "old".into(),
                    version: Some("2.0.0".into()),
                    ..DeprecatedAlias::default()
                }],
                ..text("name")
            },
            Opt {
                no_log: Some(true),
                kind: crate::Kind::Path,
                ..text("key")
            },
            Opt {
                default: Some(json!("blue")),
                ..text("colour")
            },
        ],
        supports_check_mode: true,
        ..Spec::default()
    }
}

/// The answer of a module as it is printed.
fn answer_of(spec: fn() -> Spec, run: Run, arguments: Value) -> Value {
    let module = Module {
        name: "paint",
        documentation: "",
        spec,
        run,
    };
    let Value::Object(mut arguments) = arguments else {
        return Value::Null;
    };
    let env = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
    let desk = Arc::new(Desk::default());
    let context = context(&module, &mut arguments, &env, Arc::clone(&desk.mask));
    let mut answer = respond(&module, arguments, context, &env, &|_| {});
    desk.mask(&mut answer.map, &answer.reveals);
    answer.map.into()
}

fn answer(run: Run, arguments: Value) -> Value {
    answer_of(spec, run, arguments)
}

const NOTHING: Run = |_, _| Ok(Outcome::default());

const PAINTED: Run = |_, _| {
    Ok(Outcome {
        changed: true,
        diff: Some(Diff {
            before: json!({"colour": "red"}),
            after: json!({"colour": "blue"}),
            ..Diff::default()
        }),
        warnings: vec!["wet paint".to_owned()],
        ..Outcome::default()
    })
};

#[test]
fn the_invocation_lists_every_option_and_no_secret() {
    let answer = answer(NOTHING, json!({"key": "~/id", "name": "door"}));
    assert_eq!(
        answer["invocation"]["module_args"],
        json!({"name": "door", "key": WHOLE, "colour": "blue"})
    );
}

#[test]
fn a_diff_is_sent_in_diff_mode_only() {
    assert_eq!(answer(PAINTED, json!({}))["diff"], Value::Null);
    assert_eq!(
        answer(PAINTED, json!({"_ansible_diff": true}))["diff"],
        json!({"before": {"colour": "red"}, "after": {"colour": "blue"}})
    );
}

#[test]
fn warnings_of_the_check_come_before_the_modules() {
    let answer = answer(PAINTED, json!({"name": "a", "old": "b"}));
    assert_eq!(
        answer["warnings"],
        json!(["Both option name and its alias old are set.", "wet paint"])
    );
    assert_eq!(
        answer["deprecations"],
        json!([{"msg": "Alias 'old' is deprecated. See the module docs for more information",
            "version": "2.0.0"}])
    );
}

#[test]
fn a_module_without_check_mode_is_skipped_in_it() {
    let spec = || Spec {
        supports_check_mode: false,
        ..spec()
    };
    let arguments = json!({"_ansible_check_mode": true, "_ansible_module_name": "a.b.paint"});
    let skipped = answer_of(spec, PAINTED, arguments);
    assert_eq!(skipped["skipped"], true);
    assert_eq!(skipped["changed"], false);
    assert_eq!(
        skipped["msg"],
        "remote module (a.b.paint) does not support check mode"
    );
    assert_eq!(answer_of(spec, PAINTED, json!({}))["changed"], true);
}

#[test]
fn a_failure_keeps_what_was_done_before_it() {
    let answer = answer(
        |_, _| {
            let mut failure = Failure::new("1 of 2 doors failed: no paint");
            failure.details.insert("kind".into(), json!("refused"));
            failure.outcome.changed = true;
            failure
                .outcome
                .returns
                .insert("doors".into(), json!([1, 2]));
            Err(failure)
        },
        json!({}),
    );
    assert_eq!(answer["failed"], true);
    assert_eq!(answer["changed"], true);
    assert_eq!(answer["msg"], "1 of 2 doors failed: no paint");
    assert_eq!(answer["failure"], json!({"kind": "refused"}));
    assert_eq!(answer["doors"], json!([1, 2]));
}

#[test]
fn a_secret_that_was_made_comes_out_in_its_place_only() {
    let answer = answer(
        |_, _| {
            let mut outcome = Outcome::default();
            outcome.returns.insert("token".into(), json!({"id": "t"}));
            outcome.warnings.push("made 9f8e7d6c".to_owned());
            outcome.reveal("/token/value", "9f8e7d6c".into());
            Ok(outcome)
        },
        json!({}),
    );
    assert_eq!(answer["token"], json!({"id": "t", "value": "9f8e7d6c"}));
    assert_eq!(answer["warnings"], json!(["made ********"]));
}

#[test]
fn a_secret_met_during_the_run_is_masked() {
    let answer = answer(
        |context, _| {
            context.hide(&"ticket:4711".into());
            Err(Failure::new("refused: ticket:4711"))
        },
        json!({}),
    );
    assert_eq!(answer["msg"], "refused: ********");
}

#[test]
fn a_secret_is_masked_also_as_it_was_converted() {
    let answer = answer(
        |_, values| Err(Failure::new(format!("no file {}", values["key"]))),
        json!({"key": "~/id"}),
    );
    assert_eq!(answer["msg"], "no file \"********\"");
}

#[test]
fn what_was_given_is_told_from_what_a_default_filled() {
    let answer = answer(
        |context, _| {
            let mut outcome = Outcome::default();
            for name in ["name", "colour", "key"] {
                outcome
                    .returns
                    .insert(name.into(), json!(context.given(name)));
            }
            Ok(outcome)
        },
        json!({"old": "door", "key": null}),
    );
    assert_eq!(answer["name"], true);
    assert_eq!(answer["colour"], false);
    assert_eq!(answer["key"], false);
}

#[test]
fn unknown_options_may_be_ignored() {
    let arguments = json!({"nonsense": 1, "_ansible_ignore_unknown_opts": true});
    assert_eq!(answer(PAINTED, arguments)["changed"], true);
    let arguments = json!({"nonsense": 1});
    assert_eq!(answer(PAINTED, arguments)["failed"], true);
}

#[test]
fn a_wrong_argument_is_told_without_the_secret_in_it() {
    let spec = || Spec {
        options: vec![Opt {
            name: "pin".into(),
            kind: crate::Kind::Int,
            no_log: Some(true),
            ..Opt::default()
        }],
        ..Spec::default()
    };
    let answer = answer_of(spec, PAINTED, json!({"pin": "hunter2"}));
    assert_eq!(
        answer["msg"],
        "argument 'pin' is of type str and we were unable to convert to int: \
         \"'********'\" cannot be converted to an int"
    );
    assert_eq!(answer["invocation"]["module_args"]["pin"], WHOLE);
}
