//! Tables over the plan.

use ansible::{Args, Context, Failure};
use pve::canned::Canned;
use pve::{Plan, Planned};
use serde_json::{Value, json};

use super::wish::{Source, Wish};
use super::{Notes, ProxmoxTemplate, TemplateArgs};
use crate::job::{Job, Task};

const URL: &str = "https://example.org/images/a.iso?x=1";
const SHA256: &str = "658b28e209b578fe788ec5867deebae57b6aac5fce3692bbb116bab9c65568b3";

fn args(options: &Value) -> TemplateArgs {
    let mut values = options.as_object().unwrap().clone();
    values.insert("api_host".to_owned(), json!("pve1"));
    TemplateArgs::parse(values).unwrap()
}

fn wish(options: &Value) -> Result<Wish, String> {
    Wish::of(&args(options)).map_err(|failure| failure.msg)
}

/// The plan on storage `local` of pve1, on which these ISO images lie.
fn plan(mut options: Value, there: &Value) -> Result<(Plan, Notes), Failure> {
    options["node"] = json!("pve1");
    options["content_type"] = json!("iso");
    let local = "GET /nodes/pve1/storage/local";
    let metadata = format!("GET /nodes/pve1/query-url-metadata url={URL}");
    let cluster = Canned::new()
        .always(&format!("{local}/content content=iso"), there.clone())
        .always(&metadata, json!({"size": 9}))
        .cluster();
    let args = args(&options);
    let context = Context::default();
    let task = Task {
        args: &args,
        context: &context,
    };
    match ProxmoxTemplate::plan(&task, &cluster)? {
        Planned::Ready(plan, notes) => Ok((plan, notes)),
        Planned::Blocked { why, .. } => Err(Failure::new(why)),
    }
}

#[test]
fn what_is_wanted_follows_from_the_options() {
    let cases = [
        (
            json!({"src": "/a/b c.iso"}),
            "b c.iso",
            Some(Source::File("/a/b c.iso".into())),
        ),
        (
            json!({"src": "a.iso", "template": "b.iso"}),
            "a.iso",
            Some(Source::File("a.iso".into())),
        ),
        (
            json!({"url": URL}),
            "a.iso",
            Some(Source::Url(URL.to_owned())),
        ),
        (
            json!({"url": URL, "template": "b.iso"}),
            "b.iso",
            Some(Source::Url(URL.to_owned())),
        ),
        (
            json!({"template": "a.tar.gz"}),
            "a.tar.gz",
            Some(Source::Index),
        ),
        (
            json!({"template": "a.tar.gz", "state": "absent"}),
            "a.tar.gz",
            None,
        ),
    ];
    for (options, name, source) in cases {
        let wish = wish(&options).unwrap();
        assert_eq!(
            (wish.name.as_str(), wish.source),
            (name, source),
            "{options}"
        );
    }
}

#[test]
fn what_cannot_be_is_told_from_the_options_alone() {
    for (options, why) in [
        (
            json!({}),
            "state template, the name of a container template",
        ),
        (
            json!({"content_type": "iso", "template": "a.iso"}),
            "state src or url: ",
        ),
        (
            json!({"url": "https://example.org"}),
            "the url `https://example.org` names no file: state template",
        ),
        (json!({"url": "https://example.org/a/"}), "names no file"),
        (
            json!({"url": "a/b.tar.gz"}),
            "the url `a/b.tar.gz` does not begin with http:// or https://",
        ),
        (json!({"src": "/"}), "src: `/` is not the path of a file"),
        (
            json!({"url": URL, "checksum": "abc", "checksum_algorithm": "md5"}),
            "checksum: `abc` is no md5, which has 32 hexadecimal digits",
        ),
        (
            json!({"url": URL, "checksum": format!("{}x", &SHA256[1..]), "checksum_algorithm": "sha256"}),
            "is no sha256, which has 64",
        ),
    ] {
        let said = wish(&options).unwrap_err();
        assert!(said.contains(why), "{options}: {said}");
    }
}

#[test]
fn what_is_done_follows_from_what_is_there() {
    let none = json!([]);
    let one = json!([{"volid": "local:iso/a.iso", "size": 7}]);
    let download =
        format!("POST /nodes/pve1/storage/local/download-url content=iso filename=a.iso url={URL}");
    let checked = format!("{download} checksum-algorithm=sha256 checksum={SHA256}");
    let remove = "DELETE /nodes/pve1/storage/local/content/local:iso%2Fa.iso".to_owned();
    let sum = json!({"url": URL, "checksum": SHA256, "checksum_algorithm": "sha256"});
    let forced = json!({"url": URL, "force": true});
    let absent = json!({"template": "a.iso", "state": "absent"});
    for (options, there, calls, said) in [
        (
            json!({"url": URL}),
            &none,
            vec![download.clone()],
            "uploaded",
        ),
        (json!({"url": URL}), &one, vec![], "already exists"),
        (sum, &none, vec![checked], "Checksum verified, uploaded"),
        (forced.clone(), &none, vec![download.clone()], "uploaded"),
        (forced, &one, vec![remove.clone(), download], "uploaded"),
        (absent.clone(), &none, vec![], "is already deleted"),
        (absent, &one, vec![remove], "deleted"),
    ] {
        let (plan, notes) = plan(options.clone(), there).unwrap();
        assert_eq!(plan.calls(), calls, "{options}");
        assert_eq!(
            (notes.0.id().as_str(), notes.1),
            ("local:iso/a.iso", said),
            "{options}"
        );
    }
}

#[test]
fn nothing_is_deleted_before_the_url_was_asked() {
    let there = json!([{"volid": "local:iso/a.iso", "size": 7}]);
    let dead = json!({"url": "https://example.org/gone/a.iso", "force": true});
    let said = plan(dead, &there).unwrap_err().msg;
    assert!(
        said.starts_with("unable to replace volume `local:iso/a.iso`: "),
        "{said}"
    );
    assert!(said.ends_with("Nothing was deleted"), "{said}");

    let (plan, _) = plan(json!({"url": URL, "force": true}), &there).unwrap();
    assert!(plan.tracks[0].whole);
    assert_eq!(plan.before, json!({"volid": "local:iso/a.iso", "size": 7}));
    assert_eq!(plan.after, json!({"volid": "local:iso/a.iso", "size": 9}));
    let notice = format!("volume local:iso/a.iso is deleted, and then downloaded from {URL}");
    assert_eq!(plan.notices, [notice]);
}

#[test]
fn a_volume_is_found_under_its_own_name_and_under_the_one_that_the_server_makes_of_it() {
    let there = json!([{"volid": "local:iso/my image.iso"}, {"volid": "local:iso/b_c.iso"}]);
    for (name, found) in [
        ("my image.iso", true),
        ("my_image.iso", false),
        ("b c.iso", true),
        ("b_c.iso", true),
        ("x/b_c.iso", false),
    ] {
        let options = json!({"template": name, "state": "absent"});
        let (plan, _) = plan(options, &there).unwrap();
        assert_eq!(plan.changes(), found, "{name}");
    }
}

#[test]
fn the_time_that_is_stated_is_the_servers_and_not_that_of_sending() {
    let source = std::env::temp_dir().join(format!("ferrox-template-{}.iso", std::process::id()));
    std::fs::write(&source, "abcd").unwrap();
    let (plan, _) = plan(json!({"src": source}), &json!([])).unwrap();
    std::fs::remove_file(&source).unwrap();
    let track = &plan.tracks[0];
    assert!(track.limit > track.steps[0].limit);
    assert!(!track.whole);
    assert_eq!(plan.after["size"], json!(4));
}
