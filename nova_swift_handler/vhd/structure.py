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

"""Whether the parts of a VHD agree with each other, and none lies inside another."""

from __future__ import annotations

import array
import heapq
from typing import Optional, Sequence, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.bat import Bat
from nova_swift_handler.vhd.footer import Footer
from nova_swift_handler.vhd.header import Header

Part = Tuple[int, int, str]
"""(first byte, byte behind the last, what it is)."""


def check_entries(footer: Footer, header: Header) -> None:
    """Refuse a BAT that is shorter than the disk.

    :raises VhdError: it is.
    """
    needed = -(-footer.virtual_size // header.block_size)
    if header.entries < needed:
        raise exceptions.VhdError(
            "the VHD's BAT has %d entries; its disk of %d bytes needs %d"
            % (header.entries, footer.virtual_size, needed))


def check_places(footer: Footer, header: Header, bat: Bat, parts: Sequence[Part],
                 length: Optional[int]) -> array.array[int]:
    """Return the numbers of the blocks in the order they lie in the file.

    :param parts: what else lies in front of the last footer, ascending.
    :param length: bytes of the whole file, if known.
    :raises VhdError: a block is not of the disk, overlaps another or one of *parts*, or lies
        beyond the file's end.
    """
    blocks = -(-footer.virtual_size // header.block_size)
    count = 0
    for count, number in enumerate(bat.allocated(), 1):  # noqa: B007  (used below)
        if number >= blocks:
            raise exceptions.VhdError(
                "the VHD's BAT places block %d, but its disk of %d bytes ends with block %d"
                % (number, footer.virtual_size, blocks - 1))
    # Which block is wrong will be told below, but millions of them are not sorted for that.
    if length is not None and (count - 1) * header.stride > length:
        raise exceptions.VhdError(
            "the VHD's BAT places %d blocks of %d bytes, more than its %d bytes can hold"
            % (count, header.block_size, length))
    order = bat.physical_order()
    stride = header.stride
    # Blocks have their number, other parts a negative one.
    others = ((start, stop, ~index) for index, (start, stop, _what) in enumerate(parts))
    placed = ((start, start + stride, number) for start, number in (
        (bat[number] * constants.SECTOR, number) for number in order))
    before = 0
    for start, stop, number in heapq.merge(others, placed):
        late = length is not None and stop > length - constants.FOOTER_SIZE
        if start < before or late:
            raise exceptions.VhdError(
                "the VHD's BAT places block %d at byte %d, %s"
                % (number, start, "beyond the file's end at %s" % length if late else
                   "inside what lies before it") if number >= 0 else
                "the VHD has %s at byte %d, inside what lies before it"
                % (parts[~number][2], start))
        before = stop
    return order
