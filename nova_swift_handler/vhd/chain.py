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

"""Chains of differencing VHDs, read as the one disk that they make."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd import file as files
from nova_swift_handler.vhd.file import VhdFile
from nova_swift_handler.vhd.footer import Footer
from nova_swift_handler.vhd.header import Header

LONGEST = 30
"""Most VHDs of a chain: XAPI refuses a snapshot of a disk whose chain has so many (SM,
VDI.MAX_CHAIN_SIZE)."""


class Link(NamedTuple):
    """What one VHD says about its place in a chain.

    :ivar name: what messages call it.
    :ivar header: None if the disk is fixed.
    """

    name: str
    footer: Footer
    header: Optional[Header]

    @property
    def wanted(self) -> Optional[bytes]:
        """The parent's unique id; None if the VHD needs no parent."""
        if self.header is None or self.footer.disk_type != constants.TYPE_DIFFERENCING:
            return None
        return self.header.parent_unique_id


class Links:
    """The links of a chain as they become known, leaf first, each checked when it comes."""

    def __init__(self) -> None:
        self._links: List[Link] = []
        self._known: Dict[bytes, Link] = {}

    def __len__(self) -> int:
        return len(self._links)

    def add(self, link: Link) -> None:
        """Add the parent of the one before.

        :raises ChainBroken: it is foreign or there twice, its disk is larger than its child's, or
            the chain is longer than 30.
        """
        if self._links:
            check_parent(self._links[-1], link)
        other = self._known.setdefault(link.footer.unique_id, link)
        if other is not link:
            raise exceptions.ChainBroken(
                "%s and %s are the same VHD %s; a chain has each once"
                % (other.name, link.name, link.footer.unique_id.hex()))
        if len(self._links) == LONGEST:
            raise exceptions.ChainBroken(
                "%s is the VHD number %d of its chain, and XAPI itself makes none of more than "
                "%d: coalesce it first" % (link.name, LONGEST + 1, LONGEST))
        self._links.append(link)

    def finish(self) -> None:
        """Check that the last that was added needs no parent.

        :raises ChainBroken: it does, or there is none.
        """
        if not self._links:
            raise exceptions.ChainBroken("a chain needs at least one VHD")
        base = self._links[-1]
        if base.wanted is not None:
            raise exceptions.ChainBroken(
                "%s, the last of the chain, wants the parent %s, which is %s" % (
                    base.name, base.wanted.hex(),
                    "%s: the chain is a circle" % self._known[base.wanted].name
                    if base.wanted in self._known else "not there"))


def check_links(links: Sequence[Link]) -> None:
    """Check that each VHD is the parent of the one before.

    :param links: leaf first.
    :raises ChainBroken: a VHD is missing, foreign or there twice, the chain has no end or more
        than 30 VHDs, or a parent's disk is larger than its child's.  It may be smaller: disks
        grow.
    """
    checked = Links()
    for link in links:
        checked.add(link)
    checked.finish()


def check_parent(child: Link, parent: Link) -> None:
    """Check that *parent* is what *child* says its parent is.

    :raises ChainBroken: it is not, or its disk is larger.
    """
    if child.wanted is None:
        raise exceptions.ChainBroken(
            "%s is a whole disk and has no parent, yet %s is there too"
            % (child.name, parent.name))
    if child.wanted != parent.footer.unique_id:
        raise exceptions.ChainBroken(
            "%s wants the parent %s, but %s is %s" % (
                child.name, child.wanted.hex(), parent.name, parent.footer.unique_id.hex()))
    if parent.footer.virtual_size > child.footer.virtual_size:
        raise exceptions.ChainBroken(
            "%s has a disk of %d bytes, its parent %s a larger one of %d" % (
                child.name, child.footer.virtual_size, parent.name,
                parent.footer.virtual_size))


def arranged(links: Sequence[Link]) -> List[int]:
    """Return the indexes of *links*, which are a chain in any order, leaf first.

    :raises ChainBroken: they are none, see :func:`check_links`; or more than one.
    """
    known: Dict[bytes, int] = {}
    for number, link in enumerate(links):
        other = links[known.setdefault(link.footer.unique_id, number)]
        if other is not link:
            raise exceptions.ChainBroken(
                "%s and %s are the same VHD %s; a chain has each once"
                % (other.name, link.name, link.footer.unique_id.hex()))
    wanted = {link.wanted for link in links}
    leaves = [number for number, link in enumerate(links)
              if link.footer.unique_id not in wanted]
    if len(leaves) > 1:
        raise exceptions.ChainBroken(
            "%s are no chain: of each of them none of the others is a child" % " and ".join(
                links[number].name for number in leaves))
    order: List[int] = []
    following: Optional[int] = leaves[0] if leaves else None
    while following is not None and following not in order:
        order.append(following)
        parent = links[following].wanted
        following = known.get(parent) if parent is not None else None
    # With one leaf, what the way from it to the base does not reach is a circle, or leads to one.
    if following is not None or len(order) < len(links):
        raise exceptions.ChainBroken(
            "%s are no chain but a circle, each leading to the next" % ", ".join(
                link.name for number, link in enumerate(links)
                if number not in order or following is not None))
    check_links([links[number] for number in order])
    return order


class Chain:
    """The disk that a chain of VHDs makes, exact to the sector bitmap.

    Their block sizes may differ.

    :param vhds: leaf first; the last may be fixed.
    :param names: what messages call them; by their place in the chain if None.
    :raises ChainBroken: they do not link up; see :func:`check_links`.
    """

    def __init__(self, vhds: Sequence[VhdFile], names: Optional[Sequence[str]] = None) -> None:
        if names is None:
            names = ["VHD %d of the chain" % number for number in range(len(vhds))]
        check_links([Link(name, vhd.footer, vhd.header) for name, vhd in zip(names, vhds)])
        self._vhds = vhds

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk: the leaf's."""
        return self._vhds[0].virtual_size

    def held(self, size: int) -> Iterator[int]:
        """Yield, ascending, the numbers of the pieces of *size* bytes that any VHD has part of."""
        return files.held(self._vhds, size)

    def read(self, offset: int, size: int) -> bytearray:
        """Return *size* bytes of the disk from *offset*; what no VHD holds or is beyond is zero.

        :raises VhdTruncated: a file has become shorter since it was opened.
        """
        return files.overlay(self._vhds, offset, size)

    def blocks(self, size: int = constants.BLOCK_SIZE) -> Iterator[Tuple[int, bytearray]]:
        """Yield (number, data) of each piece of *size* bytes that any VHD has part of, ascending.

        All others are zero; so is what the last has beyond the disk's end.

        :raises VhdTruncated: a file has become shorter since it was opened.
        """
        for number in self.held(size):
            yield number, self.read(number * size, size)
