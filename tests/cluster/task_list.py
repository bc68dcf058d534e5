# SPDX-License-Identifier: AGPL-3.0-or-later
"""The lists of tasks: of a node with its filters, and of the cluster; tasks of before that a seed tells of."""

import re
import time

from fakepve.routing import split_list

from .answers import Total


def outcome(status):
    """What statusfilter calls the ending of a task; one that still runs has none."""
    if status in (None, "unexpected status"):
        return "unknown"
    if status == "OK":
        return "ok"
    return "warning" if re.fullmatch(r"WARNINGS: \d+", status) else "error"


class TaskList:
    """Mixin: GET /nodes/{node}/tasks and GET /cluster/tasks."""

    def _own_routes_task_list(self):
        return [("GET", "/nodes/{node}/tasks", self._list_node_tasks),
                ("GET", "/cluster/tasks", self._list_cluster_tasks)]

    def _listed_tasks(self, user, node=None):
        """The tasks a caller sees, newest first: his own, or all with Sys.Audit on the node."""
        return [t for t in reversed(self.tasklog) if node in (None, t["node"])
                and (self._task_owner(user, t) or self.allowed(user, "/nodes/" + t["node"], "Sys.Audit"))]

    async def _list_node_tasks(self, v, user):
        if v.get("errors"):
            outcomes = {"warning", "error", "unknown"}
        elif v.get("statusfilter") is not None:
            outcomes = {name.lower() for name in split_list(v["statusfilter"])}
        else:
            outcomes = {"ok", "warning", "error", "unknown"}
        running, ended = [], []
        for task in self._listed_tasks(user, v["node"]):
            if self._is_wanted(task, v, outcomes):
                (running if task["status"] == "running" else ended).append(task)
        found = {"archive": ended, "active": running}.get(v.get("source") or "archive", running + ended)
        start = v.get("start", 0)
        page = [self._listed(task) for task in found[start:start + v.get("limit", 50)]]
        return Total(page, len(found))

    @staticmethod
    def _is_wanted(task, v, outcomes):
        owner = task["user"].partition("!")[0]
        return (v.get("userfilter", "").lower() in owner.lower() and v.get("typefilter") in (None, task["type"])
                and v.get("vmid") in (None, int(task["id"]) if task["id"].isdigit() else task["id"])
                and v.get("since", 0) <= task["starttime"] <= v.get("until", task["starttime"])
                and outcome(task.get("exitstatus")) in outcomes)

    def _listed(self, task):
        view = self._task_view(task, True)
        return {**view, "status": "RUNNING"} if task["status"] == "running" else view

    async def _list_cluster_tasks(self, v, user):
        return [self._task_view(task, True) for task in self._listed_tasks(user)[:50]]

    def apply_tasks(self, entries):
        """Tasks of before, in the order of their start; the status "running" is for one that does not end."""
        for entry in entries:
            given = {"type": "vzdump", "id": "", "user": "root@pam", "status": "OK", "log": [], **entry}
            upid, _, now = self._upid(given["node"], given["type"], given["id"], given["user"])
            start = given.get("starttime", int(time.time()) - 3600)
            # The time stands in the UPID as well.
            upid = given.get("upid") or upid.replace(f":{now:08X}:", f":{start:08X}:")
            pid, pstart = (int(part, 16) for part in upid.split(":")[2:4])
            ended = {} if given["status"] == "running" else {
                "exitstatus": given.get("exitstatus", given["status"]), "endtime": given.get("endtime", start + 60)}
            task = {"upid": upid, "node": given["node"], "pid": pid, "pstart": pstart, "starttime": start,
                    "type": given["type"], "id": str(given["id"]), "user": given["user"], "log": list(given["log"]),
                    "status": "stopped" if ended else "running", **ended}
            if upid in self.tasks:
                self.tasklog.remove(self.tasks[upid])
            self.tasks[upid] = task
            self.tasklog.append(task)
        self.tasklog.sort(key=lambda task: task["starttime"])
