//! Whatever comes in: no panic, and no secret out.

use ansible::mask::Mask;
use ansible::{Spec, check};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Every type, at the top, in lists and in dictionaries, with every rule.
fn spec() -> Spec {
    let kinds = [
        "str", "int", "float", "bool", "list", "dict", "path", "raw", "json",
    ];
    let mut options = Map::new();
    for kind in kinds {
        options.insert(
            kind.to_owned(),
            json!({"type": kind, "aliases": [format!("{kind}_")]}),
        );
        options.insert(
            format!("{kind}s"),
            json!({"type": "list", "elements": kind, "no_log": true}),
        );
    }
    let rules = json!({
        "mutually_exclusive": [["str", "int"]],
        "required_together": [["float", "bool"]],
        "required_one_of": [["list", "dict"]],
        "required_if": [["str", "", ["path", "raw"], true]],
        "required_by": {"json": "raw"},
    });
    let mut nested = json!({"type": "list", "elements": "dict", "options": options.clone()});
    let mut spec = Map::new();
    for (rule, value) in rules.as_object().into_iter().flatten() {
        nested[rule] = value.clone();
        spec.insert(rule.clone(), value.clone());
    }
    options.insert("nested".into(), nested);
    options.insert("chosen".into(), json!({"choices": ["yes", 1, true]}));
    spec.insert("argument_spec".into(), options.into());
    Spec::from_json(&spec.into()).unwrap_or_default()
}

fn names() -> impl Strategy<Value = String> {
    let kinds = "(str|int|float|bool|list|dict|path|raw|json)[s_]?";
    prop_oneof![8 => kinds, 2 => "nested|chosen", 1 => ".*"]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[-+]?[0-9_]{0,25}[.]?[0-9]{0,5}(e[-+]?[0-9]{0,20})?",
        r#"[{(\[]['"a:,{}()\[\] \\=0-9xuU$~-]{0,40}"#,
        "(~|\\$)[{}a-zA-Z/$ö]{0,10}",
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn check_takes_any_json(given in prop::collection::btree_map(names(), values(), 0..6)) {
        let env = |name: &str| (name.len() == 1).then(|| "$value~".to_owned());
        let spec = spec();
        prop_assume!(!spec.options.is_empty());
        match check("module", &spec, given.into_iter().collect(), &env) {
            Ok(checked) => {
                // Every option has a value, if only none.
                for option in &spec.options {
                    prop_assert!(checked.values.contains_key(option.name.as_ref()));
                }
            }
            Err(error) => prop_assert!(!error.messages.is_empty()),
        }
    }

    #[test]
    fn a_masked_answer_holds_no_secret(
        secret in "[A-Z]{4,12}",
        before in "[a-z ]{0,9}",
        mut around in prop::collection::btree_map("[a-z]{1,8}", values(), 1..4),
    ) {
        around.insert("keyed".into(), json!({format!("{before}{secret}"): 1}));
        around.insert("listed".into(), json!([{"x": format!("{before}{secret}")}, secret]));
        let mut mask = Mask::default();
        mask.add(&secret);
        let mut answer: Map<String, Value> = around.into_iter().collect();
        mask.answer(&mut answer);
        prop_assert!(!Value::Object(answer).to_string().contains(&secret));
    }
}
