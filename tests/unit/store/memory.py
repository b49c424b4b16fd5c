# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""A Swift account in memory, with a clock that tests turn.

As much of Swift's behaviour as the catalog leans on; the same tests run on it and on a real one.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
import email.utils
import json
import threading
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.containers import Contents
from nova_swift_handler.store.etag import md5
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.store.ranges import Range

_OCTETS = "application/octet-stream"


@dataclasses.dataclass
class Object:
    """An object, or a manifest if it has entries, or a link if it has a target."""

    data: bytes
    etag: str
    size: int
    modified: float
    headers: Dict[str, str]
    entries: Optional[List[Entry]] = None
    target: str = ""
    delete_at: Optional[int] = None


class MemoryAccount(Account):
    """An account; every verb is one request, or as many as the real one makes.

    :ivar now: the cluster's time, seconds since 1970.
    :ivar objects: what is stored, expired objects too.
    """

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.objects: Dict[Tuple[str, str], Object] = {}
        self.there: Dict[str, Dict[str, str]] = {}
        self.lock = threading.RLock()

    def copied(self) -> MemoryAccount:
        """Return an account of its own with the same objects."""
        made = MemoryAccount()
        made.now = self.now
        made.objects = {key: copy.copy(value) for key, value in self.objects.items()}
        made.there = {key: dict(value) for key, value in self.there.items()}
        return made

    def request(self, verb: str, container: str, name: str = "") -> None:
        """Be called before each request."""

    @property
    def url(self) -> str:
        return "memory:"

    def info(self) -> Dict[str, Any]:
        return {}

    def head_account(self) -> Dict[str, str]:
        return {}

    def containers(self, prefix: str) -> Iterator[str]:
        self.request("GET", "")
        yield from sorted(name for name in self.there if name.startswith(prefix))

    def put_container(self, container: str, headers: Mapping[str, str]) -> None:
        self.request("PUT", container)
        kept = self.there.setdefault(container, {"x-timestamp": "%.5f" % self.now})
        kept.update({name.lower(): value for name, value in headers.items()})

    def delete_container(self, container: str) -> bool:
        self.request("DELETE", container)
        with self.lock:
            if any(where == container for where, _name in self.objects):
                return False
            self.there.pop(container, None)
            return True

    def head_container(self, container: str) -> Dict[str, str]:
        self.request("HEAD", container)
        self._container(container)
        sizes = self._sizes(container)
        return {"date": email.utils.formatdate(self.now, usegmt=True),
                "x-container-object-count": str(len(sizes)),
                "x-container-bytes-used": str(sum(sizes)), **self.there[container]}

    def put(self, container: str, name: str, data: bytes, content_type: str = _OCTETS,
            headers: Optional[Mapping[str, str]] = None) -> Stored:
        self.request("PUT", container, name)
        with self.lock:
            return self._put(container, name, bytes(data), content_type, headers)

    def put_stream(self, container: str, name: str, pieces: Iterable[Any]) -> Stored:
        data = b"".join(bytes(piece) for piece in pieces)
        return self.put(container, name, data)

    def put_manifest(self, container: str, name: str, entries: List[Entry],
                     content_type: str = _OCTETS,
                     headers: Optional[Mapping[str, str]] = None) -> Stored:
        self.request("PUT", container, name)
        with self.lock:
            for entry in entries:
                if entry.path is None:
                    continue
                found = self._named(entry.path)
                if found is None or found.size != entry.size or (
                        entry.etag not in (None, found.etag)):
                    raise exceptions.StoreError(
                        "PUT of the manifest of %s/%s: 400, %s" % (container, name, entry.path))
            entries = [dataclasses.replace(entry, etag=self._etag(entry)) for entry in entries]
            body = json.dumps([entry.as_json() for entry in entries]).encode()
            put = self._put(container, name, body, content_type, headers)
            made = self.objects[container, name]
            made.entries = entries
            made.size = sum(entry.length for entry in entries)
        self.request("HEAD", container, name)
        return Stored(put.etag, made.size)

    def symlink(self, container: str, name: str, target: str,
                headers: Optional[Mapping[str, str]] = None) -> None:
        self.request("PUT", container, name)
        with self.lock:
            self._put(container, name, b"", "application/symlink", headers)
            self.objects[container, name].target = target

    def headers(self, container: str, name: str, follow: bool = True) -> Dict[str, str]:
        self.request("HEAD", container, name)
        with self.lock:
            found = self._found("HEAD", container, name, follow)
            answer = {"etag": '"%s"' % found.etag, "content-length": str(found.size),
                      "last-modified": email.utils.formatdate(found.modified, usegmt=True),
                      **found.headers}
            if found.entries is not None:
                answer["x-static-large-object"] = "True"
            if found.delete_at is not None:
                answer["x-delete-at"] = str(found.delete_at)
            return answer

    def post(self, container: str, name: str, headers: Mapping[str, str]) -> None:
        self.request("POST", container, name)
        with self.lock:
            found = self._found("POST", container, name, follow=False)
            kept = {"content-type": headers.get("Content-Type", found.headers["content-type"])}
            found.headers, found.delete_at = self._headers(headers, kept)
            found.modified = self.now

    def manifest(self, container: str, name: str) -> List[Entry]:
        self.request("GET", container, name)
        with self.lock:
            found = self._found("GET", container, name)
            if found.entries is None:
                raise exceptions.StoreCorrupt("%s/%s: the object is not stitched"
                                              % (container, name))
            return list(found.entries)

    def get(self, container: str, name: str) -> bytes:
        self.request("GET", container, name)
        with self.lock:
            found = self._found("GET", container, name)
            if found.entries is not None:
                raise exceptions.StoreCorrupt("%s/%s: the bytes do not match the etag"
                                              % (container, name))
            return found.data

    def read(self, container: str, name: str) -> bytes:
        """Return the bytes of any object."""
        with self.lock:
            return self._read(self._found("GET", container, name))

    def read_into(self, container: str, name: str, offset: int, target: memoryview) -> None:
        self.request("GET", container, name)
        data = self.read(container, name)[offset:offset + len(target)]
        if len(data) != len(target):
            raise exceptions.StoreUnreachable("cut")
        target[:] = data

    def read_ranges(self, container: str, name: str, wanted: Sequence[Range]) -> None:
        for each in wanted:
            self.read_into(container, name, each.offset, each.target)

    def contents(self, container: str) -> Contents:
        rows = list(self.listing(container))
        return Contents(sum(self._sizes(container)), rows)

    def _sizes(self, container: str) -> List[int]:
        return [found.size if found.entries is None else 0
                for key, found in list(self.objects.items()) if key[0] == container]

    def listing(self, container: str, prefix: str = "",
                delimiter: Optional[str] = None) -> Iterator[Dict[str, Any]]:
        self.request("GET", container)
        with self.lock:
            self._container(container)
            rows = self._rows(container, prefix, delimiter)
        yield from rows

    def delete(self, container: str, name: str) -> None:
        self.request("DELETE", container, name)
        with self.lock:
            self.objects.pop((container, name), None)

    def expire(self) -> List[Tuple[str, str]]:
        """Remove everything that has a date of expiry, as if it had come; return what that was."""
        with self.lock:
            gone = [key for key, found in self.objects.items() if found.delete_at is not None]
            for key in gone:
                del self.objects[key]
        return gone

    def _rows(self, container: str, prefix: str,
              delimiter: Optional[str]) -> List[Dict[str, Any]]:
        rows: List[Dict[str, Any]] = []
        for (where, name), found in sorted(self.objects.items()):
            if where != container or not name.startswith(prefix):
                continue
            if delimiter and delimiter in name[len(prefix):]:
                subdir = prefix + name[len(prefix):].partition(delimiter)[0] + delimiter
                if {"subdir": subdir} not in rows:
                    rows.append({"subdir": subdir})
                continue
            modified = datetime.datetime.fromtimestamp(found.modified, datetime.timezone.utc)
            rows.append({"name": name, "hash": found.etag, "bytes": found.size,
                         "content_type": found.headers["content-type"],
                         "last_modified": modified.strftime("%Y-%m-%dT%H:%M:%S.%f")})
        return rows

    def _container(self, container: str) -> None:
        if container not in self.there:
            raise exceptions.ObjectMissing("container %s: 404" % container)

    def _put(self, container: str, name: str, data: bytes, content_type: str,
             headers: Optional[Mapping[str, str]]) -> Stored:
        self._container(container)
        own, delete_at = self._headers(headers or {}, {"content-type": content_type})
        etag = md5(data).hexdigest()
        self.objects[container, name] = Object(data, etag, len(data), self.now, own,
                                               delete_at=delete_at)
        return Stored(etag, len(data))

    def _headers(self, headers: Mapping[str, str],
                 kept: Dict[str, str]) -> Tuple[Dict[str, str], Optional[int]]:
        own, delete_at = dict(kept), None
        for name, value in headers.items():
            low = name.lower()
            if low == "x-delete-after":
                delete_at = int(self.now) + int(value)
            elif low == "x-delete-at":
                delete_at = int(value)
                if delete_at <= self.now:
                    raise exceptions.StoreError("400 X-Delete-At in past")
            elif low.startswith("x-object-meta-"):
                own[low] = value
        return own, delete_at

    def _found(self, verb: str, container: str, name: str, follow: bool = True) -> Object:
        found = self.objects.get((container, name))
        if found is None or (found.delete_at is not None and found.delete_at <= self.now):
            raise exceptions.ObjectMissing("%s of %s/%s: 404" % (verb, container, name))
        if follow and found.target:
            return self._found(verb, *found.target.lstrip("/").split("/", 1))  # type: ignore
        return found

    def _named(self, path: str) -> Optional[Object]:
        container, name = path.lstrip("/").split("/", 1)
        try:
            return self._found("HEAD", container, name)
        except exceptions.ObjectMissing:
            return None

    def _etag(self, entry: Entry) -> Optional[str]:
        if entry.path is None:
            return None
        found = self._named(entry.path)
        assert found is not None
        return found.etag

    def _read(self, found: Object) -> bytes:
        if found.entries is None:
            return found.data
        pieces = []
        for entry in found.entries:
            if entry.path is None:
                pieces.append(entry.data)
                continue
            named = self._named(entry.path)
            if named is None or named.etag != entry.etag:
                raise exceptions.StoreUnreachable("a stitched object was cut at %s" % entry.path)
            data = self._read(named)
            if entry.first is not None and entry.last is not None:
                data = data[entry.first:entry.last + 1]
            pieces.append(data)
        return b"".join(pieces)
