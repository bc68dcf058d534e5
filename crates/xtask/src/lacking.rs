//! What the overlay says for a plugin that neither Ferrox nor an original has.

use std::path::Path;

use crate::generate::Files;
use crate::yaml::Yaml;

/// The module that stands in for all that are lacking.
pub(crate) const NAME: &str = "lacking";
pub(crate) const MODULE: &str = "community.proxmox.lacking";

/// Its stub for ansible-doc, and the action that fails.
pub(crate) fn files(original: Option<&Path>) -> Files {
    Files::from([
        ("plugins/modules/lacking.py".into(), STUB.into()),
        ("plugins/action/lacking.py".into(), action(original)),
    ])
}

/// The action stands behind the name, whatever redirects led there.
pub(crate) fn route() -> (String, Yaml) {
    let route = vec![("action_plugin".into(), MODULE.into())];
    (NAME.into(), Yaml::Map(route))
}

/// What Ansible says when a plugin that is no module is asked for.
pub(crate) fn tombstone(kind: &str, name: &str, version: &str, original: Option<&Path>) -> Yaml {
    let text = reason(&format!("{kind} plugin {name}"), original);
    let entries = vec![
        ("removal_version".into(), version.into()),
        ("warning_text".into(), text.as_str().into()),
    ];
    Yaml::Map(vec![("tombstone".into(), Yaml::Map(entries))])
}

/// Why it fails, and what to do.
fn reason(what: &str, original: Option<&Path>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let why = match original {
        Some(path) => format!(
            "and {} does not have it either: install a release of community.proxmox that has it",
            path.display()
        ),
        None => "and was made without one: install community.proxmox".to_owned(),
    };
    format!(
        "ferrox.proxmox {version} does not have the {what} yet. The overlay that stands in for community.proxmox takes \
         what is lacking from an original, {why} and make the overlay again (make overlay \
         ORIGINAL=.../ansible_collections/community/proxmox), or leave the overlay out of the collections path."
    )
}

fn action(original: Option<&Path>) -> String {
    // A JSON string is a Python one too.
    let reason = serde_json::Value::from(reason("module MODULE", original));
    format!(
        "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n\
         # SPDX-License-Identifier: GPL-3.0-or-later\n\
         \"\"\"The action behind every module that is lacking.\"\"\"\n\n\
         from __future__ import annotations\n\n\
         from ansible.plugins.action import ActionBase\n\n\
         REASON = {reason}\n\n\n\
         class ActionModule(ActionBase):\n    \
             _supports_async = True\n    \
             _supports_check_mode = True\n\n    \
             def run(self, tmp=None, task_vars=None):\n        \
                 module = self._task.action.rpartition('.')[2]\n        \
                 return {{**super().run(tmp, task_vars), 'failed': True, 'msg': REASON.replace('MODULE', module)}}\n"
    )
}

const STUB: &str = r#"#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: lacking
short_description: Stands in for the modules that Ferrox does not have yet
description:
  - A name of community.proxmox leads here where neither Ferrox nor the collection from which the overlay was made has
    the module. The task fails and says so.
author:
  - The Ferrox authors (@ferrox)
options: {}
"""

EXAMPLES = r"""
---
"""

RETURN = r"""
---
"""
"#;
