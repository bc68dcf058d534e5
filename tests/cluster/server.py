# SPDX-License-Identifier: AGPL-3.0-or-later
"""The cluster: fakepve with our mixins before it, and how it is set back to its seed."""

import asyncio
import re

from fakepve import FakePve

from .access import Access
from .agent import Agent
from .backup_jobs import BackupJobs
from .cloudinit import CloudInit
from .faults import Faults
from .freshness import Freshness
from .groups import Groups
from .guests import Lookup
from .login import Login
from .lxc_config import LxcConfig
from .lxc_create import LxcCreate
from .lxc_volumes import LxcVolumes
from .nodes import Nodes
from .permissions import Permissions
from .pools import Pools
from .qemu_apply import QemuApply
from .qemu_clone import QemuClone
from .qemu_config import QemuConfig
from .qemu_create import QemuCreate
from .qemu_drives import QemuDrives
from .qemu_move import QemuMove
from .qemu_power import QemuPower
from .qemu_rights import QemuRights
from .realm_sync import RealmSync
from .realms import Realms
from .rules import Rules
from .snapshots import Snapshots
from .state import State
from .storages import Storages
from .task_list import TaskList
from .tasks import Tasks
from .transfers import Transfers
from .users import Users
from .volumes import Volumes
from .vzdump import Vzdump
from .wire import Wire

VERSIONS = {8: "8.4.21", 9: "9.2.11"}
AGENT = "/nodes/{node}/qemu/{vmid}/agent/"
TOKEN = "/access/users/{userid}/token/{tokenid}"
# The release that brought a parameter, where the oldest one that is played here lacks it.
SINCE = {("PUT", TOKEN): {"regenerate": (9, 1), "delete": (9, 0)},
         ("POST", "/access/domains"): {"audiences": (9, 1)}, ("PUT", "/access/domains/{realm}"): {"audiences": (9, 1)}}
TASK_SECS = {"create": 1, "clone": 2, "destroy": 0.5, "snapshot": 0.5, "delsnapshot": 0.5, "rollback": 1,
             "template": 0.5, "resize": 0.2, "move": 2, "migrate": 3}
UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"


class Cluster(Wire, Access, Users, Groups, Realms, RealmSync, Login, Rules, Permissions, Pools, Nodes, Storages,
              Transfers, Vzdump, BackupJobs,
              QemuCreate, QemuClone, QemuConfig, QemuApply, QemuDrives, QemuRights, QemuMove, QemuPower,
              LxcCreate, LxcConfig, LxcVolumes, Snapshots, Volumes,
              CloudInit, Agent, Freshness, Lookup, TaskList, Tasks, State, FakePve):
    """One fake cluster; `seed` is the state it starts from and returns to."""

    def __init__(self, seed, host="127.0.0.1", port=0, time_scale=0.0, major=None, version=None):
        self.seed, self.forced_version = seed, version or VERSIONS.get(major)
        self.log, self.faults = [], Faults()
        super().__init__(host=host, port=port)
        self._fresh(time_scale)

    def _fresh(self, time_scale):
        """All state as a new cluster with the seed has it."""
        self.version = self.forced_version or self.seed.get("version") or VERSIONS[self.seed.get("major", 9)]
        self.release_version = self.version.rpartition(".")[0]
        self.numbers = tuple(int(number) for number in self.release_version.split("."))
        self.major = self.numbers[0]
        self.time_scale = time_scale
        # PVE seconds: how long a refusal (401), a clone, a resize and the guest agent's start take.
        self.refusal_secs, self.clone_secs, self.resize_secs, self.agent_secs = 3, 2, 0.2, 5
        # The same for the backup of a guest, a download, and the copying of an upload into place.
        self.backup_secs, self.download_secs, self.copy_secs = 3, 5, 1
        # PVE seconds of the other tasks on guests, of VMs and containers.
        self.task_secs = self.ct_secs = {**TASK_SECS}
        # Storages that were told not to take snapshots.
        self.no_snapshots = set()
        # How far the nodes' clocks are ahead, in real seconds.
        self.clock_skew = 0
        self.challenges = {}
        self.released = asyncio.Event()
        self.init_guests()
        self.init_realms()
        self.init_users()
        self.init_permissions(self.major)
        self.init_tasks()
        self.init_freshness()
        self.init_transfers()
        self.init_backup_jobs()
        self.apply_state(self.seed)

    def reset(self):
        """Back to the seed: running tasks are cancelled, logins, faults and the log are forgotten."""
        self.forget_jobs()
        self.released.set()
        runner, host, port, scale = self.runner, self.host, self.port, self.time_scale
        self.log.clear()
        self.faults.waiting.clear()
        FakePve.__init__(self, host=host, port=port)
        self.runner = runner
        self._fresh(scale)

    # ----------------------------------------------------------- what the majors do differently

    def permissions_of(self, template, info):
        """The permission rule of a method in the cluster's major version."""
        if self.major < 9 and template.startswith(AGENT):
            return {"check": ["perm", "/vms/{vmid}", ["VM.Monitor"]]}
        return info.get("permissions")

    def errors_of(self, template, method, values, errors):
        """The schema's errors as the cluster's version finds and words them."""
        errors = {**errors, **{key: UNKNOWN for key, since in SINCE.get((method, template), {}).items()
                               if key in values and self.numbers < since}}
        if self.major >= 9:
            return errors
        return {key: re.sub("^missing property required by (.*)", r"missing property - \1 requires this property", text)
                for key, text in errors.items()}
