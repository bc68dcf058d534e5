# SPDX-License-Identifier: AGPL-3.0-or-later
"""Files that come to a storage: uploads, downloads by URL, appliances; and how volumes are removed.

Nothing is fetched: `urls` tells what there is, {url: {size, filename, mimetype, secs, any digest by its algorithm,
status: "404 Not Found" or error: text}}. A digest that is not told is that of the URL's own text.
"""

import hashlib
import re
import time

from fakepve import PveError, TaskError
from fakepve.routing import die, param_error, split_list

ALGORITHMS = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5")
EXTENSIONS = {"iso": (r"[^/]+\.(?:iso|img)", "wrong file extension"),
              "vztmpl": (r"[^/]+\.tar(?:\.(?:gz|xz|zst|bz2))?", "wrong file extension"),
              "import": (r"[a-zA-Z0-9\-.+=_]+\.(?:ova|qcow2|raw|vmdk)", "invalid filename or wrong extension")}
DIRECTORIES = {"iso": "template/iso", "vztmpl": "template/cache", "import": "import"}


def digest_of(thing, algorithm, text):
    """The digest of a file: as told, or made up of a text that stands for its contents."""
    return thing.get(algorithm) or hashlib.new(algorithm, text.encode()).hexdigest()


def checked_name(filename, content):
    """The name a file gets, with what no name may hold replaced."""
    name = re.sub(r"[^a-zA-Z0-9_.-]", "_", re.sub(r".*[/\\]", "", filename))
    pattern, fault = EXTENSIONS[content]
    if not re.fullmatch(pattern, name, re.IGNORECASE):
        raise param_error(filename=fault)
    return name


class Transfers:
    """Mixin: upload, download-url, query-url-metadata, aplinfo, DELETE of a volume."""

    def init_transfers(self):
        self.urls, self.appliances, self.received = {}, {}, {}

    def _own_routes_transfers(self):
        storage = "/nodes/{node}/storage/{storage}"
        return [("POST", storage + "/upload", self._take_upload), ("POST", storage + "/download-url", self._download),
                ("DELETE", storage + "/content/{volume}", self._remove_volume),
                ("GET", "/nodes/{node}/query-url-metadata", self._query_url),
                ("GET", "/nodes/{node}/aplinfo", self._list_appliances),
                ("POST", "/nodes/{node}/aplinfo", self._download_appliance)]

    # ------------------------------------------------------------------------------ volumes

    def _stand(self, node, name, volname):
        """The volume if it is there for a node, or None."""
        volume = self._volumes(name).get(volname)
        return volume if volume and self._stands_on(node, name, volume) else None

    def _arrive(self, node, name, content, filename, size, digests):
        """A file arrives at a storage, over the one that is there."""
        store, volname = self.storages[name], f"{content}/{filename}"
        if size > store.get("avail", float("inf")):
            raise TaskError("import failed: No space left on device")
        extension = filename.rpartition(".")[2]
        volume = {"content": content, "format": {"iso": "iso", "vztmpl": "t" + extension}.get(content, extension),
                  "size": size, "ctime": int(time.time()), "digests": digests}
        if not self.is_shared(name):
            was = self._volumes(name).get(volname)
            places = set(self._places(name, was)) if was else set()
            volume["node"] = sorted(places | {node})
        store.setdefault("volumes", {})[volname] = volume
        if "avail" in store:
            store["avail"] -= size

    def _places(self, name, volume):
        """The nodes on which a volume of a node's own storage is."""
        return [node for node in self.nodes if self._stands_on(node, name, volume)]

    async def _remove_volume(self, v, user):
        name, volname, volid, _, kind, owner, _ = self._volume_target(v)
        if kind == "backup" and owner:
            self.require(user, "/storage/" + name, "Datastore.AllocateSpace")
            self.require(user, f"/vms/{owner}", "VM.Backup")
        else:
            self.require(user, "/storage/" + name, "Datastore.Allocate")

        async def body():
            volume, volumes = self._stand(v["node"], name, volname), self.storages[name].get("volumes", {})
            if volume and volume.get("protected"):
                raise TaskError(f"cannot remove protected volume '{volname}' on '{name}'")
            elsewhere = [] if self.is_shared(name) or not volume else self._places(name, volume)
            if volume and elsewhere and elsewhere != [v["node"]]:
                volumes[volname] = {**volume, "node": [node for node in elsewhere if node != v["node"]]}
            elif volume:
                volumes.pop(volname, None)
                self.storages[name]["files"].discard(volname.removeprefix("iso/"))
            return f"Removed volume '{volid}'"

        upid = await self.task(v["node"], "imgdel", f"{owner}@{name}" if owner else name, user, body)
        record = self.tasks[upid]
        if not v.get("delay") or record["status"] != "stopped":
            return upid
        if record["exitstatus"] != "OK":
            raise die(record["exitstatus"])
        return None

    # ------------------------------------------------------------------------------ uploads

    async def _take_upload(self, v, user):
        upload = self.received.pop(v.get("tmpfilename"), None)
        name, content, store = v["storage"], v["content"], self._active_store(v["storage"], v["node"])
        if "path" not in store:
            raise die(f"can't upload to storage type '{store['type']}'")
        if upload is None:
            raise die("missing temporary file name")
        filename = checked_name(v["filename"], content)
        if content not in split_list(store.get("content")):
            raise die(f"storage '{name}' does not support '{content}' content")
        path, log = self._file_path(name, content, filename), [f"starting file import from: {v['tmpfilename']}"]

        async def body():
            await self.pause(self.copy_secs)
            if "checksum" in v:
                self._verify_digest(log, upload.digests()[v["checksum-algorithm"]], v["checksum"])
            log.extend([f"target node: {v['node']}", f"target file: {path}", f"file size is: {upload.size}",
                        f"command: cp -- {v['tmpfilename']} {path}"])
            self._arrive(v["node"], name, content, filename, upload.size, upload.digests())
            return "finished file import successfully"
        return await self.task(v["node"], "imgcopy", "", user, body, log=log)

    def _file_path(self, name, content, filename):
        return f"{self._base_path(name)}/{DIRECTORIES[content]}/{filename}"

    @staticmethod
    def _verify_digest(log, got, expected, more=""):
        if got.lower() != expected.lower():
            log.append("calculating checksum...")
            raise TaskError(f"checksum mismatch: got '{got}' != expect '{expected}'{more}")
        log.append("calculating checksum...OK, checksum verified")

    # ---------------------------------------------------------------------------- downloads

    async def _download(self, v, user):
        name, content, store = v["storage"], v["content"], self._active_store(v["storage"], v["node"])
        if "path" not in store:
            raise die(f"can't upload to storage type '{store['type']}', not a file based storage!")
        if content not in split_list(store.get("content")):
            raise die(f"storage '{name}' is not configured for content-type '{content}'")
        filename = checked_name(v["filename"], content)
        wanted = (v["checksum-algorithm"], v["checksum"]) if v.get("checksum") else None
        return await self._fetch(v["node"], user, name, content, filename, v["url"], self.urls.get(v["url"]), wanted)

    async def _fetch(self, node, user, name, content, filename, url, source, wanted):
        """Start the worker that downloads a file and refuses to put it over another."""
        path = self._file_path(name, content, filename)
        log = [f"downloading {url} to {path}"]

        async def body():
            there = self._stand(node, name, f"{content}/{filename}")
            if there:
                if not wanted:
                    raise TaskError(f"refusing to override existing file '{path}'")
                self._verify_digest(log, digest_of(there.get("digests", {}), wanted[0], filename), wanted[1], ", aborting")
                return "got correct file already, no need to download"
            found = source or {"error": "wget: unable to resolve host address"}
            await self.pause(found.get("secs", self.download_secs))
            fault = found.get("error") or found.get("status") and f"ERROR {found['status']}."
            if fault:
                log.append(fault)
                raise TaskError(f"download failed: {fault}")
            digests = {algorithm: digest_of(found, algorithm, url) for algorithm in ALGORITHMS}
            if wanted:
                self._verify_digest(log, digests[wanted[0]], wanted[1])
            self._arrive(node, name, content, filename, found.get("size", 1 << 20), digests)
            return f"download of '{url}' to '{path}' finished"
        return await self.task(node, "download", filename, user, body, log=log)

    async def _query_url(self, v, user):
        url = v["url"]
        found = self.urls.get(url, {"error": "unable to resolve host"})
        if "error" in found or "status" in found:
            status = found.get("status") or f"500 Can't connect to {url.split('/')[2]} ({found['error']})"
            raise PveError(500, f"invalid server response: '{status}'")
        named = re.fullmatch(r"[^?]+/([^?/]*)(?:\?.*)?", url)
        told = {"filename": found.get("filename") or (named.group(1) if named else None),
                "size": found.get("size", 1 << 20), "mimetype": found.get("mimetype", "application/octet-stream")}
        return {key: value for key, value in told.items() if value}

    # --------------------------------------------------------------------------- appliances

    def _appliance(self, name):
        entry = self.appliances[name]
        location = entry.get("location", f"http://download.proxmox.com/images/system/{name}")
        package, _, rest = name.partition("_")
        version, _, machine = rest.partition("_")
        return {"template": name, "package": package, "version": version, "os": package.rpartition("-")[0] or package,
                "architecture": machine.partition(".")[0], "type": "lxc", "section": "system", "headline": package,
                "description": package, "infopage": "https://linuxcontainers.org", "location": location,
                "source": "http://download.proxmox.com/images", "maintainer": "support@example.org",
                **{key: digest_of(entry, key.removesuffix("sum"), location) for key in ("sha512sum", "md5sum")},
                **{key: value for key, value in entry.items() if key not in ("size", "secs", "error", "status")}}

    async def _list_appliances(self, v, user):
        return [self._appliance(name) for name in self.appliances]

    async def _download_appliance(self, v, user):
        name, template = v["storage"], v["template"]
        if template not in self.appliances:
            raise param_error(template="no such template")
        store = self._active_store(name, v["node"])
        if "vztmpl" not in split_list(store.get("content")):
            raise die(f"storage '{name}' does not support templates")
        told = self._appliance(template)
        return await self._fetch(v["node"], user, name, "vztmpl", template, told["location"], self.appliances[template],
                                 ("sha512", told["sha512sum"]))
