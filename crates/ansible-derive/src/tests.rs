//! What a wrong declaration is told.

use syn::DeriveInput;

use crate::{args, choice};

fn args_error(declaration: &str) -> String {
    let input: DeriveInput = syn::parse_str(declaration).unwrap();
    args::derive(&input).unwrap_err().to_string()
}

fn choice_error(declaration: &str) -> String {
    let input: DeriveInput = syn::parse_str(declaration).unwrap();
    choice::derive(&input).unwrap_err().to_string()
}

#[test]
fn an_option_that_may_be_absent_says_what_then() {
    let error = args_error("struct A { /// A name.\n name: String }");
    assert!(error.contains("make its type an `Option`"), "{error}");
}

#[test]
fn an_option_without_documentation_is_refused() {
    let error = args_error("struct A { name: Option<String> }");
    assert!(error.contains("needs a doc comment"), "{error}");
}

#[test]
fn required_and_default_exclude_each_other() {
    let error = args_error("struct A { /// A.\n #[arg(required, default = 1)] a: u32 }");
    assert!(error.contains("has no default"), "{error}");
}

#[test]
fn a_name_that_sounds_secret_must_say_whether_it_is() {
    let error = args_error("struct A { /// A.\n api_token_id: Option<String> }");
    assert!(error.contains("`no_log = false`"), "{error}");
    let passive = "struct A { /// A.\n passive: Option<bool>, /// B.\n token: Option<Secret> }";
    assert!(args::derive(&syn::parse_str(passive).unwrap()).is_ok());
}

#[test]
fn an_unknown_setting_lists_those_there_are() {
    let error = args_error("struct A { /// A.\n #[arg(alias = \"b\")] a: Option<u32> }");
    assert!(error.contains("aliases"), "{error}");
    let error = args_error("#[args(exclusive([\"a\"]))] struct A { /// A.\n a: Option<u32> }");
    assert!(error.contains("mutually_exclusive"), "{error}");
    let error = args_error("struct A { /// A.\n #[arg(kind = \"text\")] a: Option<u32> }");
    assert!(error.contains("str, int"), "{error}");
}

#[test]
fn a_rule_names_options_only() {
    let error = args_error(
        "#[args(required_if(key = \"a\", value = 1, all = [\"b\"]))] struct A { /// A.\n a: Option<u32> }",
    );
    assert_eq!(error, "no option has this name");
}

#[test]
fn a_rule_says_all_that_it_needs() {
    let error = args_error(
        "#[args(required_if(key = \"a\", value = 1))] struct A { /// A.\n a: Option<u32> }",
    );
    assert!(error.contains("all = […]"), "{error}");
}

#[test]
fn only_structs_with_named_fields_are_arguments() {
    assert!(args_error("struct A(u32);").contains("named fields"));
    assert!(args_error("enum A { B }").contains("named fields"));
}

#[test]
fn only_enums_without_data_are_choices() {
    assert!(choice_error("struct A { b: u32 }").contains("for enums"));
    assert!(choice_error("enum A { B(u32) }").contains("no data"));
    assert!(choice_error("enum A { B, #[choice(name = \"b\")] C }").contains("two choices"));
}
