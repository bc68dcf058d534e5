# SPDX-License-Identifier: AGPL-3.0-or-later
"""The body of an upload: read as the server reads it, counted and hashed, never kept.

The server is strict about it, and so is this: a Content-Length, the fields before the file and in the order of FIELDS,
Content-Disposition as the first header of each part, and the file, under the name "filename", as the last one.
"""

import hashlib
import re
import uuid

from .answers import text_answer

FIELDS = ("content", "checksum-algorithm", "checksum")
HEAD_LIMIT = 4096


class Upload:
    """What came with an upload: its fields, and the size and digests of its file."""

    def __init__(self):
        self.fields, self.size, self.hashes = {}, 0, {}

    def add(self, data):
        self.size += len(data)
        for digest in self.hashes.values():
            digest.update(data)

    def digests(self):
        return {name: digest.hexdigest() for name, digest in self.hashes.items()}


def failed(text="upload failed"):
    return text_answer(501, text, text)


async def read_upload(request):
    """The upload that a request carries."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise failed("chunked transfer encoding not supported")
    boundary = re.search(r"boundary\s*=\s*(\S+?)\s*(?:[;,]|$)", request.headers.get("Content-Type", ""))
    if not boundary:
        raise failed()
    delimiter = b"--" + boundary.group(1).strip('"').encode()
    upload = Upload()
    rest = await _read_head(request, delimiter, upload)
    for name in {"sha256", upload.fields.get("checksum-algorithm", "sha256")} & hashlib.algorithms_available:
        upload.hashes[name] = hashlib.new(name)
    # The last bytes may be the end of the whole, so they wait for what follows them.
    held = len(delimiter) + 16
    async for data in request.content.iter_any():
        rest += data
        if len(rest) > held:
            upload.add(memoryview(rest)[:-held])
            rest = rest[-held:]
    end = re.search(rb"\r?\n" + re.escape(delimiter) + b"--", rest)
    if not end:
        raise failed()
    upload.add(rest[:end.start()])
    upload.fields["tmpfilename"] = f"/var/tmp/pveupload-{uuid.uuid4().hex}"
    return upload


async def _read_head(request, delimiter, upload):
    """Take the fields and the header of the file; the first bytes of the file."""
    start = re.compile(re.escape(delimiter) + rb'\r?\nContent-Disposition: form-data; name="([^"]*)"; '
                       rb'filename="([^"]+)"\r?\n(?:[^\r\n]+\r?\n)*\r?\n')
    head = b""
    while not (file := start.search(head)):
        data = await request.content.readany()
        if not data or len(head) > HEAD_LIMIT:
            raise failed()
        head += data
    if file.group(1) != b"filename":
        raise failed(f"wrong field name '{file.group(1).decode()}' for file upload, expected 'filename'")
    found = re.findall(re.escape(delimiter) + rb'\r?\nContent-Disposition: form-data; name="([^"]*)"\r?\n'
                       rb"(?:[^\r\n]+\r?\n)*\r?\n(.*)\r?\n", head[:file.start()])
    names = [name.decode() for name, _ in found]
    if [name for name in FIELDS if name in names] != names:
        raise failed()
    upload.fields = {name: value.decode().strip() for name, (_, value) in zip(names, found, strict=True)}
    upload.fields["filename"] = file.group(2).decode().strip()
    return head[file.end():]
