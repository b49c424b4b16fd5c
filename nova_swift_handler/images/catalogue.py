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

"""``index.json``: what a shared catalogue has, for other clouds to take; see ``catalogue.rst``.

What is read here was written by others, and nothing of it is believed: names, sizes and digests
are checked, and addresses must lie below the index.
"""

from __future__ import annotations

import dataclasses
import json
import re
import urllib.parse
from typing import Any, Dict, List, Mapping

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.attributes import Attributes

INDEX = "index.json"
FORMAT = 1
LARGEST = 16 * 1024 * 1024
"""Bytes that an index may have."""

TEMPLATE, ISO = "template", "iso"
KINDS = (TEMPLATE, ISO)

_MOST = 10000  # entries
_LARGEST_FILE = 2 ** 42  # bytes: a VHD of 2040 GiB has less
_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]+(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A template or an ISO that is offered.

    :ivar kind: ``TEMPLATE`` or ``ISO``.
    :ivar size: bytes of the file that is downloaded: a dynamic VHD, or the ISO.
    :ivar virtual_size: bytes of the disk; of an ISO, its size.
    :ivar sha256: of the file, hexadecimal.
    :ivar attributes: of the image.
    :ivar url: of the file, relative to the index's.
    """

    kind: str
    name: str
    size: int
    virtual_size: int
    sha256: str
    attributes: Attributes
    url: str

    def as_json(self) -> Dict[str, Any]:
        """Return what the index says of it."""
        fields = {"kind": self.kind, "name": self.name, "size": self.size,
                  "virtual_size": self.virtual_size, "sha256": self.sha256,
                  "disk_format": "vhd" if self.kind == TEMPLATE else "iso",
                  "properties": dict(self.attributes.properties), "url": self.url}
        for name in ("min_disk", "min_ram"):
            value = getattr(self.attributes, name)
            if value is not None:
                fields[name] = value
        return fields

    @classmethod
    def parse(cls, value: Any) -> Entry:
        """Return the entry that *value* describes.

        :raises CatalogueInvalid: it is none, or not one that may be taken.
        """
        try:
            entry = cls(
                value["kind"], value["name"], _count(value["size"], _LARGEST_FILE),
                _count(value["virtual_size"], _LARGEST_FILE), value["sha256"], Attributes(
                    min_disk=_optional(value, "min_disk"), min_ram=_optional(value, "min_ram"),
                    properties=_texts(value.get("properties", {}))), value["url"])
            if entry.kind not in KINDS:
                raise ValueError("kind %r" % (entry.kind,))
            properties.check_name(entry.name)
            if not _SHA256.fullmatch(entry.sha256):
                raise ValueError("sha256 %r" % entry.sha256)
            check_relative(entry.url)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            named = value.get("name") if isinstance(value, dict) else None
            raise exceptions.CatalogueInvalid(
                "the catalogue's entry %r is damaged: %r" % (named, error)) from error
        except exceptions.NameRefused as error:
            raise exceptions.CatalogueInvalid(
                "the catalogue offers what cannot be taken: %s" % error) from error
        return entry


def pack(entries: List[Entry], updated: str) -> bytes:
    """Return an index.

    :param updated: when, as in an HTTP ``Date``.
    """
    return json.dumps({
        "format": FORMAT, "what": "templates and ISOs", "updated": updated,
        "entries": [entry.as_json() for entry in sorted(
            entries, key=lambda entry: (entry.kind, entry.name))]},
        indent=1, sort_keys=True).encode("utf-8")


def parse(data: bytes, url: str) -> List[Entry]:
    """Return what an index offers.

    :param url: where it is from, for messages.
    :raises CatalogueInvalid: it is none, is of a newer format, or offers two of a name.
    """
    try:
        value = json.loads(data.decode("utf-8"))
        version, rows = value["format"], value["entries"]
        if not isinstance(version, int) or not isinstance(rows, list):
            raise TypeError("its format is no number, or its entries no list")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise exceptions.CatalogueInvalid(
            "%s is no catalogue: %r; give the address of its %s" % (url, error, INDEX)) from error
    if version != FORMAT:
        raise exceptions.CatalogueInvalid(
            "%s is a catalogue of format %d, this release reads format %d only: %s" % (
                url, version, FORMAT, "upgrade nova_swift_handler here" if version > FORMAT
                else "publish it anew"))
    if len(rows) > _MOST:
        raise exceptions.CatalogueInvalid(
            "%s has %d entries, more than %d" % (url, len(rows), _MOST))
    found: Dict[Any, Entry] = {}
    for row in rows:
        entry = Entry.parse(row)
        if found.setdefault((entry.kind, entry.name), entry) is not entry:
            raise exceptions.CatalogueInvalid(
                "%s offers two of the name %r" % (url, entry.name))
    return list(found.values())


def check_relative(url: str) -> None:
    """Refuse an address that does not lie below that of the index.

    :raises ValueError: it does not.
    """
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise ValueError("url %r" % (url,))
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.unquote(parts.path)
    if (parts.scheme or parts.netloc or not path or path.startswith("/") or "\\" in path
            or "%" in path or any(each in ("", ".", "..") for each in path.split("/"))
            or not path.isprintable()):
        raise ValueError("url %r leads away from the catalogue" % url)


def _count(value: Any, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= largest:
        raise ValueError("%r is no size" % (value,))
    return value


def _optional(value: Mapping[str, Any], name: str) -> Any:
    return _count(value[name], 2 ** 31 - 1) if value.get(name) else None


def _texts(value: Any) -> Dict[str, str]:
    if not isinstance(value, dict) or len(value) > 200 or not all(
            isinstance(key, str) and isinstance(text, str) and 0 < len(key) <= 255
            and len(text) <= 4096 for key, text in value.items()):
        raise ValueError("properties are no texts")
    for text in (*value, *value.values()):
        text.encode("utf-8")  # fails for half of a surrogate pair, which JSON can have alone
    return value
