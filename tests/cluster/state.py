# SPDX-License-Identifier: AGPL-3.0-or-later
"""The cluster's state as data: seeds and patches go in, GET /state comes out, in one form.

Keys: nodes {name: {online, network: [interface]}}, cluster (its name; null: the server stands alone), quorate,
storages {name: {option, volumes: {name: {content, format, size, vmid, ctime, notes, protected, node}}}},
pools {name: {comment, guests, storages}}, tasks [{node, type, id, user, starttime, endtime, status, log}],
guests [{vmid, kind, name, node, status, template, lock, ha, pool, config, snapshots, …}], roles {name: [privileges]},
users {id: {password, enable, expire, firstname, lastname, email, comment, keys, totp, tokens: {id: {secret, privsep,
expire, comment}}}}, groups {name: {users, comment}}, acl [{path, type, ugid, roleid, propagate, absent}],
realms {name: {type, …, password, directory}}, directories {host: {users: [name | {name, password, …}], groups: [{name,
members}], password, error}}, secs {create, clone, destroy, snapshot, delsnapshot, rollback, template, resize, move,
migrate, agent, backup, download, copy, refusal, ha, shutdown_timeout, lock_wait}, no_snapshots [storage], backup_jobs
{id: {setting}}, urls {url: {size, …}} and appliances {template: {…}} (transfers.py),
statistics ("auto" | "manual"), stale {vmid: {field: value}}, clock_skew (real seconds).
"""

import re
import time
import uuid

from fakepve.lxc import parse_size
from fakepve.qemu import SNAPSHOT_SKIP, drives_of, volume_ref

from .users import new_account

SECS = {"clone": "clone_secs", "resize": "resize_secs", "agent": "agent_secs", "refusal": "refusal_secs",
        "backup": "backup_secs", "download": "download_secs", "copy": "copy_secs",
        "ha": "ha_delay", "shutdown_timeout": "shutdown_default_timeout", "lock_wait": "lock_wait"}
# What a guest's entry may hold beside its config, and the attribute it sets.
GUEST_KEYS = {"start_secs", "stop_secs", "shutdown_secs", "clone_secs", "acpi", "start_error", "agent", "agent_secs",
              "agent_asks", "agent_hangs", "addresses", "qmpstatus", "backup_error", "backup_warning", "backup_secs"}


def _kept(data, area, there):
    """The named entries of an area that are not null; those that are null go."""
    entries = data.get(area, {})
    for name in [name for name, entry in entries.items() if entry is None]:
        there.pop(name, None)
    return [(name, entry) for name, entry in entries.items() if entry is not None]


def _numbers(fields):
    """A seed may say true and false; the API has 1 and 0."""
    return {key: int(value) if isinstance(value, bool) else value for key, value in fields.items()}


class State:
    """Mixin: apply_state() and state()."""

    def apply_state(self, data):
        """Merge a seed or a patch into the cluster; a guest that is there is changed, config keys of null go."""
        for name, options in data.get("nodes", {}).items():
            self.nodes.setdefault(name, {"online": True}).update(options)
        if "nodes" in data and data is self.seed and "pve1" not in data["nodes"]:
            del self.nodes["pve1"]
        self.quorate = data.get("quorate", self.quorate)
        self.statistics = data.get("statistics", self.statistics)
        self.clock_skew = data.get("clock_skew", self.clock_skew)
        for name, secs in data.get("secs", {}).items():
            if name in self.task_secs:
                self.task_secs[name] = secs
            if name not in self.task_secs or name in SECS:
                setattr(self, SECS[name], secs)
        self.no_snapshots = set(data.get("no_snapshots", self.no_snapshots))
        self.cluster_name = data.get("cluster", self.cluster_name)
        self.apply_storages(data.get("storages", {}))
        for entry in data.get("guests", ()):
            self._apply_guest(entry)
        self.apply_pools(data.get("pools", {}))
        self._apply_access(data)
        self.apply_tasks(data.get("tasks", ()))
        self.apply_backup_jobs(data.get("backup_jobs", {}))
        for area, there in (("urls", self.urls), ("appliances", self.appliances)):
            there.update(_kept(data, area, there))
        self.take_round()
        self.stale = {int(vmid): fields for vmid, fields in data.get("stale", {}).items()}

    def _apply_access(self, data):
        self.apply_realms(data)
        for name, privs in _kept(data, "roles", self.roles):
            self.roles[name] = set(privs.replace(",", " ").split() if isinstance(privs, str) else privs)
        for name, group in _kept(data, "groups", self.groups):
            was = self.groups.get(name, {"users": (), "comment": None})
            self.groups[name] = {**was, **group, "users": set(group.get("users", was["users"]))}
        for userid, fields in _kept(data, "users", self.accounts):
            account = self.accounts.setdefault(userid, new_account())
            account.update(_numbers({k: x for k, x in fields.items() if k != "tokens"}))
            for name, token in _kept(fields, "tokens", account["tokens"]):
                was = account["tokens"].get(name, {"privsep": 1, "expire": 0})
                account["tokens"][name] = {"secret": str(uuid.uuid4()), **was, **_numbers(token)}
        for e in data.get("acl", ()):
            key = (e["path"], e.get("type", "token" if "!" in e["ugid"] else "user"), e["ugid"], e["roleid"])
            if e.get("absent"):
                self.access_list.pop(key, None)
            else:
                self.access_list[key] = int(e.get("propagate", 1))
        self.access_changed()

    def _apply_guest(self, entry):
        guest = self.guest(entry["vmid"])
        if entry.get("absent"):
            if guest is not None:
                (self.vms if guest in self.vms else self.cts).remove(guest)
                self._pool_leave(guest.vmid)
            return
        config = entry.get("config", {})
        if guest is None:
            add = self.add_ct if entry.get("kind") == "lxc" else self.add_vm
            name = entry.get("name") or f"VM {entry['vmid']}"
            guest = add(entry["vmid"], name, node=entry["node"], status=entry.get("status", "stopped"),
                        template=bool(entry.get("template")), lock=entry.get("lock"), pool=entry.get("pool"),
                        config={k: x for k, x in config.items() if x is not None})
            if not entry.get("name") and entry.get("kind") != "lxc":
                guest.config.pop("name", None)
            self._register_disks(guest)
            self._long_up(guest)
        else:
            self._change_guest(guest, entry, config)
        if "ha" in entry:
            guest.ha_state = entry["ha"]
        for key in GUEST_KEYS & entry.keys():
            setattr(guest, key, entry[key])
        for name, snap in entry.get("snapshots", {}).items():
            self._apply_snapshot(guest, name, snap)

    def _change_guest(self, guest, entry, config):
        for key, value in config.items():
            guest.config.pop(key, None)
            if value is not None:
                guest.config[key] = value
        if "name" in entry:
            guest.config["name" if guest in self.vms else "hostname"] = entry["name"]
        if guest in self.vms:
            guest.name = guest.config.get("name") or f"VM {guest.vmid}"
        if "status" in entry:
            guest.status = entry["status"]
            guest.qmpstatus = entry["status"]
            self._long_up(guest)
        if "lock" in entry:
            self._qm_lock(guest, entry["lock"])
        if "node" in entry:
            guest.node = entry["node"]
        if entry.get("pending") is not None:
            guest.pending = dict(entry["pending"])
        if "pool" in entry:
            for members in self.pools.values():
                members.discard(guest.vmid)
            if entry["pool"]:
                self._pool_join(entry["pool"], guest.vmid)

    @staticmethod
    def _apply_snapshot(guest, name, snap):
        """A snapshot of the guest as it is, taken after those it has; null forgets one."""
        guest.snapshots.pop(name, None)
        if snap is not None:
            kept = {k: x for k, x in guest.config.items() if k not in SNAPSHOT_SKIP and not k.startswith("unused")}
            guest.snapshots[name] = {"snaptime": int(time.time()), **kept, **snap}
            guest.config["parent"] = name

    @staticmethod
    def _long_up(guest):
        """What runs in a seed or a patch has been running for a day, so its agent is up."""
        guest.started_at = time.time() - 86400 if guest.status == "running" else None

    def _register_disks(self, guest):
        """A seeded guest's disks are volumes of their storages, so that new names do not meet them."""
        of_vm = guest in self.vms
        disks = drives_of(guest.config) if of_vm else self.disks_of(guest, guest.config)
        unused = [(key, value, {}) for key, value in guest.config.items() if key.startswith("unused")]
        for _, volume, props in disks + unused:
            sid, name = volume_ref(volume)
            if sid in self.storages and name:
                size = parse_size(props.get("size") or 0) or 0
                linked = re.match(r"(?:\d+/)?base(?:vol)?-[^/]+(?=/)", name)
                self._volumes_of(sid).setdefault(name, {
                    **({"parent": f"{sid}:{linked[0]}"} if linked else {}),
                    "content": "images" if of_vm else "rootdir", "vmid": guest.vmid, "ctime": 0, "size": size,
                    "format": name.rpartition(".")[2] if "." in name else "raw"})

    # ----------------------------------------------------------------------------------- out

    def state(self):
        """The whole state; secrets are shown, as this is the test's own view."""
        return {
            "major": self.major, "version": self.version, "nodes": self.nodes, "quorate": self.quorate,
            "statistics": self.statistics, "time_scale": self.time_scale,
            "cluster": self.cluster_name, "storages": self.shown_storages(),
            "pools": self.shown_pools(), "backup_jobs": self.backup_jobs, "urls": self.urls,
            "appliances": self.appliances,
            "guests": [self._guest_state(guest) for guest in (*self.vms, *self.cts)],
            "roles": {name: sorted(privs) for name, privs in self.roles.items() if name not in self.special_roles},
            "realms": self.shown_realms(), "directories": self.directories, "users": self.accounts,
            "groups": {name: {**group, "users": sorted(group["users"])} for name, group in self.groups.items()},
            "acl": [{"path": path, "type": kind, "ugid": ugid, "roleid": role, "propagate": propagate}
                    for (path, kind, ugid, role), propagate in self.access_list.items()],
            "tasks": [{k: x for k, x in task.items() if k != "misread"} for task in self.tasklog],
        }

    @staticmethod
    def _guest_state(guest):
        return {"vmid": guest.vmid, "kind": guest.guest.partition("/")[0], "name": guest.name, "node": guest.node,
                "status": guest.status, "qmpstatus": getattr(guest, "qmpstatus", guest.status),
                "template": bool(guest.template), "lock": guest.lock, "ha": guest.ha_state, "pool": guest.pool,
                "config": guest.config, "pending": guest.pending, "snapshots": guest.snapshots,
                **({"keys": " ".join(guest.keys)} if getattr(guest, "keys", None) else {})}
