//! `xtask overlay`: a collection that is called community.proxmox and leads to Ferrox.
//!
//! Playbooks that name community.proxmox run by Ferrox, unedited, where it
//! comes first in the collections path. It hides the original there, and with
//! it all that Ferrox lacks: that is linked from the original, or fails and says why.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ansible::Module;
use serde_json::Value;

use crate::generate::{Files, REQUIRES_ANSIBLE, at};
use crate::lacking;
use crate::original::Original;
use crate::yaml::Yaml;

/// The release of community.proxmox whose modules and options Ferrox takes on.
const TAKES_ON: &str = "2.1.0";

/// The names and options of that release's modules.
const SPECS: &str = "tests/parity/specs.json";

/// Modules that had another name before that release: old name, new name.
const RENAMED: [(&str, &str); 3] = [
    (
        "proxmox_cluster_firewall",
        "proxmox_cluster_firewall_options",
    ),
    ("proxmox_node_firewall", "proxmox_node_firewall_options"),
    (
        "proxmox_node_firewall_info",
        "proxmox_node_firewall_options_info",
    ),
];

/// Its plugins that are no modules, by kind.
const PLUGINS: [(&str, &str); 3] = [
    ("connection", "proxmox_pct_remote"),
    ("connection", "proxmox_qemu_api"),
    ("inventory", "proxmox"),
];

/// The folder of the collection below a collections path.
pub(crate) const COLLECTION: &str = "ansible_collections/community/proxmox";

/// Writes the overlay into a collections path, in the place of an older one.
pub(crate) fn write(
    root: &Path,
    modules: &[Module],
    collections: &Path,
    original: Option<&Path>,
) -> Result<String, Box<dyn Error>> {
    let original = original.map(Original::open).transpose()?;
    let overlay = Overlay::new(root, modules, original.as_ref())?;
    let home = collections.join(COLLECTION);
    if home.exists() {
        fs::remove_dir_all(&home).map_err(|error| at(&home, &error))?;
    }
    for (path, text) in overlay.files() {
        let place = with_folder(&home, &path)?;
        fs::write(&place, text).map_err(|error| at(&place, &error))?;
    }
    for (path, target) in &overlay.links {
        let place = with_folder(&home, path)?;
        symlink(target, &place).map_err(|error| at(&place, &error))?;
    }
    Ok(overlay.summary(&home))
}

/// What becomes of a name of community.proxmox.
#[derive(Debug, PartialEq)]
enum Fate {
    /// It leads to this plugin.
    Redirect(String),
    /// It is that of the original, in the file of this name.
    Link,
    /// It fails and says why.
    Lacking,
}

/// Where a module's name leads.
fn fate(name: &str, ours: &BTreeSet<&str>, original: &BTreeSet<String>) -> Fate {
    let now = RENAMED
        .iter()
        .find_map(|(old, new)| (*old == name).then_some(*new))
        .unwrap_or(name);
    if ours.contains(now) {
        Fate::Redirect(format!("ferrox.proxmox.{now}"))
    } else if original.contains(name) {
        Fate::Link
    } else if original.contains(now) {
        Fate::Redirect(format!("community.proxmox.{now}"))
    } else {
        Fate::Lacking
    }
}

/// What the overlay consists of.
struct Overlay {
    version: String,
    modules: BTreeMap<String, Fate>,
    plugins: Vec<(&'static str, &'static str, Fate)>,
    links: BTreeMap<PathBuf, PathBuf>,
    original: Option<PathBuf>,
}

impl Overlay {
    fn new(
        root: &Path,
        modules: &[Module],
        original: Option<&Original>,
    ) -> Result<Self, Box<dyn Error>> {
        let theirs = names(root)?;
        let none = BTreeSet::new();
        let linkable = original.map_or(&none, |original| &original.modules);
        // A later original may have modules of which Ferrox knows nothing.
        let ours = modules
            .iter()
            .map(|module| module.name)
            .filter(|name| theirs.contains(*name))
            .collect();
        let old = RENAMED.iter().map(|(old, _)| (*old).to_owned());
        let modules: BTreeMap<String, Fate> = theirs
            .iter()
            .cloned()
            .chain(old)
            .chain(linkable.iter().cloned())
            .map(|name| {
                let fate = fate(&name, &ours, linkable);
                (name, fate)
            })
            .collect();
        let mut links = BTreeMap::new();
        if let Some(original) = original {
            links.clone_from(&original.rest);
            for name in modules.keys().filter(|name| modules[*name] == Fate::Link) {
                let place = format!("plugins/modules/{name}.py");
                links.insert(place.into(), original.module(name)?);
            }
        }
        let mut plugins = Vec::new();
        for (kind, name) in PLUGINS {
            let file = Path::new("plugins").join(kind).join(format!("{name}.py"));
            plugins.push(if root.join(&file).is_file() {
                links.remove(&file);
                (kind, name, Fate::Redirect(format!("ferrox.proxmox.{name}")))
            } else if links.contains_key(&file) {
                (kind, name, Fate::Link)
            } else {
                (kind, name, Fate::Lacking)
            });
        }
        Ok(Self {
            version: format!("{TAKES_ON}+ferrox.{}", env!("CARGO_PKG_VERSION")),
            modules,
            plugins,
            links,
            original: original.map(|original| original.path.clone()),
        })
    }

    fn files(&self) -> Files {
        let mut files = Files::from([
            ("galaxy.yml".into(), self.galaxy()),
            ("README.md".into(), README.into()),
            ("meta/runtime.yml".into(), self.runtime()),
        ]);
        if !self.lacking().is_empty() {
            files.extend(lacking::files(self.original.as_deref()));
        }
        files
    }

    fn lacking(&self) -> Vec<&str> {
        let is_lacking = |(_, fate): &(&String, &Fate)| **fate == Fate::Lacking;
        let lacking = self.modules.iter().filter(is_lacking);
        lacking.map(|(name, _)| name.as_str()).collect()
    }

    fn galaxy(&self) -> String {
        let own = env!("CARGO_PKG_VERSION");
        let document = Yaml::Map(vec![
            ("namespace".into(), "community".into()),
            ("name".into(), "proxmox".into()),
            ("version".into(), self.version.as_str().into()),
            ("readme".into(), "README.md".into()),
            ("authors".into(), Yaml::texts(["The Ferrox authors"])),
            (
                "description".into(),
                "Leads playbooks written for community.proxmox to ferrox.proxmox".into(),
            ),
            ("license".into(), Yaml::texts(["GPL-3.0-or-later"])),
            (
                "dependencies".into(),
                Yaml::Map(vec![(
                    "ferrox.proxmox".into(),
                    format!(">={own}").as_str().into(),
                )]),
            ),
        ]);
        format!("---\n{}", document.to_text(0))
    }

    fn runtime(&self) -> String {
        let redirect = |to: &str| Yaml::Map(vec![("redirect".into(), to.into())]);
        let mut modules: Vec<(String, Yaml)> = Vec::new();
        for (name, fate) in &self.modules {
            let to = match fate {
                Fate::Redirect(to) => to,
                Fate::Lacking => lacking::MODULE,
                Fate::Link => continue,
            };
            modules.push((name.clone(), redirect(to)));
        }
        if !self.lacking().is_empty() {
            modules.push(lacking::route());
        }
        let mut routing: BTreeMap<&str, Vec<(String, Yaml)>> =
            BTreeMap::from([("modules", modules)]);
        for (kind, name, fate) in &self.plugins {
            let route = match fate {
                Fate::Redirect(to) => redirect(to),
                Fate::Lacking => {
                    lacking::tombstone(kind, name, &self.version, self.original.as_deref())
                }
                Fate::Link => continue,
            };
            let routes = routing.entry(kind).or_default();
            routes.push(((*name).to_owned(), route));
        }
        let routing = routing
            .into_iter()
            .map(|(kind, routes)| (kind.to_owned(), Yaml::Map(routes)));
        let group = vec![("proxmox".into(), Yaml::texts(self.modules.keys()))];
        let document = Yaml::Map(vec![
            ("requires_ansible".into(), REQUIRES_ANSIBLE.into()),
            ("action_groups".into(), Yaml::Map(group)),
            ("plugin_routing".into(), Yaml::Map(routing.collect())),
        ]);
        format!("---\n# Written by `make overlay`.\n{}", document.to_text(0))
    }

    /// What a person wants to know of the overlay that was written.
    fn summary(&self, home: &Path) -> String {
        let lacking = self.lacking();
        let linked = self.modules.values().filter(|fate| **fate == Fate::Link);
        let linked = linked.count();
        let redirected = self.modules.len() - linked - lacking.len();
        let home = home.display();
        let original = match &self.original {
            Some(path) => format!("{linked} are those of {}", path.display()),
            None => "there is no original".to_owned(),
        };
        let fail = if lacking.is_empty() {
            String::new()
        } else {
            format!("; these fail: {}", lacking.join(", "))
        };
        format!("{home}: {redirected} modules lead to ferrox.proxmox, {original}{fail}\n")
    }
}

const README: &str = "# community.proxmox, by Ferrox

This collection leads the names of community.proxmox to ferrox.proxmox, so that playbooks run by it as they are. It was
written by `make overlay` in a checkout of Ferrox. Make it again after an update of either: what Ferrox lacks is the
original's. Take it off the collections path, and the original is back.
";

/// The names of community.proxmox's modules.
fn names(root: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let text = fs::read_to_string(root.join(SPECS)).map_err(|error| at(SPECS, &error))?;
    let specs: Value = serde_json::from_str(&text)?;
    let modules = specs["modules"].as_object();
    let modules = modules.ok_or_else(|| format!("{SPECS} holds no modules"))?;
    Ok(modules.keys().cloned().collect())
}

/// A place in a folder that exists.
fn with_folder(home: &Path, path: &Path) -> Result<PathBuf, String> {
    let place = home.join(path);
    let folder = place.parent().unwrap_or(home);
    fs::create_dir_all(folder).map_err(|error: io::Error| at(folder, &error))?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Fate, fate};

    #[test]
    fn a_name_leads_to_ferrox_then_to_the_original_and_else_fails() {
        let ours = BTreeSet::from(["proxmox_role", "proxmox_cluster_firewall_options"]);
        let none = BTreeSet::new();
        // The names that the three had in 2.0, and those that they have since 2.1.
        let old = BTreeSet::from([
            "proxmox_role".to_owned(),
            "proxmox_node_firewall".to_owned(),
        ]);
        let new = BTreeSet::from(["proxmox_node_firewall_options".to_owned()]);
        let to = |name: &str| Fate::Redirect(name.to_owned());
        for (name, original, expected) in [
            ("proxmox_role", &none, to("ferrox.proxmox.proxmox_role")),
            ("proxmox_role", &old, to("ferrox.proxmox.proxmox_role")),
            (
                "proxmox_cluster_firewall",
                &none,
                to("ferrox.proxmox.proxmox_cluster_firewall_options"),
            ),
            ("proxmox_node_firewall", &none, Fate::Lacking),
            ("proxmox_node_firewall", &old, Fate::Link),
            (
                "proxmox_node_firewall",
                &new,
                to("community.proxmox.proxmox_node_firewall_options"),
            ),
            ("proxmox_node_firewall_options", &old, Fate::Lacking),
            ("proxmox_node_firewall_options", &new, Fate::Link),
        ] {
            assert_eq!(fate(name, &ours, original), expected, "{name}");
        }
    }
}
