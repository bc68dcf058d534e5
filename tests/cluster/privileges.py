# SPDX-License-Identifier: AGPL-3.0-or-later
"""Privileges and built-in roles of Proxmox VE 8.4 and 9.2, as both servers list them."""

_COMMON = """
Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit Group.Allocate Mapping.Audit
Mapping.Modify Mapping.Use Permissions.Modify Pool.Allocate Pool.Audit Realm.Allocate Realm.AllocateUser SDN.Allocate
SDN.Audit SDN.Use Sys.AccessNetwork Sys.Audit Sys.Console Sys.Incoming Sys.Modify Sys.PowerMgmt Sys.Syslog User.Modify
VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk
VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.Console VM.Migrate VM.PowerMgmt VM.Snapshot
VM.Snapshot.Rollback
""".split()
_ONLY_8 = ["VM.Monitor"]
_AGENT = ["VM.GuestAgent.Audit", "VM.GuestAgent.FileRead", "VM.GuestAgent.FileWrite"]
_ONLY_9 = _AGENT + ["VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.Unrestricted", "VM.Replicate"]

# What a Proxmox VE administrator's role (PVEAdmin) leaves to Administrator.
_NOT_PVEADMIN = {"Permissions.Modify", "Realm.Allocate", "Sys.AccessNetwork", "Sys.Incoming", "Sys.Modify",
                 "Sys.PowerMgmt"}


def privileges(major):
    """The names of all privileges of a major version, sorted."""
    return sorted(_COMMON + (_ONLY_8 if major < 9 else _ONLY_9))


def built_in_roles(major):
    """{role: set of privileges} of the special roles of a major version."""
    every = set(privileges(major))

    def of(*areas):
        return {name for name in every if name.startswith(areas)}

    agent = set(_AGENT) | {"VM.GuestAgent.FileSystemMgmt"} if major >= 9 else set()
    return {
        "Administrator": every,
        "NoAccess": set(),
        "PVEAdmin": every - _NOT_PVEADMIN,
        "PVEAuditor": {n for n in every if n.endswith(".Audit")},
        "PVEDatastoreAdmin": of("Datastore."),
        "PVEDatastoreUser": {"Datastore.AllocateSpace", "Datastore.Audit"},
        "PVEMappingAdmin": of("Mapping."),
        "PVEMappingUser": {"Mapping.Audit", "Mapping.Use"},
        "PVEPoolAdmin": of("Pool."),
        "PVEPoolUser": {"Pool.Audit"},
        "PVESDNAdmin": of("SDN."),
        "PVESDNUser": {"SDN.Audit", "SDN.Use"},
        "PVESysAdmin": {"Sys.Audit", "Sys.Console", "Sys.Syslog"},
        "PVETemplateUser": {"VM.Audit", "VM.Clone"},
        "PVEUserAdmin": {"Group.Allocate", "Realm.AllocateUser", "User.Modify"},
        "PVEVMAdmin": of("VM."),
        "PVEVMUser": {"VM.Audit", "VM.Backup", "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Console",
                      "VM.PowerMgmt"} | agent,
    }
