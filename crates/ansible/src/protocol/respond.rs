//! From arguments to an answer, without standard input and output.

use std::sync::{Arc, Mutex, PoisonError};

use secret::Secret;
use serde_json::{Map, Value, json};

use super::Module;
use super::dispatch::MODULE_KEY;
use crate::Context;
use crate::check::{CheckError, Checked, Env, check, is_true, secrets};
use crate::mask::Mask;
use crate::outcome::{Deprecation, Failure};
use crate::spec::Spec;

/// Takes what Ansible says beside the arguments, in keys that begin with
/// `_ansible_`, out of them; those that are not known here are ignored.
pub(super) fn context(
    module: &Module,
    arguments: &mut Map<String, Value>,
    env: &Env<'_>,
    mask: Arc<Mutex<Mask>>,
) -> Context {
    let flag = |name: &str| arguments.get(name).is_some_and(is_true);
    let verbosity = arguments.get("_ansible_verbosity").and_then(Value::as_u64);
    let name = arguments
        .get("_ansible_module_name")
        .and_then(Value::as_str);
    let context = Context {
        check_mode: flag("_ansible_check_mode"),
        diff_mode: flag("_ansible_diff"),
        ignore_unknown: flag("_ansible_ignore_unknown_opts"),
        verbosity: u8::try_from(verbosity.unwrap_or(0)).unwrap_or(u8::MAX),
        module_name: name.unwrap_or(module.name).to_owned(),
        show_progress: match env("FERROX_PROGRESS").as_deref() {
            Some("always") => true,
            Some("never") => false,
            _ => flag("_ansible_ferrox_progress"),
        },
        mask,
        ..Context::default()
    };
    arguments.retain(|key, _| !key.starts_with("_ansible_") && key != MODULE_KEY);
    context
}

/// An answer before masking, and the secrets that are written into it after.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) map: Map<String, Value>,
    pub(super) reveals: Vec<(String, Secret)>,
}

/// Checks the arguments and runs the module. `before_run` is called when the
/// arguments are right and work is about to begin.
pub(super) fn respond(
    module: &Module,
    arguments: Map<String, Value>,
    mut context: Context,
    env: &Env<'_>,
    before_run: &dyn Fn(&Context),
) -> Answer {
    let spec = (module.spec)();
    let (checked, error) = match check(&context.module_name, &spec, arguments, env) {
        Ok(checked) => (checked, None),
        Err(error) if context.ignore_unknown && error.is_only_unsupported() => {
            (*error.checked, None)
        }
        Err(CheckError {
            mut messages,
            checked,
            ..
        }) => (*checked, Some(Failure::new(messages.swap_remove(0)))),
    };
    hide(&context, &spec, &checked);

    let (mut map, reveals) = if let Some(failure) = error {
        (failure.into_map(false), Vec::new())
    } else if context.check_mode && !spec.supports_check_mode {
        let name = &context.module_name;
        let msg = format!("remote module ({name}) does not support check mode");
        let skipped = json!({"skipped": true, "msg": msg, "changed": false});
        (skipped.as_object().cloned().unwrap_or_default(), Vec::new())
    } else {
        context.given.clone_from(&checked.given);
        context
            .from_environment
            .clone_from(&checked.from_environment);
        before_run(&context);
        match (module.run)(&context, &checked.values) {
            Ok(mut outcome) => {
                let reveals = std::mem::take(&mut outcome.reveals);
                (outcome.into_map(context.diff_mode), reveals)
            }
            Err(mut failure) => {
                let reveals = std::mem::take(&mut failure.outcome.reveals);
                (failure.into_map(context.diff_mode), reveals)
            }
        }
    };
    prepend(&mut map, "warnings", checked.warnings);
    prepend::<Deprecation>(&mut map, "deprecations", checked.deprecations);
    map.insert("invocation".into(), json!({"module_args": checked.values}));
    Answer { map, reveals }
}

/// Puts the secrets among the arguments into the mask: as they were given, and
/// as they were converted.
fn hide(context: &Context, spec: &Spec, checked: &Checked) {
    let mut found = checked.no_log_values.clone();
    secrets(spec, &checked.values, &mut found);
    let mut mask = context.mask.lock().unwrap_or_else(PoisonError::into_inner);
    for secret in &found {
        mask.add(secret);
    }
}

/// Puts what the check says before what the module says.
fn prepend<T: serde::Serialize>(map: &mut Map<String, Value>, key: &str, first: Vec<T>) {
    if first.is_empty() {
        return;
    }
    let mut all: Vec<Value> = first.into_iter().map(|entry| json!(entry)).collect();
    if let Some(Value::Array(rest)) = map.remove(key) {
        all.extend(rest);
    }
    map.insert(key.into(), all.into());
}

#[cfg(test)]
mod tests;
