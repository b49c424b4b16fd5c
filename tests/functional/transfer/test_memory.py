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

"""Memory does not grow with the disk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import subprocess
import sys
import uuid
from typing import Callable, List

from nova_swift_handler.vhd.writer import FileWriter

from .shop import MIB2, Shop

GIB = 2 ** 30
_LIMIT = 256 * 2 ** 20


def _block(number: int) -> bytes:
    # Differs from block to block and within each; quick to make, for there are many.
    return b"".join(hashlib.sha256(b"%d/%d" % (number, part)).digest() * 1024
                    for part in range(MIB2 // 32768))


def _write(path: pathlib.Path, size: int, numbers: List[int]) -> str:
    """Write a VHD that holds these blocks; return the SHA-256 of them with their numbers."""
    digest = hashlib.sha256()
    with open(path, "w+b") as file:
        writer = FileWriter(file, size, bytes(16))
        for number in numbers:
            data = _block(number)
            writer.write(number * MIB2, data)
            digest.update(b"%d:" % number)
            digest.update(data)
        writer.finish()
    return digest.hexdigest()


def test_a_gib_of_data_on_a_disk_of_8_gib_takes_less_than_256_mib(
        shop: Shop, tmp_path: pathlib.Path,
        record_property: Callable[[str, object], None]) -> None:
    path = tmp_path / "disk.vhd"
    # 512 blocks in runs of 32, spread over the disk.
    numbers = [start + offset for start in range(0, 4096, 256) for offset in range(32)]
    sha256 = _write(path, 8 * GIB, numbers)
    credentials = dataclasses.asdict(shop.site.credentials())
    done = subprocess.run(
        [sys.executable, "-m", "tests.functional.transfer.move_disk", str(path),
         shop.names.prefix, "a", str(uuid.uuid4())],
        input=json.dumps(credentials), stdout=subprocess.PIPE, check=True, text=True,
        cwd=str(pathlib.Path(__file__).resolve().parents[3]))
    report = json.loads(done.stdout)
    for name in ("at_start", "stored", "read_back", "seconds_to_store", "seconds_to_read"):
        record_property(name, report[name])
        print(name, report[name])
    assert (report["blocks"], report["sha256"]) == (512, sha256)
    assert report["point"]["blocks"] == 512
    assert report["stored"] < _LIMIT
    assert report["read_back"] < _LIMIT
