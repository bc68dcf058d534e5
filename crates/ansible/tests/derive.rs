//! One declaration of an option: what the derive makes of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ansible::{Args, Choice, Kind, Spec};
use secret::Secret;
use serde_json::{Map, Value, json};

#[derive(Args, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "the options' names as people write them"
)]
#[args(required_together(["api_token_id", "api_token_secret"]))]
struct Connection {
    /// Where the API is.
    #[arg(required, env = ["PROXMOX_HOST"])]
    api_host: String,
    /// The token's name.
    #[arg(no_log = false)]
    api_token_id: Option<String>,
    /// The token's secret.
    api_token_secret: Option<Secret>,
}

#[derive(Choice, Clone, Copy, Debug, PartialEq)]
enum State {
    Present,
    #[choice(name = "gone")]
    Absent,
    FullyStarted,
}

#[derive(Args, Debug)]
#[args(mutually_exclusive(["bridge", "vnet"]))]
struct Net {
    /// The bridge.
    bridge: Option<String>,
    /// The virtual network.
    vnet: Option<String>,
    /// The VLAN.
    vlan: Option<u16>,
}

#[derive(Args, Debug)]
#[args(
    required_if(key = "state", value = "present", all = ["name"]),
    required_if(key = "state", value = "gone", any = ["name", "kind"]),
    required_by(key = "count", requires = ["ratio"]),
    check_mode = false
)]
struct GuestArgs {
    #[arg(flatten)]
    connection: Connection,
    /// The name of the guest,
    /// on two lines.
    ///
    /// A second paragraph.
    #[arg(aliases = ["guest"], deprecated_alias(name = "vm", version = "2.0.0", collection_name = "ferrox.proxmox"))]
    name: Option<String>,
    /// What should be.
    #[arg(default = "present")]
    state: State,
    /// A keyword as a name.
    #[arg(rename = "type", choices = ["qemu", "lxc"])]
    kind: Option<String>,
    /// How many.
    count: Option<u32>,
    /// How much.
    #[arg(default = 0.5)]
    ratio: f64,
    /// A list.
    #[arg(default = ["a", "b"])]
    tags: Vec<String>,
    /// Network interfaces.
    net: Vec<Net>,
    /// One dict.
    first: Option<Net>,
    /// Anything.
    config: BTreeMap<String, Value>,
    /// As it comes.
    raw: Value,
    /// A file.
    file: Option<PathBuf>,
    /// A JSON text.
    #[arg(kind = "json")]
    document: Option<String>,
}

fn arguments(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[test]
fn doc_comments_become_paragraphs() {
    let spec = GuestArgs::spec();
    assert_eq!(
        spec.option("name").unwrap().description,
        [
            "The name of the guest, on two lines.",
            "A second paragraph."
        ]
    );
}

#[test]
fn a_flattened_struct_brings_its_options_and_rules() {
    let spec = GuestArgs::spec();
    let names: Vec<&str> = spec.options.iter().map(|o| o.name.as_ref()).collect();
    assert_eq!(
        names[..4],
        ["api_host", "api_token_id", "api_token_secret", "name"]
    );
    assert_eq!(
        spec.required_together,
        [["api_token_id", "api_token_secret"]]
    );
    assert!(!spec.supports_check_mode);
    assert!(Connection::spec().supports_check_mode);
}

#[test]
fn the_spec_is_written_as_a_python_module_writes_its_own() {
    let written = GuestArgs::spec().to_json();
    assert_eq!(
        written["argument_spec"]["api_token_secret"],
        json!({"type": "str", "no_log": true})
    );
    assert_eq!(
        written["argument_spec"]["name"],
        json!({"type": "str", "aliases": ["guest", "vm"], "deprecated_aliases":
            [{"name": "vm", "version": "2.0.0", "collection_name": "ferrox.proxmox"}]})
    );
    assert_eq!(
        written["argument_spec"]["state"],
        json!({"type": "str", "default": "present", "choices": ["present", "gone", "fully_started"]})
    );
    assert_eq!(
        written["argument_spec"]["net"],
        json!({"type": "list", "elements": "dict", "mutually_exclusive": [["bridge", "vnet"]],
            "options": {"bridge": {"type": "str"}, "vnet": {"type": "str"}, "vlan": {"type": "int"}}})
    );
    assert_eq!(
        written["required_if"],
        json!([
            ["state", "present", ["name"]],
            ["state", "gone", ["name", "kind"], true]
        ])
    );
    assert_eq!(written["required_by"], json!({"count": ["ratio"]}));
}

#[test]
fn a_spec_survives_the_way_through_json() {
    let mut spec = GuestArgs::spec();
    let read = Spec::from_json(&spec.to_json()).unwrap();
    let sort = |spec: &mut Spec| {
        spec.options.sort_by(|a, b| a.name.cmp(&b.name));
        for option in &mut spec.options {
            option.description.clear();
        }
    };
    sort(&mut spec);
    assert_eq!(read.to_json(), spec.to_json());
    assert_eq!(read.option("document").unwrap().kind, Kind::Json);
}

#[test]
fn checked_values_become_fields() {
    let args = GuestArgs::parse(arguments(json!({
        "api_host": "pve1", "api_token_secret": "hush", "api_token_id": "t", "guest": "web",
        "state": "fully_started", "type": "lxc", "count": "3", "net": [{"bridge": "vmbr0", "vlan": "20"}],
        "config": {"a": 1}, "raw": [1], "file": "/x", "document": {"k": "v"},
    })))
    .unwrap();
    assert_eq!(args.connection.api_host, "pve1");
    assert_eq!(args.connection.api_token_id.as_deref(), Some("t"));
    assert_eq!(args.connection.api_token_secret.unwrap().expose(), "hush");
    assert_eq!(args.name.as_deref(), Some("web"));
    assert_eq!(args.state, State::FullyStarted);
    assert_eq!(args.state.name(), "fully_started");
    assert_eq!(args.kind.as_deref(), Some("lxc"));
    assert_eq!(args.count, Some(3));
    assert!((args.ratio - 0.5).abs() < f64::EPSILON);
    assert_eq!(args.tags, ["a", "b"]);
    assert_eq!(args.net[0].bridge.as_deref(), Some("vmbr0"));
    assert_eq!(args.net[0].vnet, None);
    assert_eq!(args.net[0].vlan, Some(20));
    assert!(args.first.is_none());
    assert_eq!(args.config["a"], json!(1));
    assert_eq!(args.raw, json!([1]));
    assert_eq!(args.file, Some(PathBuf::from("/x")));
    assert_eq!(args.document.as_deref(), Some(r#"{"k": "v"}"#));
}

#[test]
fn a_number_out_of_range_names_the_option() {
    let error = GuestArgs::parse(arguments(
        json!({"api_host": "pve1", "name": "web", "net": [{}, {"vlan": 70000}]}),
    ))
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "value of net[1].vlan must be between 0 and 65535, got: 70000"
    );
}

#[test]
fn a_spec_that_contradicts_itself_is_told() {
    #[derive(Args)]
    #[args(required_one_of(["name", "nonsense"]))]
    struct Wrong {
        #[arg(flatten)]
        _connection: Connection,
        /// A name.
        #[arg(aliases = ["api_host"])]
        _name: Option<String>,
        /// A choice.
        #[arg(default = "no", choices = ["yes"])]
        _choice: String,
    }
    assert_eq!(
        Wrong::spec().problems(),
        [
            "`api_host` names two options",
            "the default of `_choice` is no choice",
            "a rule names `name`, which is no option",
            "a rule names `nonsense`, which is no option",
        ]
    );
    assert_eq!(GuestArgs::spec().problems().len(), 1);
}

#[test]
fn a_field_takes_the_place_of_a_flattened_option() {
    #[derive(Args)]
    struct Override {
        #[arg(flatten)]
        connection: Connection,
        /// Another default.
        #[arg(default = "localhost")]
        api_host: String,
    }
    assert!(Override::spec().problems().is_empty());
    let args = Override::parse(Map::new()).unwrap();
    assert_eq!(args.api_host, "localhost");
    assert_eq!(args.connection.api_host, "localhost");
}

#[test]
fn a_dictionary_may_have_values_of_one_type() {
    #[derive(Args)]
    struct Disks {
        /// Sizes by slot.
        disks: BTreeMap<String, u32>,
    }
    assert_eq!(
        Disks::spec().to_json()["argument_spec"],
        json!({"disks": {"type": "dict"}})
    );
    let args = Disks::parse(arguments(json!({"disks": {"scsi0": 40}}))).unwrap();
    assert_eq!(args.disks["scsi0"], 40);
    let error = Disks::parse(arguments(json!({"disks": {"scsi0": "big"}})))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "value of disks.scsi0 must be a whole number, got: a text"
    );
}
