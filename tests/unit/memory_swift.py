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

"""A Swift in memory, for tests that need thousands of requests: no server, no HTTP, no waiting.

It keeps what matters here of the real one: manifests are checked when they are put and each time
they are read, an object with a date of expiry is gone when that has come, a POST takes away the
metadata that it does not say again, and ranges beyond an object's end are cut in silence.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account, Stored, md5
from nova_swift_handler.store.manifest import Entry

ABILITIES = Abilities(
    ranges=True, inline_data=True, nested=True, nested_ranges=True, symlinks=True, tempurl=False,
    tempurl_digest="", max_entries=1000, max_manifest=8 * 2 ** 20, max_object=5 * 2 ** 30, depth=5)

POOR = Abilities(
    ranges=False, inline_data=False, nested=True, nested_ranges=False, symlinks=False,
    tempurl=False, tempurl_digest="", max_entries=1000, max_manifest=8 * 2 ** 20,
    max_object=5 * 2 ** 30, depth=5)
"""What Ceph's gateway can do at best."""


class Object:
    """An object: bytes, or what it is stitched from."""

    def __init__(self, data: bytes, entries: Optional[List[Entry]], etag: str, size: int,
                 headers: Dict[str, str], content_type: str) -> None:
        self.data = data
        self.entries = entries
        self.etag = etag
        self.size = size
        self.headers = headers
        self.content_type = content_type
        self.modified = 0


class MemoryAccount(Account):
    """An account that is nowhere but in this process.

    :ivar time: seconds since 1970 by its clock; only tests move it.
    :ivar before: called with (verb, container, name) before each request; what it raises is the
        request's answer.
    :ivar after: the same, when it is done.
    """

    def __init__(self) -> None:
        self.time = 1_800_000_000
        self.containers_: Dict[str, Dict[str, Object]] = {}
        self.before: Callable[[str, str, str], None] = lambda verb, container, name: None
        self.after: Callable[[str, str, str], None] = lambda verb, container, name: None
        self._lock = threading.RLock()

    # -- for tests ----------------------------------------------------------------------------

    def names(self, container: str, prefix: str = "") -> List[str]:
        """Return the names of the objects that are there, without a request."""
        with self._lock:
            objects = self.containers_.get(container, {})
            return sorted(name for name in list(objects)
                          if name.startswith(prefix) and self._alive(container, name))

    def pick(self, container: str, name: str) -> Object:
        """Return an object as it is kept, without a request."""
        return self._object(container, name)

    # -- Account's verbs ----------------------------------------------------------------------

    @property
    def url(self) -> str:
        return "memory:"

    def info(self) -> Dict[str, Any]:
        return {}

    def clock(self, container: str) -> datetime.datetime:
        return email.utils.parsedate_to_datetime(self.head_container(container)["date"])

    def put_container(self, container: str, headers: Mapping[str, str]) -> None:
        with self._request("PUT", container, ""):
            self.containers_.setdefault(container, {})

    def head_container(self, container: str) -> Dict[str, str]:
        with self._request("HEAD", container, ""):
            if container not in self.containers_:
                raise exceptions.ObjectMissing("no container %s" % container)
            return {"date": self._date(), "x-timestamp": str(self.time)}

    def containers(self, prefix: str) -> Iterator[str]:
        with self._request("GET", "", ""):
            found = sorted(name for name in self.containers_ if name.startswith(prefix))
        yield from found

    def put(self, container: str, name: str, data: bytes, content_type: str = "",
            headers: Optional[Mapping[str, str]] = None) -> Stored:
        with self._request("PUT", container, name):
            return self._keep(container, name, Object(
                bytes(data), None, str(md5(data).hexdigest()), len(data), _lower(headers),
                content_type))

    def put_stream(self, container: str, name: str, pieces: Iterable[Any]) -> Stored:
        # Not locked while the pieces come: other segments are sent meanwhile.
        data = b"".join(bytes(piece) for piece in pieces)
        return self.put(container, name, data)

    def put_manifest(self, container: str, name: str, entries: List[Entry],
                     content_type: str = "",
                     headers: Optional[Mapping[str, str]] = None) -> Stored:
        with self._request("PUT", container, name):
            if not any(entry.path for entry in entries):
                raise exceptions.StoreError("400: a manifest of no objects")
            if sum(entry.path is not None for entry in entries) > ABILITIES.max_entries:
                raise exceptions.StoreError("413: too many entries")
            full = []
            for entry in entries:
                if entry.path is None:
                    full.append(entry)
                    continue
                found = self._named(entry)
                if entry.size != found.size or entry.etag not in (None, found.etag):
                    raise exceptions.StoreError("400: %s is not what it was" % entry.path)
                full.append(Entry(entry.path, found.etag, found.size, entry.first, entry.last))
            return self._keep(container, name, Object(
                b"", full, _stitched_etag(full), sum(entry.length for entry in full),
                _lower(headers), content_type))

    def headers(self, container: str, name: str, follow: bool = True) -> Dict[str, str]:
        with self._request("HEAD", container, name):
            found = self._object(container, name, follow)
            return {"etag": '"%s"' % found.etag if found.entries else found.etag,
                    "content-length": str(found.size), "content-type": found.content_type,
                    "date": self._date(), "x-timestamp": str(found.modified),
                    "last-modified": email.utils.formatdate(found.modified, usegmt=True),
                    **({"x-static-large-object": "True"} if found.entries else {}),
                    **found.headers}

    def post(self, container: str, name: str, headers: Mapping[str, str]) -> None:
        with self._request("POST", container, name):
            found = self._object(container, name, follow=False)
            kept = {key: value for key, value in found.headers.items()
                    if key == "x-symlink-target"}
            given = _lower(headers)
            given.pop("x-remove-delete-at", None)
            found.headers = {**kept, **self._dated(given)}
            found.modified = self.time

    def symlink(self, container: str, name: str, target: str,
                headers: Optional[Mapping[str, str]] = None) -> None:
        self.put(container, name, b"", "application/symlink",
                 {**(headers or {}), "x-symlink-target": target})

    def manifest(self, container: str, name: str) -> List[Entry]:
        with self._request("GET", container, name):
            found = self._object(container, name)
            if found.entries is None:
                raise exceptions.StoreCorrupt("the object is not stitched")
            return list(found.entries)

    def get(self, container: str, name: str) -> bytes:
        with self._request("GET", container, name):
            return self._bytes(self._object(container, name))

    def read_into(self, container: str, name: str, offset: int, target: memoryview) -> None:
        with self._request("GET", container, name):
            found = self._object(container, name)
        data = self._bytes(found)[offset:offset + len(target)]
        if len(data) != len(target):
            raise exceptions.StoreError("the object ends before byte %d" % (offset + len(target)))
        target[:] = data

    def listing(self, container: str, prefix: str = "",
                delimiter: Optional[str] = None) -> Iterator[Dict[str, Any]]:
        assert delimiter in (None, "/")
        with self._request("GET", container, ""):
            if container not in self.containers_:
                raise exceptions.ObjectMissing("no container %s" % container)
            rows: List[Dict[str, Any]] = []
            for name in self.names(container, prefix):
                rest = name[len(prefix):]
                if delimiter and delimiter in rest:
                    subdir = prefix + rest.partition(delimiter)[0] + delimiter
                    if not rows or rows[-1].get("subdir") != subdir:
                        rows.append({"subdir": subdir})
                    continue
                found = self.containers_[container][name]
                rows.append({"name": name, "bytes": found.size, "hash": found.etag,
                             "content_type": found.content_type,
                             "last_modified": datetime.datetime.fromtimestamp(
                                 found.modified, datetime.timezone.utc).strftime(
                                     "%Y-%m-%dT%H:%M:%S.%f")})
        yield from rows

    def delete(self, container: str, name: str) -> None:
        with self._request("DELETE", container, name):
            self.containers_.get(container, {}).pop(name, None)

    # -- within -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _request(self, verb: str, container: str, name: str) -> Iterator[None]:
        self.before(verb, container, name)
        with self._lock:
            yield
        self.after(verb, container, name)

    def _date(self) -> str:
        return email.utils.formatdate(self.time, usegmt=True)

    def _dated(self, headers: Dict[str, str]) -> Dict[str, str]:
        after = headers.pop("x-delete-after", None)
        if after is not None:
            headers["x-delete-at"] = str(self.time + int(after))
        return headers

    def _keep(self, container: str, name: str, made: Object) -> Stored:
        if container not in self.containers_:
            raise exceptions.ObjectMissing("no container %s" % container)
        made.modified = self.time
        made.headers = self._dated(made.headers)
        self.containers_[container][name] = made
        return Stored(made.etag, made.size)

    def _alive(self, container: str, name: str) -> bool:
        found = self.containers_.get(container, {}).get(name)
        if found is not None and int(found.headers.get("x-delete-at", self.time + 1)) <= self.time:
            del self.containers_[container][name]
            return False
        return found is not None

    def _object(self, container: str, name: str, follow: bool = True) -> Object:
        with self._lock:
            if not self._alive(container, name):
                raise exceptions.ObjectMissing("404: %s/%s" % (container, name))
            found = self.containers_[container][name]
            target = found.headers.get("x-symlink-target")
            if follow and target:
                return self._object(*_split(target))
            return found

    def _named(self, entry: Entry) -> Object:
        assert entry.path is not None
        return self._object(*_split(entry.path))

    def _bytes(self, found: Object) -> bytes:
        if found.entries is None:
            return found.data
        pieces = []
        for entry in found.entries:
            if entry.path is None:
                pieces.append(entry.data)
                continue
            try:
                part = self._named(entry)
            except exceptions.ObjectMissing as error:
                raise exceptions.StoreError("409: %s" % error) from error
            if (part.etag, part.size) != (entry.etag, entry.size):
                raise exceptions.StoreError("409: %s is not what it was" % entry.path)
            data = self._bytes(part)
            pieces.append(data if entry.first is None or entry.last is None
                          else data[entry.first:entry.last + 1])
        return b"".join(pieces)


def _stitched_etag(entries: List[Entry]) -> str:
    text = []
    for entry in entries:
        etag = entry.etag or md5(entry.data).hexdigest()
        text.append("%s:%s-%s;" % (etag, entry.first, entry.last)
                    if entry.first is not None else etag)
    return str(md5("".join(text).encode("ascii")).hexdigest())


def _split(path: str) -> Tuple[str, str]:
    container, _, name = path.lstrip("/").partition("/")
    return container, name


def _lower(headers: Optional[Mapping[str, str]]) -> Dict[str, str]:
    return {key.lower(): value for key, value in (headers or {}).items()}
