//! What ansible-core says of many arguments, and what [`check`] says.
//!
//! `tests/golden/generate.py` writes the record.

use std::collections::BTreeSet;

use ansible::{CheckError, Spec, check};
use serde_json::{Map, Value, json};

const RECORD: &str = include_str!("../../../tests/golden/cases.json");

/// What `check` says, in the form of the record, which leaves out what is empty.
fn answer(module: &str, spec: &Spec, given: &Value, env: &Value) -> Map<String, Value> {
    let given = given.as_object().cloned().unwrap_or_default();
    let env = |name: &str| env[name].as_str().map(ToOwned::to_owned);
    let (checked, messages, unsupported) = match check(module, spec, given, &env) {
        Ok(checked) => (checked, Vec::new(), Vec::new()),
        Err(CheckError {
            messages,
            unsupported,
            checked,
        }) => (*checked, messages, unsupported),
    };
    let mut answer = Map::from_iter([
        ("values".to_owned(), json!(checked.values)),
        ("errors".to_owned(), json!(messages)),
        ("warnings".to_owned(), json!(checked.warnings)),
        ("deprecations".to_owned(), json!(checked.deprecations)),
        ("no_log_values".to_owned(), json!(checked.no_log_values)),
        ("unsupported".to_owned(), json!(unsupported)),
    ]);
    answer.retain(|_, value| *value != json!([]) && *value != json!({}));
    answer
}

/// Takes out what was given under an alias of an option with sub-options: in
/// Python both names are the same dictionary, so that it is converted under
/// the alias too; here the alias keeps what was given.
fn without_shared(spec: &Spec, values: &mut Value) {
    for option in &spec.options {
        let Some(sub_spec) = &option.options else {
            continue;
        };
        for alias in &option.aliases {
            values.as_object_mut().map(|map| map.remove(alias.as_ref()));
        }
        match values.get_mut(option.name.as_ref()) {
            Some(Value::Array(elements)) => elements
                .iter_mut()
                .for_each(|element| without_shared(sub_spec, element)),
            Some(single) => without_shared(sub_spec, single),
            None => {}
        }
    }
}

#[test]
fn check_says_what_ansible_core_says() {
    let record: Value = serde_json::from_str(RECORD).unwrap();
    let module = record["module"].as_str().unwrap();
    let cases = record["cases"].as_array().unwrap();
    assert!(cases.len() >= 300);

    let mut differences = Vec::new();
    for case in cases {
        let spec = Spec::from_json(&case["spec"]).unwrap();
        let mut ours = answer(module, &spec, &case["input"], &record["env"]);
        let mut expected = case["expected"].as_object().unwrap().clone();
        for values in [&mut ours, &mut expected] {
            if let Some(values) = values.get_mut("values") {
                without_shared(&spec, values);
            }
        }
        let keys: BTreeSet<&String> = ours.keys().chain(expected.keys()).collect();
        for key in keys {
            if ours.get(key) != expected.get(key) {
                differences.push(format!(
                    "{} given {}\n  {key}: {:?}\n  not   {:?}",
                    case["spec"],
                    case["input"],
                    ours.get(key),
                    expected.get(key)
                ));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences in {} cases:\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n")
    );
}
