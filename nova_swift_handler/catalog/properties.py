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

"""``<name>.properties``: what a template or ISO is, beside its data, for people and tools."""

from __future__ import annotations

import contextlib
import logging
import re
from concurrent import futures
from typing import Any, Dict, Iterator, Mapping, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import attributes
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.etag import md5

KEPT = "properties.json"
"""The object that has the texts of all properties of its container."""

LOG = logging.getLogger(__name__)

Texts = Dict[str, str]
"""Texts of properties objects by their MD5, which is what a container's listing says of each."""

_SUFFIX = ".properties"
_WORKERS = 8
_LINE = re.compile(r"(?s)((?:[^\\=]|\\.)*)=(.*)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+@()-]{0,199}")


def check_name(name: str) -> None:
    """Refuse what cannot be a template's or an ISO's name.

    :raises NameRefused: it holds a character that has a meaning in object names, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise exceptions.NameRefused(
            "%r cannot be a name: begin with a letter or digit and use up to 200 letters, digits, "
            "blanks and . _ + @ ( ) -" % name)


def object_name(name: str) -> str:
    """Return the name of the properties object of *name*."""
    return name + _SUFFIX


def pack(values: Mapping[str, object]) -> bytes:
    """Return *values* as lines of ``key=value``.

    A backslash stands in front of what would mean something else: a backslash, a line's end (``n``
    or ``r``), and in keys ``=`` and a ``#`` at the beginning.
    """
    lines = []
    for key, value in values.items():
        name = re.sub(r"=|^#", r"\\\g<0>", _escape(key))
        lines.append("%s=%s\n" % (name, _escape(str(value))))
    return "".join(lines).encode("utf-8")


def parse(data: bytes) -> Dict[str, str]:
    """Return the values of a properties object; lines without ``=`` and comments are skipped."""
    result = {}
    # Not splitlines(): it also splits at characters that are like any other here.
    for line in re.split("\r?\n", data.decode("utf-8", "replace")):
        match = _LINE.fullmatch(line)
        if match and not line.startswith("#"):
            result[_unescape(match[1]).strip()] = _unescape(match[2])
    return result


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _unescape(text: str) -> str:
    return re.sub(r"(?s)\\(.)", lambda match: {"n": "\n", "r": "\r"}.get(match[1], match[1]), text)


def write(account: Account, container: str, name: str, values: Mapping[str, object],
          texts: Optional[Texts] = None) -> None:
    """Store the properties of *name*.

    :param texts: gets what was written.
    """
    data = pack(values)
    account.put(container, object_name(name), data, "text/plain; charset=utf-8")
    if texts is not None:
        texts[md5(data).hexdigest()] = data.decode("utf-8")


def origin(name: str, chosen: Attributes) -> Dict[str, str]:
    """Return what a template's point says of its origin, so that it can be described anew."""
    return {"name": name, **chosen.lines()}


def of_template(point: Point) -> Dict[str, str]:
    """Return the properties of a template; none if its point does not know what it is called."""
    if "name" not in point.origin:
        return {}
    return {"name": point.origin["name"], "id": point.image_id, "kind": "template",
            "size": str(point.vhd_size), "virtual_size": str(point.virtual_size),
            "checksum": checksum(point), "created_at": point.image_created_at,
            **{key: value for key, value in point.origin.items() if attributes.is_chosen(key)}}


def checksum(point: Point) -> str:
    """Return what the properties of a template say that its disk adds up to."""
    return "blocks-sha256:" + point.digest


def exists(account: Account, container: str, name: str) -> bool:
    """Tell whether *container* has something called *name*."""
    return presence.exists(account, container, object_name(name))


def read(account: Account, container: str, name: str) -> Optional[Dict[str, str]]:
    """Return the properties of *name*; None if nothing is called so."""
    if not _NAME.fullmatch(name):
        return None
    try:
        return parse(account.get(container, object_name(name)))
    except exceptions.ObjectMissing:
        return None


def of_image(account: Account, container: str, image_id: str) -> Optional[Dict[str, str]]:
    """Return the properties of what is image *image_id*, whatever it is called; None if none."""
    for values in each(account, container):
        if values.get("id") == image_id:
            return values
    return None


def remove(account: Account, container: str, image_id: str, but: str = "",
           texts: Optional[Texts] = None) -> None:
    """Remove the properties of what is image *image_id*, whatever it is called.

    :param but: the name under which they stay.
    :param texts: see :func:`every`.
    """
    for name, values in every(account, container, texts=texts).items():
        # A listing may be late: what has been given the name since stays.
        if values.get("id") == image_id and name != but and (
                read(account, container, name) or values).get("id") == image_id:
            account.delete(container, object_name(name))


def each(account: Account, container: str) -> Iterator[Dict[str, str]]:
    """Yield the properties of all there is in *container*, by name."""
    yield from every(account, container).values()


def every(account: Account, container: str, keep: bool = False,
          texts: Optional[Texts] = None) -> Dict[str, Dict[str, str]]:
    """Return the properties of all there is in *container*, by name.

    The texts of all are kept together in ``properties.json``, which is believed only where a
    text's MD5 is the one that the container's listing says of its object.  So it may be lost, old,
    or written by two at once: then those objects are read that it does not have.

    :param keep: write ``properties.json`` if it is not up to date.
    :param texts: what the caller has read or written before, believed likewise; gets what is read.
    """
    known: Texts = {} if texts is None else texts
    etags = {row["name"]: row["hash"] for row in account.listing(container, delimiter="/")
             if row.get("name", "").endswith(_SUFFIX)}
    kept: Dict[str, str] = {}
    if keep or any(etag not in known for etag in etags.values()):
        kept = _kept(account, container)
        known.update({md5(text.encode("utf-8")).hexdigest(): text for text in kept.values()})
    found = {name: known[etag] for name, etag in etags.items() if etag in known}
    missing = [name for name in etags if name not in found]

    def get(name: str) -> Optional[str]:
        with contextlib.suppress(exceptions.ObjectMissing):  # deleted since it was listed
            return account.get(container, name).decode("utf-8", "replace")
        return None

    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        for name, text in zip(missing, pool.map(get, missing)):
            if text is not None:
                found[name] = text
                known[md5(text.encode("utf-8")).hexdigest()] = text
    if keep and found != kept:
        account.put_json(container, KEPT, {"format": 1, "texts": found})
    return {name[:-len(_SUFFIX)]: parse(text.encode("utf-8"))
            for name, text in sorted(found.items())}


def _kept(account: Account, container: str) -> Dict[str, str]:
    try:
        value: Any = account.get_json(container, KEPT)
        return {str(name): str(text) for name, text in value["texts"].items()}
    except exceptions.ObjectMissing:
        return {}
    except (exceptions.StoreCorrupt, KeyError, TypeError, AttributeError) as error:
        LOG.info("%s/%s is not used, and written anew: %r", container, KEPT, error)
        return {}
