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

"""VDI.copy: a flat copy, as sparse_dd makes it."""

from __future__ import annotations

from typing import Iterator, Tuple

from nova_swift_handler.sandbox.xapi.storage.base import (
    BLOCK,
    Disk,
    Node,
    StorageRepository,
)

#: Zeros are left out in pieces of this size (sparse_dd's quantum).
_QUANTUM = 16 * 1024
_ZEROS = bytes(BLOCK)


def copy_flat(
    src_sr: StorageRepository, src_uuid: str, dst_sr: StorageRepository, dst_uuid: str
) -> Node:
    """Copy ``src_uuid`` to the new disk ``dst_uuid``; see base.copy_disk."""
    with src_sr.open(src_uuid, writable=False) as source:
        node = dst_sr.create(dst_uuid, source.virtual_size, {})
        try:
            with dst_sr.open(dst_uuid, writable=True) as target:
                copy_data(source, target)
        except BaseException:
            dst_sr.destroy(dst_uuid)
            raise
    return node


def copy_data(source: Disk, target: Disk) -> None:
    """Write all that is not zero in ``source`` to ``target``, which is known to hold zeros."""
    for offset in range(0, source.virtual_size, BLOCK):
        data = source.pread(offset, min(BLOCK, source.virtual_size - offset))
        if data == _ZEROS[:len(data)]:
            continue
        for start, end in _filled(data):
            target.pwrite(offset + start, data[start:end])
    target.flush()


def _filled(data: bytes) -> Iterator[Tuple[int, int]]:
    """Yield (start, end) of runs of quanta that are not all zeros."""
    run = None
    for start in range(0, len(data), _QUANTUM):
        piece = data[start:start + _QUANTUM]
        if piece != _ZEROS[:len(piece)]:
            run = start if run is None else run
        elif run is not None:
            yield run, start
            run = None
    if run is not None:
        yield run, len(data)
