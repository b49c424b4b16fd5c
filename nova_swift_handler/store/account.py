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

"""The verbs this package needs of a Swift account's objects, each checking what came of it."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import swiftclient.client as swift

from nova_swift_handler import exceptions, tally
from nova_swift_handler.store import ranges
from nova_swift_handler.store.containers import ContainerVerbs
from nova_swift_handler.store.etag import md5
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.store.stream import ObjectStream

_PIECE = 1024 * 1024
_SMALL = 64 * 1024 * 1024
"""Bytes of the largest object that :meth:`Account.get` takes into memory."""

_OCTETS = "application/octet-stream"
JSON = "application/json"


class Stored(NamedTuple):
    """An object as Swift acknowledged it.

    :ivar etag: MD5 of its bytes; of a static large object, of its segments' etags.
    :ivar size: bytes.
    """

    etag: str
    size: int


class Account(ContainerVerbs):
    """A Swift account: the verbs of objects, and those of containers.

    Every verb raises ``StoreError`` or one of its kin: ``ObjectMissing`` for what is not there,
    ``StoreAuthFailed``, and ``StoreUnreachable`` when retries did not help.
    """

    _one_by_one = False
    """Whether Swift was seen not to answer several ranges at once."""

    def put(self, container: str, name: str, data: bytes, content_type: str = _OCTETS,
            headers: Optional[Mapping[str, str]] = None) -> Stored:
        """Store *data* as one object.

        :param headers: more headers, such as X-Delete-After or X-Object-Meta-...
        """
        etag = md5(data).hexdigest()
        what = _what("PUT", container, name)
        got = self._conn.repeat(what, lambda **auth: swift.put_object(
            container=container, name=name, contents=data, etag=etag,
            content_type=content_type, headers=dict(headers or {}), **auth))
        if got != etag:
            raise exceptions.StoreCorrupt("%s: Swift stored bytes of etag %s, sent were %s"
                                          % (what, got, etag))
        return Stored(etag, len(data))

    def put_json(self, container: str, name: str, value: Any,
                 headers: Optional[Mapping[str, str]] = None,
                 content_type: str = JSON) -> Stored:
        """Store *value* as JSON, keys sorted; *headers* as :meth:`put` takes them."""
        data = json.dumps(value, sort_keys=True, indent=1).encode("utf-8")
        return self.put(container, name, data, content_type, headers)

    def put_stream(self, container: str, name: str, pieces: Iterable[Any]) -> Stored:
        """Store the bytes of *pieces* as one object; their number need not be known.

        Cannot be repeated, so is not.  Swift keeps nothing of a request that was cut.

        :raises StoreCorrupt: other bytes arrived than were sent.  The object is removed, lest the
            next upload takes it for what it should have been.
        """
        digest, size = md5(b""), 0

        def counted() -> Iterator[Any]:
            nonlocal size
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                yield piece

        what = _what("PUT", container, name)
        got = self._conn.once(what, lambda **auth: swift.put_object(
            container=container, name=name, contents=counted(),
            content_type=_OCTETS, **auth))
        if got != digest.hexdigest():
            with contextlib.suppress(exceptions.StoreError):
                self.delete(container, name)
            raise exceptions.StoreCorrupt("%s: Swift stored bytes of etag %s, sent were %s"
                                          % (what, got, digest.hexdigest()))
        return Stored(got, size)

    def put_manifest(self, container: str, name: str, entries: List[Entry],
                     content_type: str = _OCTETS,
                     headers: Optional[Mapping[str, str]] = None) -> Stored:
        """Store a static large object made of *entries*, and check that it is as long as they.

        Swift looks each named object up before it accepts the manifest; ranges beyond an
        object's end it cuts in silence, hence the check of the size.

        :param headers: as :meth:`put` takes them.
        """
        body = json.dumps([entry.as_json() for entry in entries]).encode("utf-8")
        what = _what("PUT of the manifest", container, name)
        self._conn.repeat(what, lambda **auth: swift.put_object(
            container=container, name=name, contents=body, content_type=content_type,
            headers=dict(headers or {}), query_string="multipart-manifest=put", **auth))
        stored = self.head(container, name)
        size = sum(entry.length for entry in entries)
        if stored.size != size:
            raise exceptions.StoreCorrupt(
                "%s: the stitched object has %d bytes where its parts have %d; this Swift may not "
                "support ranges in static large objects" % (what, stored.size, size))
        return stored

    def head(self, container: str, name: str) -> Stored:
        """Return etag and size of an object."""
        headers = self.headers(container, name)
        return Stored(headers["etag"].strip('"'), int(headers["content-length"]))

    def headers(self, container: str, name: str, follow: bool = True) -> Dict[str, str]:
        """Return an object's headers, names in lower case.

        :param follow: of a symlink, those of what it leads to; else its own.
        """
        query = {} if follow else {"query_string": "symlink=get"}
        return self._conn.repeat(
            _what("HEAD", container, name),
            lambda **auth: swift.head_object(container=container, name=name, **query, **auth))

    def post(self, container: str, name: str, headers: Mapping[str, str]) -> None:
        """Set *headers* on an object, or on a symlink itself, never on what it leads to.

        What else a POST does, the same to plain and to stitched objects (run on Swift 2.38):

        - all X-Object-Meta-* the object had are gone but for those in *headers*;
        - so is its X-Delete-At, be it named in *headers* as X-Remove-Delete-At or not at all: to
          keep it, send it again;
        - Content-Type stays, unless *headers* has another;
        - bytes, etag and what it is stitched from stay; Last-Modified becomes now.

        So who wants to change one header reads all by :meth:`headers` and sends them again.
        """
        def request(**auth: Any) -> None:
            try:
                swift.post_object(container=container, name=name, headers=dict(headers), **auth)
            except swift.ClientException as error:
                # A symlink: it took the headers, and says where it leads to.
                if error.http_status != 307:
                    raise

        self._conn.repeat(_what("POST", container, name), request)

    def symlink(self, container: str, name: str, target: str,
                headers: Optional[Mapping[str, str]] = None) -> None:
        """Store a symbolic link.

        :param target: what it leads to, as manifests name it: ``/container/object``.
        :param headers: as :meth:`put` takes them; they are the link's own.
        """
        self._conn.repeat(_what("PUT", container, name), lambda **auth: swift.put_object(
            container=container, name=name, contents=b"", content_type="application/symlink",
            headers={**(headers or {}), "X-Symlink-Target": urllib.parse.quote(
                target.lstrip("/"))}, **auth))

    def manifest(self, container: str, name: str) -> List[Entry]:
        """Return what a static large object is stitched from.

        :raises StoreCorrupt: it is none, or what Swift says of it is no manifest.
        """
        what = _what("GET of the manifest", container, name)
        headers, body = self._fetch(what, container, name, "multipart-manifest=get")
        if headers.get("x-static-large-object", "").lower() != "true":
            raise exceptions.StoreCorrupt("%s: the object is not stitched" % what)
        try:
            return [Entry.parse(value) for value in json.loads(body.decode("utf-8"))]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise exceptions.StoreCorrupt("%s: Swift's answer is no manifest: %r"
                                          % (what, error)) from error

    def get(self, container: str, name: str) -> bytes:
        """Return a small object's bytes, checked against its etag.

        :raises StoreCorrupt: it is not what was stored, or larger than 64 MiB.
        """
        what = _what("GET", container, name)
        headers, data = self._fetch(what, container, name)
        if headers["etag"].strip('"') != md5(data).hexdigest():
            raise exceptions.StoreCorrupt("%s: the bytes do not match the etag" % what)
        return data

    def _fetch(self, what: str, container: str, name: str,
               query: Optional[str] = None) -> Tuple[Dict[str, str], bytes]:
        def fetch(**auth: Any) -> Tuple[Dict[str, str], bytes]:
            headers, body = swift.get_object(container=container, name=name, query_string=query,
                                             resp_chunk_size=_PIECE, **auth)
            with contextlib.closing(body):
                length = int(headers["content-length"])
                if length > _SMALL:
                    raise exceptions.StoreCorrupt(
                        "%s: the object has %d bytes, far more than one of its kind" %
                        (what, length))
                data = b"".join(body)
            tally.TALLY.moved(tally.SWIFT, tally.RECEIVED, len(data))
            if len(data) != length:
                raise exceptions.StoreUnreachable(
                    "%s was cut: %d of %d bytes came" % (what, len(data), length))
            return headers, data

        return self._conn.repeat(what, fetch)

    def get_signed(self, path: str) -> bytes:
        """Return what a client without a token gets, for one that has a TempURL.

        :param path: the URL's path and query, as ``tempurl.signed`` makes it.
        """
        def request(http_conn: Any, **_auth: Any) -> bytes:
            _parsed, conn = http_conn
            conn.request("GET", path, "", {})
            answer = conn.getresponse()
            body = answer.read()
            if not 200 <= answer.status < 300:
                raise swift.ClientException.from_response(answer, "GET failed", body)
            return body

        # The signature is as good as the object: it is in no message.
        return self._conn.once("GET of %s by TempURL" % path.partition("?")[0], request)

    def get_json(self, container: str, name: str) -> Any:
        """Return the value of an object that holds JSON."""
        return as_json(container, name, self.get(container, name))

    def read_into(self, container: str, name: str, offset: int, target: memoryview) -> None:
        """Fill *target* with an object's bytes from *offset* on.

        A GET that is cut ends like a complete one, so the bytes are counted; what came of it is
        kept, and the rest asked for.
        """
        what = _what("GET", container, name)
        size = len(target)
        done = 0

        def fetch(**auth: Any) -> None:
            nonlocal done
            _headers, body = swift.get_object(
                container=container, name=name, resp_chunk_size=_PIECE,
                headers={"Range": "bytes=%d-%d" % (offset + done, offset + size - 1)}, **auth)
            with contextlib.closing(body):
                for piece in body:
                    if done + len(piece) > size:
                        raise exceptions.StoreError(
                            "%s: Swift sent more than the %d bytes asked for; does a proxy "
                            "ignore ranges?" % (what, size))
                    target[done:done + len(piece)] = piece
                    done += len(piece)
                    tally.TALLY.moved(tally.SWIFT, tally.RECEIVED, len(piece))
            if done != size:
                raise exceptions.StoreUnreachable(
                    "%s was cut: %d of %d bytes from %d came" % (what, done, size, offset))

        if size:
            self._conn.repeat(what, fetch)

    def read_ranges(self, container: str, name: str, wanted: Sequence[ranges.Range]) -> None:
        """Fill the targets of at most ``ranges.MOST`` ranges, by one request if that can be.

        :param wanted: they ascend and do not overlap.
        """
        if len(wanted) > 1 and not self._one_by_one:
            if ranges.read(self._conn, container, name, wanted):
                return
            self._one_by_one = True
        for each in wanted:
            self.read_into(container, name, each.offset, each.target)

    def open(self, container: str, name: str) -> ObjectStream:
        """Return a stream of an object of any size; the caller closes it."""
        return ObjectStream(self._conn, container, name)

    def delete(self, container: str, name: str) -> None:
        """Remove an object, never the segments a manifest names; absent is done."""
        with contextlib.suppress(exceptions.ObjectMissing):
            self._conn.repeat(_what("DELETE", container, name), lambda **auth:
                              swift.delete_object(container=container, name=name, **auth))


def as_json(container: str, name: str, data: bytes) -> Any:
    """Return the value of JSON that an object holds.

    :raises StoreCorrupt: it holds none.
    """
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise exceptions.StoreCorrupt("%s: the object is no JSON: %s"
                                      % (_what("GET", container, name), error)) from error


def _what(verb: str, container: str, name: Optional[str]) -> str:
    return "%s of %s/%s" % (verb, container, name)
