# SPDX-License-Identifier: AGPL-3.0-or-later
"""/cluster/backup: the scheduled backup jobs. Nothing runs by itself."""

import datetime
import re
import uuid

from fakepve import PveError
from fakepve.routing import die, param_error, split_list

from .vzdump import check_selection

ID = "/cluster/backup/{id}"
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# What goes in as a text of properties and comes out as an object.
OBJECTS = ("prune-backups", "fleecing", "performance")
# Read from /cluster/backup alone, which works it out for each answer.
NEXT_RUN = "next-run"


def days_of(text):
    """The days of the week of an event: a list with ranges; none means all."""
    days = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("..")
        first, last = WEEK.index(first), WEEK.index(last or first)
        days |= {day % 7 for day in range(first, (last if last >= first else last + 7) + 1)}
    return days or set(range(7))


def next_run(schedule, now=None):
    """When an event comes next, or None for what is no plain time of the day."""
    event = re.fullmatch(r"(?:((?:mon|tue|wed|thu|fri|sat|sun|[.,])+)\s+)?(\d{1,2}):(\d{2})", schedule or "")
    if not event:
        return None
    now = now or datetime.datetime.now(datetime.UTC)
    days, at = days_of(event.group(1) or ""), datetime.time(int(event.group(2)), int(event.group(3)), tzinfo=datetime.UTC)
    candidates = (datetime.datetime.combine(now.date() + datetime.timedelta(days=n), at) for n in range(8))
    return int(next(c for c in candidates if c > now and c.weekday() in days).timestamp())


def shown(job):
    """A job as it is read."""
    def told(key, value):
        if key not in OBJECTS or not isinstance(value, str):
            return value
        pairs = (part.partition("=") for part in value.split(","))
        return {name: int(text) if text.isdigit() else text for name, _, text in pairs}
    return {key: told(key, value) for key, value in job.items()}


class BackupJobs:
    """Mixin: backup jobs."""

    def init_backup_jobs(self):
        self.backup_jobs = {}

    def apply_backup_jobs(self, entries):
        """Jobs of a seed or a patch: null removes a job or one of its settings."""
        for name, options in entries.items():
            if options is None:
                self.backup_jobs.pop(name, None)
                continue
            job = self.backup_jobs.setdefault(name, {"type": "vzdump"})
            job.update(options)
            for key in [key for key, value in job.items() if value is None]:
                del job[key]

    def _own_routes_backup_jobs(self):
        return [("GET", "/cluster/backup", self._list_jobs), ("POST", "/cluster/backup", self._create_job),
                ("GET", ID, self._read_job), ("PUT", ID, self._update_job), ("DELETE", ID, self._delete_job)]

    async def _list_jobs(self, v, user):
        def coming(job):
            when = job.get(NEXT_RUN) or next_run(job.get("schedule"))
            return {NEXT_RUN: when} if when else {}
        return [{**shown(job), "id": name, **coming(job)} for name, job in self.backup_jobs.items()]

    async def _read_job(self, v, user):
        job = self.backup_jobs.get(v["id"])
        if job is None:
            raise param_error(id=f"No such job '{v['id']}'")
        return {key: value for key, value in {**shown(job), "id": v["id"]}.items() if key != NEXT_RUN}

    def _may_edit(self, user, storage):
        if user != "root@pam" and storage:
            self.require(user, "/storage/" + storage, "Datastore.Allocate")

    def _check_pool(self, user, v):
        if v.get("pool"):
            if v["pool"] not in self.pools:
                raise PveError(403, f"Permission check failed (pool '{v['pool']}' does not exist)")
            self.require(user, "/pool/" + v["pool"], "VM.Backup")

    @staticmethod
    def _scheduled(v, required=False):
        if "starttime" in v and "schedule" in v:
            raise param_error(starttime="'starttime' and 'schedule' cannot both be set")
        if required and "starttime" not in v and "schedule" not in v:
            raise param_error(schedule="neither 'starttime' nor 'schedule' were set")
        days, start = ",".join(split_list(v.pop("dow", ""))), v.pop("starttime", None)
        if start:
            v["schedule"] = start if days in ("", ",".join(WEEK)) else f"{days} {start}"

    async def _create_job(self, v, user):
        v = dict(v)
        self._may_set_backup_options(user, v)
        self._may_edit(user, v.get("storage") or (None if v.get("dumpdir") else "local"))
        self._check_pool(user, v)
        self._scheduled(v, required=True)
        name = v.pop("id", None) or str(uuid.uuid4())
        if name in self.backup_jobs:
            raise die(f"Job '{name}' already exists")
        check_selection(v)
        self.backup_jobs[name] = {"type": "vzdump", "enabled": 1, **v}

    async def _update_job(self, v, user):
        v = dict(v)
        name, delete = v.pop("id"), split_list(v.pop("delete", ""))
        self._may_set_backup_options(user, {**dict.fromkeys(delete, 1), **v})
        self._may_edit(user, v.get("storage") or ("local" if "storage" in delete else None))
        self._check_pool(user, v)
        self._scheduled(v)
        if not v and not delete:
            raise die("no options specified")
        check_selection(v, complete=False)
        if name not in self.backup_jobs:
            raise die("no such vzdump job")
        job = dict(self.backup_jobs[name])
        self._may_edit(user, job.get("storage") or (None if job.get("dumpdir") else "local"))
        job = {**{key: value for key, value in job.items() if key not in delete}, **v}
        if job.get("exclude") is not None and "pool" not in job:
            job["all"] = 1
        self._only_one_selection(job, v)
        check_selection(job)
        self.backup_jobs[name] = job

    @staticmethod
    def _only_one_selection(job, v):
        """What is said anew takes the place of how the guests were chosen before."""
        gone = ()
        if "vmid" in v:
            gone = ("all", "exclude", "pool")
        elif v.get("all"):
            gone = ("vmid", "pool")
        elif job.get("pool"):
            gone = ("vmid", "all", "exclude")
        for key in gone:
            job.pop(key, None)

    async def _delete_job(self, v, user):
        if self.backup_jobs.pop(v["id"], None) is None:
            # Raised inside the lock on the file, where a 400 becomes text.
            raise die(f"400 Parameter verification failed.\nid: No such job '{v['id']}'")
