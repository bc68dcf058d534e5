# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that a module takes, made from its argument spec: what tests of all modules call them with."""

from __future__ import annotations

# What an option's name asks for, where not any text will do.
MEANT = {"disk": "scsi0", "interface": "net0", "path": "/vms/100", "ugid": "x@pve", "userid": "x@pve"}
# What a module wants beside what its argument spec says, or before it asks for something that not anyone may know.
BESIDES = {
    "proxmox_backup": {"storage": "nfs", "vmids": [101]},
    "proxmox_backup_schedule": {"vm_id": "101"},
    "proxmox_cloud_template": {"image": {"url": "https://example.org/a.qcow2", "checksum": "md5:" + 32 * "0"}},
    "proxmox_domain": {"ad_domain": "example.org", "ad_primary_server": "ad.example.org"},
    "proxmox_domain_info": {"domain": "office"},
    "proxmox_pool_member": {"members": [{"vm": "100"}]},
    "proxmox_sendkey": {"keys_send": ["ret"]},
    "proxmox_snap": {"vmid": "101"},
    "proxmox_snap_info": {"vmid": "101"},
    "proxmox_template": {"node": "pve1", "template": "xx.tar.gz"},
    "pveum_acl": {"roles": ["PVEAuditor"], "users": ["x@pve"]},
    "pveum_token": {"tokenid": "mms"},
}


def least(module, spec):
    """The fewest options that the argument check of a module lets pass, beside those of the connection."""
    return {**_least(spec["argument_spec"], spec), **BESIDES.get(module, {})}


def _least(options, rules):
    """The fewest of some options that their rules let pass; a sub-option's rules stand in the option."""
    names = {name for name, option in options.items() if option.get("required")}
    names |= {group[0] for group in rules.get("required_one_of") or () if names.isdisjoint(group)}
    chosen = {name: _value(name, options[name]) for name in names}
    for name, value, wanted, *any_of in rules.get("required_if") or ():
        if chosen.get(name, options[name].get("default")) == value:
            missing = [option for option in wanted if option not in chosen]
            if any_of == [True]:
                missing = missing[:1] if len(missing) == len(wanted) else []
            chosen |= {option: _value(option, options[option]) for option in missing}
    return chosen


def _value(name, option):
    """A value of the option's type."""
    if option.get("choices"):
        return option["choices"][0]
    kind = option.get("type", "str")
    if kind == "list":
        return [_value(name, {**option, "type": option.get("elements", "str")})]
    if kind == "dict":
        return _least(option.get("options") or {}, option)
    return {"int": 1, "float": 1.0, "bool": True}.get(kind, MEANT.get(name, "xx"))


def with_secrets(options, secret, chosen):
    """What was chosen, and the secret in every option that is never shown, those below others too."""
    chosen = dict(chosen)
    for name, option in options.items():
        below = option.get("options") or {}
        if option.get("no_log"):
            chosen[name] = secret
        elif with_secrets(below, secret, {}):
            entries = [with_secrets(below, secret, chosen_below) for chosen_below in _entries(name, option, chosen)]
            chosen[name] = entries if option["type"] == "list" else entries[0]
    return chosen


def _entries(name, option, chosen):
    """The entries of an option with sub-options: those chosen, else one with the fewest."""
    entries = chosen.get(name, _value(name, option))
    return entries if isinstance(entries, list) else [entries]
