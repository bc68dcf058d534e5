//! What is masked and what is not.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::{Map, Value, json};

use super::{Mask, PART, WHOLE};

fn masked(secrets: &[&str], answer: Value) -> Value {
    let mut mask = Mask::default();
    for secret in secrets {
        mask.add(secret);
    }
    let mut answer: Map<String, Value> = serde_json::from_value(answer).unwrap();
    mask.answer(&mut answer);
    answer.into()
}

#[test]
fn a_secret_is_masked_alone_and_within_texts() {
    assert_eq!(
        masked(
            &["hunter2"],
            json!({"msg": "login with hunter2 failed", "x": ["hunter2", {"y": "hunter2"}]})
        ),
        json!({"msg": "login with ******** failed", "x": [WHOLE, {"y": WHOLE}]})
    );
}

#[test]
fn encoded_forms_are_masked() {
    let secret = "p@ss wörd/1\"";
    let form = form_urlencoded(secret);
    for encoded in [
        "p%40ss%20w%C3%B6rd%2F1%22".to_owned(),
        "p%40ss%20w%c3%b6rd%2f1%22".to_owned(),
        form,
        BASE64_STANDARD.encode(secret),
        BASE64_URL_SAFE.encode(secret),
        format!("{secret:?}"),
        r#"p@ss w\u00f6rd/1\""#.to_owned(),
    ] {
        let answer = masked(&[secret], json!({"msg": format!("<{encoded}>")}));
        let msg = answer["msg"].as_str().unwrap();
        assert!(msg.contains(PART), "{encoded} became {msg}");
        assert!(
            !msg.contains("w%") && !msg.contains("ss"),
            "{encoded} became {msg}"
        );
    }
}

fn form_urlencoded(text: &str) -> String {
    text.replace('@', "%40")
        .replace('ö', "%C3%B6")
        .replace('/', "%2F")
        .replace('"', "%22")
        .replace(' ', "+")
}

#[test]
fn a_secret_within_a_longer_base64_text_is_masked() {
    for user in ["", "a:", "ab:", "abc:"] {
        let header = BASE64_STANDARD.encode(format!("{user}correct horse battery"));
        let answer = masked(&["correct horse battery"], json!({"msg": header}));
        assert!(answer["msg"].as_str().unwrap().contains(PART), "{answer}");
    }
}

#[test]
fn warnings_and_keys_are_masked() {
    assert_eq!(
        masked(
            &["hunter2"],
            json!({"warnings": ["saw hunter2"], "failure": {"errors": {"hunter2": 1}}})
        ),
        json!({"warnings": ["saw ********"], "failure": {"errors": {"********": 1}}})
    );
}

#[test]
fn keys_of_the_answer_and_of_the_arguments_stay() {
    assert_eq!(
        masked(
            &["changed", "name"],
            json!({"changed": true, "name": "x", "invocation": {"module_args": {"name": "name"}}})
        ),
        json!({"changed": true, "name": "x", "invocation": {"module_args": {"name": WHOLE}}})
    );
}

#[test]
fn truth_values_and_nothing_are_never_masked() {
    assert_eq!(
        masked(
            &["true", "null", "1"],
            json!({"changed": true, "x": null, "y": [false]})
        ),
        json!({"changed": true, "x": null, "y": [false]})
    );
}

#[test]
fn numbers_are_masked_where_a_secret_is_met_on_purpose() {
    assert_eq!(
        masked(
            &["1", "123456"],
            json!({"a": 1, "b": 101, "c": 123_456, "d": 91_234_560})
        ),
        json!({"a": WHOLE, "b": 101, "c": WHOLE, "d": WHOLE})
    );
}

#[test]
fn the_longer_of_two_secrets_is_masked_whole() {
    assert_eq!(
        masked(&["hunter", "hunter2"], json!({"msg": "hunter2!"})),
        json!({"msg": "********!"})
    );
}

#[test]
fn an_empty_secret_masks_nothing() {
    assert_eq!(
        masked(&[""], json!({"msg": "fine"})),
        json!({"msg": "fine"})
    );
}

#[test]
fn a_secret_is_masked_as_messages_quote_it() {
    let answer = masked(&["it's\ta \"b\""], json!({"msg": r#"got 'it\'s\ta "b"'"#}));
    assert_eq!(answer["msg"], "got '********'");
}
