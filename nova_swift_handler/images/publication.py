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

"""Templates and ISOs are published: a container with an index that other clouds can take them of.

No data are copied.  What is published is an object of one entry that names the disk's or the
ISO's own, beside an entry of the index; the container may be read by anybody.  That lets nobody
read more than the index: Swift asks for the rights on every object that another is stitched of,
and those on the templates' container are nobody's (run: 409).  So the index has a TempURL of each
published object, by which that can be read and nothing else.  When it is unpublished, its object
goes, and whatever TempURL of it is about leads nowhere.
"""

from __future__ import annotations

import calendar
import contextlib
import email.utils
import hashlib
from typing import Any, Callable, Dict, Iterable, List, Set
from urllib import parse

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import inventory, lookup, names, offered
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.point import RANGES, TEMPLATE
from nova_swift_handler.images import catalogue, named
from nova_swift_handler.images.catalogue import Entry
from nova_swift_handler.store import manifest, probe, tempurl
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services

_ENTRIES = "entries/"
_PUBLIC = {"X-Container-Read": ".r:*"}
_PIECE = 1024 * 1024
_LOOKS = 3

Progress = Callable[[int, int], None]


class Publication:
    """What is published, and the index of it.

    :raises AbilityMissing: this Swift, or this account, can have no TempURLs.
    """

    def __init__(self, services: Services) -> None:
        self._account: Account = services.account()
        self._where = services.containers
        self._container = services.containers.catalogue
        self._url = services.public_url(self._account)
        self._abilities = probe.abilities(self._account, self._where.index)
        self._key = tempurl.key_of(self._account)
        if not self._abilities.tempurl:
            raise exceptions.AbilityMissing(
                "nothing can be published: this Swift does not serve stitched objects by TempURL; "
                "`swift-vhd store probe` tells what was tried")

    def publish(self, kind: str, wanted: Iterable[str], seconds: int,
                progress: Progress) -> List[Dict[str, Any]]:
        """Publish what is called so; return what the index says of it and all else of the kind.

        What is published already stays as it is; all addresses in the index are made anew.

        :param seconds: how long the addresses are good.
        :raises NotThere: nothing is called so; nothing is published.
        :raises StoreCorrupt: an ISO is not what was stored.
        """
        items = [named.find(self._account, self._where, kind, each) for each in wanted]
        self._account.put_container(self._container, _PUBLIC)
        published = self._published()
        for item in items:
            known = published.get(_entry_name(kind, item.name))
            if known is not None and known["image_id"] == item.image_id:
                digest, size = known["sha256"], known["size"]
            else:
                digest, size = self._read(item, progress)
            self._offer(item, size)
            self._account.put_json(self._container, _entry_name(kind, item.name), {
                "format": 1, "image_id": item.image_id, "kind": kind, "name": item.name,
                "sha256": digest, "size": size,
                "virtual_size": int(item.values.get("virtual_size", size)),
                "attributes": Attributes.parse(item.values).lines()})
            if known is not None and known["image_id"] != item.image_id:
                self._withdraw(kind, known["image_id"])
        return self._index(seconds, kind)

    def unpublish(self, kind: str, wanted: Iterable[str], seconds: int) -> List[Dict[str, Any]]:
        """Take what is called so out of the catalogue; return what is left of the kind.

        :raises NotThere: nothing of that name is published.
        """
        with contextlib.suppress(exceptions.ObjectMissing):
            published = self._published()
            for name in wanted:
                known = published.get(_entry_name(kind, name))
                if known is None:
                    raise exceptions.NotThere(
                        "no %s called %r is published; the index is %s" % (
                            kind, name, self.url))
                self._account.delete(self._container, _entry_name(kind, name))
                self._withdraw(kind, known["image_id"])
            return self._index(seconds, kind)
        raise exceptions.NotThere("nothing is published here: there is no container %s"
                                  % self._container)

    @property
    def url(self) -> str:
        """The address of the index, for other clouds."""
        return "%s/%s/%s" % (self._url, self._container, catalogue.INDEX)

    def _published(self) -> Dict[str, Dict[str, Any]]:
        """Return what is published, by the names of the objects that say so."""
        found = {}
        for row in self._account.listing(self._container, _ENTRIES):
            with contextlib.suppress(exceptions.ObjectMissing):
                found[row["name"]] = self._account.get_json(self._container, row["name"])
        return found

    def _read(self, item: named.Item, progress: Progress) -> Any:
        """Return SHA-256 and size of what is to be published, all of it being read."""
        view = names.DISK_VIEW
        if item.kind == TEMPLATE:
            point = named.point_of(self._account, self._where, item)
            if not point.vhd_size or point.stitching != RANGES:
                raise exceptions.AbilityMissing(
                    "%s is not published: this Swift stitches objects of whole segments, which "
                    "may hold what is on other disks" % (item,))
            lookup.blocks(self._account, point)  # its tables add up to its digest
        else:
            view = names.ISO_VIEW
        digest: Any = hashlib.sha256()
        done = 0
        with contextlib.closing(self._account.open(
                item.container, names.of_point(item.image_id, view))) as stream:
            while True:
                piece = stream.read(_PIECE)
                if not piece:
                    break
                digest.update(piece)
                done += len(piece)
                progress(done, stream.length)
        found = digest.hexdigest()
        if item.kind == named.ISO and item.values.get("checksum") != "sha256:" + found:
            raise exceptions.StoreCorrupt(
                "%s is not published: it is not what was stored, its SHA-256 is %s; store it "
                "again" % (item, found))
        return found, done

    def _offer(self, item: named.Item, size: int) -> None:
        view = names.DISK_VIEW if item.kind == TEMPLATE else names.ISO_VIEW
        entry = manifest.Entry("/%s/%s" % (item.container, names.of_point(item.image_id, view)),
                               size=size)
        self._account.put_manifest(
            self._container, _file_name(item.kind, item.image_id), [entry],
            offered.VHD_CONTENT_TYPE if item.kind == TEMPLATE else offered.ISO_CONTENT_TYPE)

    def _withdraw(self, kind: str, image_id: str) -> None:
        self._account.delete(self._container, _file_name(kind, image_id))

    def _index(self, seconds: int, kind: str) -> List[Dict[str, Any]]:
        """Write the index of what is published by now; return what it says of a kind.

        Whoever publishes at the same time does so too, and the last one sees what all have
        written: so it is written until nothing has changed since.
        """
        now = self._account.clock(self._container)
        expires = calendar.timegm(now.utctimetuple()) + seconds
        stored = self._stored()
        before: Dict[str, Dict[str, Any]] = {}
        entries: List[Entry] = []
        for look in range(_LOOKS):
            published = self._published()
            if look and published == before:
                break
            before = published
            entries = [self._entry(each, expires) for each in published.values()
                       if each["image_id"] in stored]
            self._account.put(self._container, catalogue.INDEX, catalogue.pack(
                entries, email.utils.format_datetime(now, usegmt=False)), "application/json")
        return [{**entry.as_json(), "expires": email.utils.formatdate(expires, usegmt=True)}
                for entry in entries if entry.kind == kind]

    def _stored(self) -> Set[str]:
        return {image_id for container in (self._where.templates, self._where.isos)
                for image_id in inventory.complete(self._account, container)}

    def _entry(self, value: Dict[str, Any], expires: int) -> Entry:
        name = _file_name(value["kind"], value["image_id"])
        path = tempurl.signed(self._url, self._container, name, self._key, expires,
                              self._abilities.tempurl_digest)
        return Entry(value["kind"], value["name"], value["size"], value["virtual_size"],
                     value["sha256"], Attributes.parse(value["attributes"]),
                     "%s?%s" % (name, parse.urlsplit(path).query))


def _entry_name(kind: str, name: str) -> str:
    return "%s%s/%s.json" % (_ENTRIES, kind, name)


def _file_name(kind: str, image_id: str) -> str:
    return "%s/%s.%s" % (kind, image_id, "vhd" if kind == TEMPLATE else "iso")
