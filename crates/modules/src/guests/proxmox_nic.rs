//! `proxmox_nic`: a network card of a VM, by `/nodes/{node}/qemu/{vmid}/config`.

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::nodes::guest::Address;
use pve::wire::password::Compared;
use pve::wire::{Kind, PropertyString};
use pve::{Cluster, Plan, Planned};

use super::config::{Config, Unwantable, Want, Wanted, change};
use super::delta::Delta;
use super::single::{Deed, Told, vm};
use super::steps;
use crate::connection::{Connection, DropIn};
use crate::job::{Job, Report, Task};
use crate::resource::State;

/// How many network cards a VM may have.
const CARDS: u8 = 32;

/// The options of `proxmox_nic`.
#[derive(Args, Debug)]
#[args(required_one_of(["name", "vmid"]))]
pub struct NicArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The VM's name. O(vmid) comes before it.
    pub name: Option<String>,
    /// The VM's VMID.
    pub vmid: Option<u32>,
    /// The network card: V(net0) to V(net31).
    #[arg(required)]
    pub interface: String,
    /// Whether the VM has it.
    #[arg(default = "present")]
    pub state: State,
    /// The bridge or virtual network that it is connected to.
    pub bridge: Option<String>,
    /// Whether Proxmox VE's firewall filters its traffic. Not touched on a card that is there, unless stated.
    #[arg(default = false)]
    pub firewall: bool,
    /// Whether its cable is pulled. Not touched on a card that is there, unless stated.
    #[arg(default = false)]
    pub link_down: bool,
    /// The MAC. A new card gets one from the server; one that is there keeps its own.
    pub mac: Option<String>,
    /// The model. Not touched on a card that is there, unless stated.
    #[arg(
        default = "virtio",
        choices = [
            "e1000", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "i82551", "i82557b", "i82559er", "ne2k_isa",
            "ne2k_pci", "pcnet", "rtl8139", "virtio", "vmxnet3",
        ]
    )]
    pub model: String,
    /// The MTU, for O(model=virtio) only; V(1) is the bridge's, V(0) takes the setting away.
    pub mtu: Option<u32>,
    /// How many packet queues, up to 64; V(0) takes the setting away.
    pub queues: Option<u32>,
    /// The most it may send, in MB/s; V(0) takes the limit away.
    pub rate: Option<f64>,
    /// The VLAN tag; V(0) takes it away.
    pub tag: Option<u32>,
    /// The VLANs that pass through. An empty list takes them away.
    pub trunks: Option<Vec<u32>>,
}

/// The module.
pub struct ProxmoxNic;

crate::module!(ProxmoxNic, "proxmox_nic");

impl Job for ProxmoxNic {
    type Args = NicArgs;
    type Notes = Told;

    fn connection(args: &NicArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, NicArgs>, cluster: &Cluster) -> Result<Planned<Told>, Failure> {
        let args = task.args;
        hold_interface(&args.interface)?;
        let named = vm(args.vmid, args.name.as_deref())?;
        let vm = named.config(cluster)?.there(&named, cluster)?;
        let have = Config::from_config(&vm.read);
        let stated = |option: &str| task.context.given(option);
        let deed = match args.state {
            State::Present => present(args, &vm.address, &have, &stated),
            State::Absent => absent(args, &vm.address, &have),
        };
        let deed = deed.map_err(|error| Failure::new(error.to_string()))?;
        Ok(deed.planned(&vm.address, vm.label()))
    }

    fn report(
        _task: &Task<'_, NicArgs>,
        told: Told,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        told.into()
    }
}

fn hold_interface(interface: &str) -> Result<(), Failure> {
    let number = interface.strip_prefix("net").map(str::parse::<u8>);
    match number {
        Some(Ok(number)) if number < CARDS => Ok(()),
        _ => Err(Failure::new(format!(
            "interface must be one of net0 to net{}, got: {interface}",
            CARDS - 1
        ))),
    }
}

fn present(
    args: &NicArgs,
    vm: &Address,
    have: &Config,
    stated: &dyn Fn(&str) -> bool,
) -> Result<Deed, Unwantable> {
    let had = have.get(&args.interface);
    let had = had.and_then(|had| PropertyString::parse(Kind::NET, had).ok());
    // What is off needs no word on a new card.
    let counts = |option: &str, on: bool| match had {
        Some(_) => stated(option),
        None => on,
    };
    let kept = had.as_ref().filter(|_| !counts("model", true));
    let model = kept.and_then(|had| had.get("model")).unwrap_or(&args.model);
    let mtu = args.mtu.filter(|mtu| *mtu > 0);
    let has_mtu = model == "virtio";
    let wanted = Want::Parts {
        set: card(args, counts, mtu.filter(|_| has_mtu))?.to_string(),
        unset: unset(args),
    };
    let deed = written(args, vm, have, wanted, ["unchanged", "updated"])?;
    Ok(match mtu {
        Some(_) if !has_mtu => deed.warns(format!(
            "{}: the mtu is not set, as only the model virtio has one; this card is {model}",
            args.interface
        )),
        _ => deed,
    })
}

fn absent(args: &NicArgs, vm: &Address, have: &Config) -> Result<Deed, Unwantable> {
    let gone = Want::Text(String::new());
    written(args, vm, have, gone, ["does not exist", "deleted"])
}

/// The deed that makes the card as it is wanted; `fates` tell of one that is so already, and of one that is not.
fn written(
    args: &NicArgs,
    vm: &Address,
    have: &Config,
    want: Want,
    fates: [&str; 2],
) -> Result<Deed, Unwantable> {
    let wanted = Wanted::from([(args.interface.clone(), want)]);
    let change = change(have, &wanted, Compared::Same)?;
    let fate = fates[usize::from(!change.is_empty())];
    let (interface, vmid) = (&args.interface, vm.vmid);
    let deed = Deed::says(format!("Nic {interface} {fate} on VM with vmid {vmid}"));
    Ok(deed.returns("vmid", vmid).does(Delta {
        steps: steps::configure(&vm.path(), &change).into_iter().collect(),
        before: change.before,
        after: change.after,
    }))
}

/// The card as far as it is stated. Whether the value of an option that has a default counts, `counts` says.
fn card(
    args: &NicArgs,
    counts: impl Fn(&str, bool) -> bool,
    mtu: Option<u32>,
) -> Result<PropertyString, Unwantable> {
    let number = |number: Option<u32>| number.filter(|number| *number > 0);
    let text = |number: u32| number.to_string();
    let switch = |on: bool| pve::wire::switch(on).to_owned();
    let told = |option: &str, on: bool| counts(option, on).then(|| switch(on));
    let trunks = args.trunks.as_ref().filter(|trunks| !trunks.is_empty());
    let pairs = [
        ("model", counts("model", true).then(|| args.model.clone())),
        ("macaddr", args.mac.clone()),
        ("bridge", args.bridge.clone()),
        ("firewall", told("firewall", args.firewall)),
        ("link_down", told("link_down", args.link_down)),
        ("mtu", mtu.map(text)),
        ("queues", number(args.queues).map(text)),
        (
            "rate",
            args.rate
                .filter(|rate| *rate > 0.0)
                .map(|rate| rate.to_string()),
        ),
        ("tag", number(args.tag).map(text)),
        (
            "trunks",
            trunks.map(|trunks| {
                trunks
                    .iter()
                    .map(u32::to_string)
                    .collect::<Vec<_>>()
                    .join(";")
            }),
        ),
    ];
    let stated = pairs
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    PropertyString::from_pairs(Kind::NET, stated).map_err(|error| Unwantable {
        key: args.interface.clone(),
        why: error.to_string(),
    })
}

/// What a zero or an empty list takes away.
fn unset(args: &NicArgs) -> Vec<&'static str> {
    [
        ("mtu", args.mtu == Some(0)),
        ("queues", args.queues == Some(0)),
        ("rate", args.rate.is_some_and(|rate| rate <= 0.0)),
        ("tag", args.tag == Some(0)),
        ("trunks", args.trunks.as_ref().is_some_and(Vec::is_empty)),
    ]
    .into_iter()
    .filter_map(|(key, goes)| goes.then_some(key))
    .collect()
}

#[cfg(test)]
mod tests;
