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

"""Parent locators: where a differencing VHD has its parent's path, one for each platform."""

from __future__ import annotations

import dataclasses
import struct
import urllib.parse
from typing import Dict, List, Sequence, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants

W2RU = b"W2ru"
"""A path as Windows has it, relative to the child, UTF-16 little-endian."""

W2KU = b"W2ku"
"""An absolute path as Windows has it, UTF-16 little-endian."""

MACX = b"MacX"
"""A file URL, UTF-8."""

_NONE = bytes(4)
_OBSOLETE = (b"Wi2r", b"Wi2k", b"Mac ")
"""Deprecated by the specification, or an alias that only a Macintosh can follow."""

_ENTRY = struct.Struct(">4sIIIQ")
_MAX_LENGTH = 64 * 1024
_URL = "file://"


@dataclasses.dataclass(frozen=True)
class Locator:
    """Where the path for one platform is.

    :ivar platform: four bytes, its code.
    :ivar space: bytes kept for the path, whole sectors.
    :ivar length: bytes of the path.
    :ivar offset: where the path begins, bytes from the start of the file.
    """

    platform: bytes
    space: int
    length: int
    offset: int

    def pack(self) -> bytes:
        """Return the 24 bytes of the header's entry."""
        return _ENTRY.pack(self.platform, self.space // constants.SECTOR, self.length, 0,
                           self.offset)


def parse_entries(table: bytes) -> Tuple[Locator, ...]:
    """Return the locators that a header's 192 bytes *table* lists.

    :raises VhdError: one is of an unknown platform, or of no size a path can have.
    """
    found = []
    for platform, space, length, _reserved, offset in _ENTRY.iter_unpack(table):
        if platform == _NONE:
            continue
        if platform not in (W2RU, W2KU, MACX, *_OBSOLETE):
            raise exceptions.VhdError(
                "the VHD has a parent locator of the unknown platform %r" % platform)
        # The specification counts sectors, but Windows writes bytes (blktap, libvhd.h,
        # vhd_parent_locator_size).
        if space < constants.SECTOR:
            space *= constants.SECTOR
        if length > min(space, _MAX_LENGTH):
            raise exceptions.VhdError(
                "the VHD says that its parent's path for platform %r has %d bytes; there is room "
                "for %d, and up to %d can be handled"
                % (platform.decode("ascii"), length, space, _MAX_LENGTH))
        found.append(Locator(platform, space, length, offset))
    return tuple(found)


def encode(platform: bytes, name: str) -> bytes:
    """Return the bytes that say on *platform* where *name*, a path with slashes, is.

    A relative path in a URL is blktap's way (libvhd.c, vhd_macx_encode_location); it looks there
    before anywhere else.
    """
    if platform == MACX:
        return (_URL + urllib.parse.quote(name)).encode("ascii")
    return name.replace("/", "\\").encode("utf-16-le", "surrogatepass")


def decode(platform: bytes, data: bytes) -> str:
    """Return the path, with slashes, that *data* says on *platform*; empty if it says none.

    XAPI's exports keep room for a path that they do not write.

    :raises VhdError: it is no path of that platform.
    """
    try:
        if platform == MACX:
            url = data.decode("utf-8").rstrip("\0")
            if not url:
                return ""
            if not url.startswith(_URL):
                raise exceptions.VhdError(
                    "the VHD's parent locator for Mac OS X is %r, no file URL" % url)
            path = urllib.parse.unquote(url[len(_URL):], errors="strict")
            return path[len("localhost"):] if path.startswith("localhost/") else path
        if platform in (W2RU, W2KU):
            return data.decode("utf-16-le").rstrip("\0").replace("\\", "/")
    except UnicodeDecodeError as error:
        raise exceptions.VhdError(
            "the VHD's parent locator for platform %r holds no text: %s"
            % (platform.decode("ascii"), error)) from error
    return ""


class Collector:
    """Picks the paths out of a file that passes by.

    :param locators: where the paths are.
    """

    def __init__(self, locators: Sequence[Locator]) -> None:
        self._found: List[Tuple[Locator, bytearray]] = [
            (locator, bytearray()) for locator in locators]

    def see(self, offset: int, data: bytearray) -> None:
        """Take from *data*, which begins at byte *offset* of the file, what belongs to a path.

        To be called with ascending offsets; a path that has a hole in it is left out.
        """
        for locator, found in self._found:
            start = locator.offset + len(found) - offset
            if 0 <= start < len(data):
                found += data[start:start + locator.length - len(found)]

    def paths(self) -> Dict[bytes, str]:
        """Return the parent's path for each platform of which all bytes have been seen.

        :raises VhdError: one is no path of its platform.
        """
        return {locator.platform: path for locator, path in (
            (locator, decode(locator.platform, bytes(found))) for locator, found in self._found
            if len(found) == locator.length) if path}
