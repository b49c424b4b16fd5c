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

"""Store a VHD file as a volume's first point, then again and again with some blocks changed.

Takes a pickle of (services, path, container, volume id, deltas, share of blocks that each
changes, path for a VHD of the last point's disk).  Prints the image ids as JSON, oldest first.
"""

from __future__ import annotations

import json
import pickle
import random
import sys
import uuid
from pathlib import Path
from typing import Collection, Dict, List, Optional

from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.sandbox.demo.disks import noise
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource, FileSource
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout


class ChangingDisk(DiskSource):
    """A disk in a file, some of whose blocks were written since."""

    def __init__(self, path: str) -> None:
        self._file = FileSource(path)
        self._seeds: Dict[int, str] = {}
        self.virtual_size = 0

    def write(self, numbers: Collection[int], seed: str) -> None:
        """Fill blocks with bytes that depend on *seed*."""
        self._seeds.update((number, "%s/%d" % (seed, number)) for number in numbers)

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`."""
        for number, data in self._file.blocks(wanted):
            self.virtual_size = self._file.virtual_size
            seed = self._seeds.get(number)
            yield number, data if seed is None else bytearray(noise(seed, constants.BLOCK_SIZE))

    def numbers(self) -> List[int]:
        """Return which blocks hold data."""
        return [number for number, _data in self.blocks()]

    def save(self, path: str) -> None:
        """Write it as a VHD."""
        layout = Layout(self.virtual_size, self.numbers(), uuid.uuid4().bytes)
        with Path(path).open("wb") as file:
            file.write(layout.head)
            for _number, data in self.blocks():
                file.write(FULL_BITMAP)
                file.write(data)
            file.write(layout.footer)


def main() -> None:
    """Do it."""
    (services, path, container, volume_id, deltas, share,
     final) = pickle.load(sys.stdin.buffer)  # noqa: S301  (the bench's own)
    account = services.account()
    disk = ChangingDisk(path)
    numbers = disk.numbers()
    choice = random.Random(1)  # noqa: S311  (the same blocks in every run)
    image_ids = []
    for serial in range(deltas + 1):
        if serial:
            disk.write(choice.sample(numbers, max(1, round(len(numbers) * share))), str(serial))
        subject = Subject(str(uuid.uuid4()), "snapshot", volume_id, "project",
                          "2026-01-01T00:00:00Z", {})
        with snapshot.stored(services, account, subject, disk, container,
                             Report(lambda event: None), for_glance=True):
            image_ids.append(subject.image_id)
    if deltas:
        disk.save(final)
    print(json.dumps(image_ids))


if __name__ == "__main__":
    main()
