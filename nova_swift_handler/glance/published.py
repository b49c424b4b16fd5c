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

"""A stored disk that wants to become an image."""

from __future__ import annotations

import dataclasses
from typing import BinaryIO, Callable, Optional, Tuple


@dataclasses.dataclass(frozen=True)
class Published:
    """A complete VHD, or an ISO image, in Swift.

    :ivar size: its bytes.
    :ivar container: container of the object that Glance may read (and delete).
    :ivar object_name: that object; by custom the image's id.
    :ivar open: opens its bytes from the start, returns (file, length in bytes); called
        for registration by upload only, and once more if Glance did not take the first attempt.
        The file needs ``read(n)``, and ``close()`` is called if it has it.  What ``read`` raises
        is raised.
    :ivar os_hash: (algorithm, hexadecimal value) over all bytes, if known.  Glance then reads
        the whole image before it makes it active unless its ``do_secure_hash`` is false.
    :ivar disk_format: ``vhd`` or ``iso``, as Glance calls it.
    :ivar in_place: whether that object is there; if not, the image can be uploaded only.
    :ivar address: returns a TempURL of that object which is good for so many seconds; None if none
        can be made.
    """

    size: int
    container: str
    object_name: str
    open: Callable[[], Tuple[BinaryIO, int]]
    os_hash: Optional[Tuple[str, str]] = None
    disk_format: str = "vhd"
    in_place: bool = True
    address: Optional[Callable[[int], str]] = None
