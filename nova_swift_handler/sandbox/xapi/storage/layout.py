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

"""Where the metadata of a VHD lie, and how an empty VHD is made or recognised."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import uuid as uuidlib
from typing import Optional

from nova_swift_handler.sandbox.xapi.storage import files
from nova_swift_handler.sandbox.xapi.storage import structures as vhd
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, SECTOR
from nova_swift_handler.sandbox.xapi.storage.sizes import round_up

#: Where the BAT starts: after the footer copy and the header.
TABLE = vhd.FOOTER_SIZE + vhd.HEADER_SIZE


@dataclasses.dataclass(frozen=True)
class Parent:
    """What a differencing VHD records of its parent in the same directory."""

    name: str
    uuid: bytes
    time: int


@dataclasses.dataclass(frozen=True)
class Layout:
    """Offsets in bytes of the metadata of a VHD with so many BAT entries."""

    entries: int
    differencing: bool

    @property
    def batmap_header(self) -> int:
        """After the BAT."""
        return TABLE + round_up(4 * self.entries, SECTOR)

    @property
    def batmap(self) -> int:
        """After its header."""
        return self.batmap_header + SECTOR

    @property
    def batmap_bytes(self) -> int:
        """A bit a block, in whole sectors."""
        return round_up((self.entries + 7) // 8, SECTOR)

    @property
    def locators(self) -> int:
        """After the batmap."""
        return self.batmap + self.batmap_bytes

    @property
    def end(self) -> int:
        """Where the first block may go (before its padding)."""
        return self.locators + (3 * SECTOR if self.differencing else 0)


def parent_of(header: vhd.Header) -> Optional[Parent]:
    """Return what a header says of a parent."""
    if not header.parent_name:
        return None
    return Parent(header.parent_name, header.parent_uuid, header.parent_time)


def metadata(
    layout: Layout, header: vhd.Header, parent: Optional[Parent], table: bytes, batmap: bytes
) -> bytes:
    """Return everything from the BAT to the first block; set the header's locators."""
    table = table.ljust(layout.batmap_header - TABLE, b"\xff")
    padded = batmap.ljust(layout.batmap_bytes, b"\0")
    sectors = layout.batmap_bytes // SECTOR
    head = vhd.batmap_header(layout.batmap, sectors, sum(batmap))
    area = b""
    if parent is not None:
        header.locators, area = vhd.parent_locators(parent.name, layout.locators)
    return table + head + padded + area


def create(
    path: str, size: int, entries: int = 0, parent: Optional[Parent] = None,
    volume: Optional[int] = None,
) -> int:
    """Make an empty VHD; return the file's length.

    ``entries``: BAT entries to lay out (at least the disk's own); ``parent``: make it
    differencing; ``volume``: length of the volume to put it into, else a file that grows.
    """
    entries = max(entries, (size + BLOCK - 1) // BLOCK)
    kind = vhd.DYNAMIC if parent is None else vhd.DIFFERENCING
    layout = Layout(entries, parent is not None)
    footer = vhd.Footer(size, kind, uuidlib.uuid4().bytes, time=vhd.now())
    header = vhd.Header(TABLE, entries, BLOCK)
    if parent is not None:
        header.parent_name, header.parent_uuid = parent.name, parent.uuid
        header.parent_time = parent.time
    tables = metadata(layout, header, parent, b"", b"")
    length = layout.end + vhd.FOOTER_SIZE if volume is None else volume
    fd = files.open_file(path, create=True)
    try:
        os.ftruncate(fd, length)
        files.write(fd, footer.pack() + header.pack() + tables, 0)
        files.write(fd, footer.pack(), length - vhd.FOOTER_SIZE)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(fd)
    return length


def empty_length(size: int, differencing: bool) -> int:
    """Return the length ``create`` gives a file."""
    return Layout((size + BLOCK - 1) // BLOCK, differencing).end + vhd.FOOTER_SIZE


@dataclasses.dataclass(frozen=True)
class Info:
    """What a scan learns of a file without reading its BAT."""

    size: int
    hidden: bool
    parent_name: str
    uuid: bytes


def probe(path: str) -> Info:
    """Read footer copy and header; ValueError when it is no VHD of ours."""
    with open(path, "rb") as source:
        footer = vhd.Footer.parse(source.read(vhd.FOOTER_SIZE))
        source.seek(footer.data_offset)
        header = vhd.Header.parse(source.read(vhd.HEADER_SIZE))
    name = header.parent_name if footer.kind == vhd.DIFFERENCING else ""
    return Info(footer.size, bool(footer.hidden), name, footer.uuid)
