//! `proxmox_connectivity`: the way to the API and what waits at its end, by `/version`, `/access/permissions`,
//! `/cluster/resources` and `/cluster/status`.
//!
//! It is no [`Job`](crate::job::Job): where every other module fails at its first error, this one goes on and
//! tells what it found.

mod answer;
mod judge;
mod privileges;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ansible::{Args, Context, Failure, Module, Outcome, Spec};
use pve::access::permissions::Permissions;
use pve::cluster::resources::Resources;
use pve::diagnose::{self, Check};
use pve::transport::Way;
use pve::{Cluster, Error};
use serde_json::{Map, Value};

use crate::connection::Connection;
use crate::fault;
use judge::Finding;
use privileges::{Missing, Wanted};

/// The options of `proxmox_connectivity`.
#[derive(Args, Debug)]
pub struct ConnectivityArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// How many seconds to wait for an API that is coming up. Causes that do not pass by themselves, such as a
    /// wrong password, are not waited for.
    #[arg(default = 0)]
    pub wait: u32,
    /// The version of Proxmox VE that the server must have at least, such as V(8.4).
    pub min_version: Option<String>,
    /// Nodes that must be online.
    pub nodes: Vec<String>,
    /// Storages that must be active, on every online node that has them; with O(nodes), on those nodes.
    pub storages: Vec<String>,
    /// Privileges that the caller must have: a list, or a text with commas or blanks in between, for each ACL path.
    pub privileges: BTreeMap<String, Value>,
    /// Whether the task fails when a check does. Otherwise RV(passed) tells.
    #[arg(default = true)]
    pub fail: bool,
}

/// The module.
pub const MODULE: Module = Module {
    name: "proxmox_connectivity",
    documentation: include_str!("proxmox_connectivity.yml"),
    spec,
    run,
};

fn spec() -> Spec {
    Spec {
        supports_check_mode: true,
        ..ConnectivityArgs::spec()
    }
}

fn run(context: &Context, values: &Map<String, Value>) -> Result<Outcome, Failure> {
    let args = ConnectivityArgs::from_values(values)?;
    let wanted = Wanted::read(&args.privileges).map_err(Failure::new)?;
    let min_version = args
        .min_version
        .as_deref()
        .map(|text| {
            judge::version(text)
                .ok_or_else(|| Failure::new(format!("min_version `{text}` is not a version")))
        })
        .transpose()?;
    let way = args.connection.way(context)?;
    let wait = Duration::from_secs(args.wait.into());
    let report = diagnose::diagnose(&way, wait, context.interrupted());
    let mut examination = Examination {
        args: &args,
        all_paths: context.verbosity >= SHOW_ALL_PATHS,
        stages: match way {
            Way::Https(_) => &BY_NETWORK,
            Way::Pvesh(_) => &ON_THE_NODE,
        },
        report,
        found: Found::default(),
    };
    if examination.report.passed() {
        let cluster = Cluster::new(way.client());
        examination.behind_the_login(&cluster, min_version.as_deref(), &wanted);
    } else {
        examination.skip_the_rest(args.asked(&wanted));
    }
    examination.answer()
}

impl ConnectivityArgs {
    /// The checks behind the login, in their order.
    fn asked(&self, wanted: &Wanted) -> Vec<&'static str> {
        let asked = [
            ("min_version", self.min_version.is_some()),
            ("permissions", true),
            ("privileges", !wanted.is_empty()),
            ("nodes", true),
            ("quorum", true),
            ("storages", !self.storages.is_empty()),
        ];
        asked
            .into_iter()
            .filter_map(|(name, asked)| asked.then_some(name))
            .collect()
    }
}

/// The stages up to the login, which [`diagnose`](diagnose::diagnose) examines.
const BY_NETWORK: [&str; 7] = ["lookup", "tcp", "tls", "http", "login", "version", "clock"];
const ON_THE_NODE: [&str; 2] = ["pvesh", "version"];

/// The verbosity (`-vv`) at which the caller's privileges are told for every path.
const SHOW_ALL_PATHS: u8 = 2;

/// What is found behind the login.
#[derive(Default)]
struct Found {
    permissions: Option<Permissions>,
    resources: Option<Resources>,
    quorate: Option<bool>,
    missing: Vec<Missing>,
}

struct Examination<'a> {
    args: &'a ConnectivityArgs,
    /// Whether privileges are told for more than the paths that are asked about: an administrator has hundreds.
    all_paths: bool,
    /// The stages that there are on this way.
    stages: &'static [&'static str],
    report: diagnose::Report,
    found: Found,
}

impl Examination<'_> {
    fn behind_the_login(
        &mut self,
        cluster: &Cluster,
        min_version: Option<&[u32]>,
        wanted: &Wanted,
    ) {
        let args = self.args;
        if let Some((min_version, version)) = min_version.zip(self.report.version.clone()) {
            self.check("min_version", || {
                Ok(judge::at_least(&version.version, min_version))
            });
        }
        let (mut permissions, mut resources, mut quorate) = (None, None, None);
        let (mut asked, mut missing) = (wanted.is_empty().then(Permissions::new), Vec::new());
        self.check("permissions", || {
            Ok(judge::permissions(
                permissions.insert(cluster.permissions()?),
            ))
        });
        match self.report.identity.clone() {
            _ if wanted.is_empty() => {}
            Some(identity) if permissions.is_some() => self.check("privileges", || {
                let (has, lacks) = wanted.missing(cluster, &identity)?;
                asked = Some(has);
                missing = lacks;
                Ok(privileges::judge(&missing))
            }),
            _ => self.skip("privileges", "permissions"),
        }
        self.check("nodes", || {
            Ok(judge::nodes(
                &args.nodes,
                resources.insert(cluster.resources()?),
            ))
        });
        self.check("quorum", || {
            let quorum = cluster.quorum();
            quorate = quorum
                .as_ref()
                .ok()
                .and_then(|quorum| Some(quorum.as_ref()?.quorate));
            judge::quorum(quorum)
        });
        match &resources {
            _ if args.storages.is_empty() => {}
            Some(resources) => self.check("storages", || {
                Ok(judge::storages(&args.storages, &args.nodes, resources))
            }),
            None => self.skip("storages", "nodes"),
        }
        let all_paths = self.all_paths;
        let permissions = permissions.and_then(|mut all| {
            if all_paths {
                all.extend(asked.unwrap_or_default());
                Some(all)
            } else {
                asked
            }
        });
        self.found = Found {
            permissions,
            resources,
            quorate,
            missing,
        };
    }

    /// Runs a check and notes how it went.
    fn check(&mut self, name: &'static str, check: impl FnOnce() -> Result<Finding, Error>) {
        let began = Instant::now();
        let finding = check().unwrap_or_else(|error| {
            let hint = fault::details(&error).get("hint").cloned();
            let finding = Finding {
                hint: hint.and_then(|hint| Some(hint.as_str()?.to_owned())),
                ..Finding::bad(error.to_string())
            };
            self.report.error.get_or_insert(error);
            finding
        });
        self.report.checks.push(Check {
            name,
            ok: finding.ok,
            detail: finding.detail,
            hint: finding.hint,
            ms: (began.elapsed().as_secs_f64() * 1e6).round() / 1e3,
        });
    }

    fn skip(&mut self, name: &'static str, culprit: &str) {
        self.report.checks.push(Check {
            name,
            ok: None,
            detail: format!("skipped, as `{culprit}` failed"),
            hint: None,
            ms: 0.0,
        });
    }

    /// Where the way to the API is not clear, nothing behind it can be checked.
    fn skip_the_rest(&mut self, asked: Vec<&'static str>) {
        let Some(culprit) = self.report.failed().map(|check| check.name) else {
            return;
        };
        for name in self.stages.iter().copied().chain(asked) {
            if self.report.checks.iter().all(|check| check.name != name) {
                self.skip(name, culprit);
            }
        }
    }
}
