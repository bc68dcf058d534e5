# SPDX-License-Identifier: AGPL-3.0-or-later
"""/storage and the volumes on it, as the servers list them."""

import random
import re

from fakepve import PveError
from fakepve.routing import split_list
from fakepve.storage import SENSITIVE

# Storages that all nodes share by their nature.
SHARED = ("cephfs", "cifs", "esxi", "iscsi", "iscsidirect", "nfs", "pbs", "rbd", "zfs")
ARCHIVE = re.compile(r"backup/vzdump-(qemu|lxc|openvz)-(\d+)-.*?\.((?:vma|tar)(?:\.\w+)?)")


def in_any_order(text):
    """A comma list as a server that keeps it in a hash prints it."""
    parts = text.split(",")
    return ",".join(random.sample(parts, len(parts)))


class Storages:
    """Mixin: the configuration of storages and the list of what is on them."""

    def is_shared(self, name):
        store = self.storages[name]
        return bool(store.get("shared") or store.get("type") in SHARED)

    def storage_config(self, name):
        config = {key: value for key, value in super().storage_config(name).items() if key not in SENSITIVE}
        for key in {"content", "nodes"} & config.keys():
            config[key] = in_any_order(config[key])
        return {**config, **({"shared": 1} if self.is_shared(name) else {})}

    async def _sc_delete(self, v, user):
        """Its entries in the access list go with it."""
        await super()._sc_delete(v, user)
        self.drop_entries(lambda key: key[0] == "/storage/" + v["storage"])

    def apply_storages(self, entries):
        """Storages of a seed or a patch; null removes one, of its volumes and options null removes one as well."""
        for name, options in entries.items():
            if options is None:
                self.storages.pop(name, None)
                continue
            store = self.storages.setdefault(name, {"active": 1, "files": set(), "volumes": {}})
            # A state that was told names its volumes only; those of guests are known by their disks.
            volumes = options.get("volumes", {})
            store.setdefault("volumes", {}).update(volumes if isinstance(volumes, dict) else {})
            store.update({key: set(value) if key == "files" else value for key, value in options.items()
                          if key != "volumes"})
            for place in (store["volumes"], store):
                for key in [key for key, value in place.items() if value is None]:
                    del place[key]

    def shown_storages(self):
        """The storages in the form of the state, their volumes by name."""
        return {name: {**{key: value for key, value in store.items() if key not in ("files", "volumes")},
                       "volumes": sorted({*store.get("volumes", ()), *("iso/" + file for file in store["files"])})}
                for name, store in self.storages.items()}

    def _stands_on(self, node, name, volume):
        """A volume of a node's own storage is on the node of its guest, or on the one that the state says."""
        if self.is_shared(name):
            return True
        guest = self.guest(volume.get("vmid"))
        places = volume.get("node", guest.node if guest and volume["content"] in ("images", "rootdir") else node)
        return node in ([places] if isinstance(places, str) else places)

    async def _content_list(self, v, user):
        name, node = v["storage"], v["node"]
        kept = split_list(self._active_store(name, node).get("content"))
        listed = []
        for volname, volume in self._volumes(name).items():
            archive = ARCHIVE.fullmatch(volname)
            if archive:
                volume = {"vmid": int(archive.group(2)), "subtype": archive.group(1), **volume,
                          "format": volume.get("format") or archive.group(3)}
            if volume["content"] not in kept or v.get("content") not in (None, volume["content"]) \
                    or v.get("vmid") not in (None, volume.get("vmid")) or not self._stands_on(node, name, volume):
                continue
            try:
                self._check_access(user, name, volume["content"], volume.get("vmid"), f"{name}:{volname}")
            except PveError:
                continue
            more = {key: volume[key] for key in ("subtype", "parent", "verification", "encrypted") if key in volume}
            listed.append({**self._item(name, volname, volume), **more})
        return listed
