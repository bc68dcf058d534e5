//! Plans for many VMs: what is asked for them, and that a second run is done.

use std::collections::BTreeMap;

use proptest::prelude::*;
use pve::wire::password::Compared;
use pve::{Param, Plan};
use serde_json::{Map, Value, json};

use super::site::{Site, debian, map, planned, these, vm};
use crate::guests::clone::settings::{Settings, over};
use crate::guests::config::{Change, Config, Want, Wanted, change};
use ansible::Args;

/// What is asked to make a plan for these VMs, in order.
fn asked(site: Site, vms: Value) -> Vec<String> {
    let canned = site.canned();
    let asked = canned.asked();
    planned(&these(vms), &canned.cluster()).unwrap();
    let asked = asked.lock().unwrap();
    asked.clone()
}

#[test]
fn planning_writes_nothing_and_asks_no_more_than_it_must() {
    let there = || (101..141).map(|vmid| vm(vmid, &format!("web-{vmid}")));
    let wanted: Vec<Value> = (101..141)
        .map(|vmid| json!({"name": format!("web-{vmid}"), "cores": 2}))
        .collect();
    let many = asked(Site::of(there()), json!(wanted));
    assert!(many.iter().all(|ask| ask.starts_with("GET ")));
    assert_eq!(
        many.len(),
        1 + 2 + 40,
        "where things are, two nodes, each configuration"
    );

    let one = asked(Site::of(there()), json!([{"name": "web-101", "cores": 2}]));
    assert_eq!(
        one,
        [
            "GET /cluster/resources",
            "GET /nodes/pve1/qemu/101/status/current",
            "GET /nodes/pve1/qemu/101/config"
        ]
    );
    let new: Vec<Value> = (1..21)
        .map(|n| json!({"name": format!("new-{n}"), "template": "debian"}))
        .collect();
    let new = asked(Site::of([debian()]), json!(new));
    assert_eq!(
        new.len(),
        1 + 2 + 1,
        "the template is read once for all its clones"
    );
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let (plan, notes) = Site::of([debian(), vm(101, "web-1").young()]).ready(&json!({
        "vms": [{"name": "web-1"}, {"name": "web-2"}],
        "defaults": {"template": "debian", "cores": 4, "state": "started"},
    }));
    assert_eq!(
        plan.calls(),
        [
            "PUT /nodes/pve1/qemu/101/config cores=4",
            "POST /nodes/pve1/qemu/101/status/start",
            "POST /nodes/pve1/qemu/9000/clone newid={vmid} name=web-2 full=0",
            "PUT /nodes/pve1/qemu/{vmid}/config cores=4",
            "POST /nodes/pve1/qemu/{vmid}/status/start",
        ]
    );
    let sources: Vec<Option<u32>> = notes.iter().map(|note| note.source_vmid).collect();
    assert_eq!(sources, [None, Some(9000)]);
}

#[test]
fn an_entry_states_what_the_defaults_leave_open_and_overrides_what_they_say() {
    let (plan, _) = Site::of([debian()]).ready(&json!({
        "vms": [
            {"name": "web-1", "net": {"net0": {"vlan": 20}}},
            {"name": "web-2", "cores": 8, "tags": ["c"], "net": {"net0": "bridge=vmbr7"}},
        ],
        "defaults": {
            "template": "debian", "cores": 4, "tags": ["a", "b"],
            "net": {"net0": {"bridge": "vmbr1"}, "net1": {"bridge": "vmbr2"}},
        },
    }));
    let puts: Vec<String> = plan
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("PUT"))
        .collect();
    let put = "PUT /nodes/pve1/qemu/{vmid}/config";
    assert_eq!(
        puts,
        [
            format!(
                "{put} cores=4 net0=virtio,bridge=vmbr1,tag=20 net1=virtio,bridge=vmbr2 tags=a;b"
            ),
            format!("{put} cores=8 net0=virtio,bridge=vmbr7 net1=virtio,bridge=vmbr2 tags=c"),
        ]
    );
}

/// What the server has after a write.
fn applied(have: &Value, change: &Change) -> Value {
    let mut config = map(have.clone());
    for (key, value) in &change.set {
        let Param::Text(text) = value else { continue };
        config.insert(key.clone(), json!(text));
    }
    for key in &change.delete {
        config.remove(key);
    }
    Value::Object(config)
}

fn settings() -> impl Strategy<Value = Map<String, Value>> {
    let number = || (1u32..9).prop_map(|number| json!(number));
    let text =
        || prop::sample::select(vec!["", "x", "two words", "ä=ö,ü"]).prop_map(|text| json!(text));
    let net = prop_oneof![
        Just(json!({"bridge": "vmbr0"})),
        Just(json!({"bridge": "vmbr1", "vlan": 7, "firewall": true})),
        Just(json!({"model": "e1000", "mac": "02:00:00:00:00:01"})),
        Just(json!("virtio,bridge=vmbr2,mtu=1400")),
    ];
    let nets =
        || prop::collection::btree_map("net[0-2]", net.clone(), 0..3).prop_map(|nets| json!(nets));
    let tags = prop::collection::vec("[a-c]{1,2}", 0..4).prop_map(|tags| json!(tags));
    let agent = prop::sample::select(vec![
        json!(true),
        json!(false),
        json!("1,fstrim_cloned_disks=1"),
    ]);
    let ipconfig = prop::sample::select(vec![
        json!("ip=dhcp"),
        json!({"ip": "192.0.2.9/24", "gw": "192.0.2.1"}),
    ])
    .prop_map(|ip| json!({"ipconfig0": ip}));
    let startup = prop::sample::select(vec![
        json!("order=2,up=30"),
        json!("up=30,order=2"),
        json!("3"),
    ]);
    let cpu = prop::sample::select(vec![json!("host"), json!("cputype=host,flags=+aes;-pcid")]);
    let one = prop_oneof![
        number().prop_map(|value| ("cores", value)),
        number().prop_map(|value| ("sockets", value)),
        (16_u32..4096).prop_map(|value| ("memory", json!(value))),
        number().prop_map(|value| ("balloon", value)),
        any::<bool>().prop_map(|value| ("onboot", json!(value))),
        any::<bool>().prop_map(|value| ("ciupgrade", json!(value))),
        text().prop_map(|value| ("description", value)),
        text().prop_map(|value| ("ciuser", value)),
        nets().prop_map(|value| ("net", value)),
        tags.prop_map(|value| ("tags", value)),
        agent.prop_map(|value| ("agent", value)),
        ipconfig.prop_map(|value| ("ipconfig", value)),
        startup.prop_map(|value| ("startup", value)),
        cpu.prop_map(|value| ("cpu", value)),
    ];
    prop::collection::vec(one, 0..8).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    })
}

/// Settings without property strings: those replace dictionaries, as lists do.
fn mergeable() -> impl Strategy<Value = Map<String, Value>> {
    settings().prop_map(|mut settings| {
        for key in ["net", "ipconfig"] {
            if let Some(Value::Object(cards)) = settings.get_mut(key) {
                cards.retain(|_, card| card.is_object());
            }
        }
        settings
    })
}

/// Words of which property strings are made, and what comes between them.
const TEXT: &str = "((virtio|bridge=vmbr[01]|tag=[0-9]|ip=dhcp|ceph:8|size=[48]G|order=[a-z0-9]{1,4}|on|1|0|host|x)[,; =]?){0,4}";

proptest! {
    /// Whatever was there and whatever is stated: written once, it is there.
    #[test]
    fn a_second_run_changes_nothing(before in settings(), stated in settings()) {
        let wanted = |stated: &Map<String, Value>| Settings::parse(stated.clone()).unwrap().wanted().unwrap();
        let mut have = json!({});
        for stated in [&before, &stated] {
            let config = Config::from_config(&have);
            have = applied(&have, &change(&config, &wanted(stated), Compared::Same).unwrap());
        }
        let config = Config::from_config(&have);
        let again = change(&config, &wanted(&stated), Compared::Same).unwrap();
        prop_assert!(again.is_empty(), "{again:?} on {have}");
    }

    /// The same of any key of the API and any text, as `config` takes them.
    #[test]
    fn a_text_that_was_written_once_is_there(
        key in prop::sample::select(vec![
            "net0", "scsi1", "ide2", "efidisk0", "ipconfig0", "boot", "cpu", "agent", "startup", "tags", "vga",
            "description", "sshkeys", "hotplug", "serial0", "rng0", "nameserver", "smbios1", "memory", "numa",
        ]),
        before in TEXT,
        stated in TEXT,
    ) {
        let key = key.to_owned();
        let mut have = json!({});
        for text in [&before, &stated] {
            let wanted = Wanted::from([(key.clone(), Want::Text(text.clone()))]);
            match change(&Config::from_config(&have), &wanted, Compared::Same) {
                Ok(change) => have = applied(&have, &change),
                Err(_) => return Ok(()),
            }
        }
        let wanted = Wanted::from([(key, Want::Text(stated))]);
        let again = change(&Config::from_config(&have), &wanted, Compared::Same).unwrap();
        prop_assert!(again.is_empty(), "{again:?} on {have}");
    }

    /// The clone has another MAC than its template; all else it has from there, or was written.
    #[test]
    fn a_new_vm_is_settled_by_one_run(stated in settings()) {
        let mut wanted = stated;
        wanted.insert("name".to_owned(), json!("web-1"));
        wanted.insert("template".to_owned(), json!("bare"));
        let bare = || vm(9001, "bare").template().config(json!({"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"}));
        let (plan, _) = Site::of([bare()]).ready(&json!({"vms": [wanted.clone()]}));
        let made = vm(101, "web-1").config(json!({"net0": "virtio=BC:24:11:00:00:02,bridge=vmbr0"}));
        let made = made.config(written(&plan)).without(&deleted(&plan));
        let (again, _) = Site::of([bare(), made]).ready(&json!({"vms": [wanted]}));
        prop_assert_eq!(again.calls(), Vec::<String>::new());
    }

    /// Defaults of defaults are defaults, whichever is merged first.
    #[test]
    fn merging_is_associative(a in mergeable(), b in mergeable(), c in mergeable()) {
        prop_assert_eq!(over(&a, &over(&b, &c)), over(&over(&a, &b), &c));
        prop_assert_eq!(over(&a, &Map::new()), a.clone());
        prop_assert_eq!(over(&Map::new(), &a), a);
    }
}

fn puts(plan: &Plan) -> impl Iterator<Item = &(String, Param)> {
    let calls = plan.tracks[0]
        .steps
        .iter()
        .filter(|step| step.verb == "configure");
    calls
        .filter_map(|step| step.call.as_ref())
        .flat_map(|call| &call.params)
}

fn written(plan: &Plan) -> Value {
    let pairs = puts(plan).filter(|(key, _)| key != "delete");
    let values: BTreeMap<&String, &String> = pairs
        .filter_map(|(key, value)| match value {
            Param::Text(text) => Some((key, text)),
            _ => None,
        })
        .collect();
    json!(values)
}

fn deleted(plan: &Plan) -> Vec<String> {
    puts(plan)
        .filter(|(key, _)| key == "delete")
        .filter_map(|(_, value)| match value {
            Param::Text(text) => Some(text.split(',').map(str::to_owned)),
            _ => None,
        })
        .flatten()
        .collect()
}
