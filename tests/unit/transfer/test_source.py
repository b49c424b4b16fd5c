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

"""A VDI's export is a disk if all of it came, and XAPI says that it did."""

from __future__ import annotations

import io
from typing import Any, Dict, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.transfer.sources import source
from tests.unit.vhd import disks, independent

SIZE = 2 * independent.MIB2 + 512
HELD = {0: disks.noise(independent.MIB2, 1), 2: disks.noise(independent.MIB2, 2)}
FULL = independent.full(independent.MIB2)


def vhd(**kwargs: Any) -> bytes:
    return independent.build(SIZE, {
        number: independent.Block(FULL, data) for number, data in HELD.items()}, **kwargs)


class Export:
    """Stands for ``xapi.export.Export``."""

    def __init__(self, data: bytes, end: Optional[exceptions.XapiError] = None,
                 reason: Optional[exceptions.XapiError] = None) -> None:
        self._file = io.BytesIO(data)
        self._end = end
        self._reason = reason
        self.finished_at: List[int] = []
        self.left = False

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *_exc: Any) -> None:
        self.left = True

    def readinto(self, view: memoryview) -> int:
        return self._file.readinto(view)

    def finish(self) -> None:
        self.finished_at.append(self._file.tell())
        if self._end is not None:
            raise self._end

    def failure(self) -> Optional[exceptions.XapiError]:
        return self._reason


def read(monkeypatch: pytest.MonkeyPatch, export: Export) -> Dict[int, bytes]:
    monkeypatch.setattr(source, "Export", lambda session, vdi_uuid: export)
    vdi = source.VdiSource("session", "vdi")  # type: ignore[arg-type]
    try:
        return {number: bytes(data) for number, data in vdi.blocks()}
    finally:
        assert export.left


def test_all_blocks_are_given_and_none_has_anything_beyond_the_disks_end(
        monkeypatch: pytest.MonkeyPatch) -> None:
    export = Export(vhd() + b"what finish() is to judge")
    assert read(monkeypatch, export) == {
        0: HELD[0], 2: HELD[2][:512] + bytes(independent.MIB2 - 512)}
    assert export.finished_at == [len(vhd())]


def test_a_disk_that_is_all_there_is_none_if_xapi_calls_it_a_failure(
        monkeypatch: pytest.MonkeyPatch) -> None:
    failure = exceptions.TaskFailed("the task failed", "VDI_IO_ERROR")
    with pytest.raises(exceptions.TaskFailed, match="the task failed"):
        read(monkeypatch, Export(vhd(), failure))


@pytest.mark.parametrize("data", [
    b"", vhd()[:600], vhd()[:-independent.MIB2], vhd()[:-1], vhd()[:-512] + bytes(512),
    independent.build(SIZE, {1: independent.Block(independent.full(4096), HELD[0][:4096])},
                      block_size=4096),
    vhd(order=[2, 0]), vhd(kind=independent.DIFFERENCING), b"HTTP/1.1 500 Internal Error"],
    ids=["nothing", "cut in its head", "cut in a block", "cut in its footer", "no footer",
         "of other blocks", "in disorder", "a difference", "an error's text"])
def test_what_is_no_whole_disk_fails_with_xapis_reason(monkeypatch: pytest.MonkeyPatch,
                                                       data: bytes) -> None:
    export = Export(data, reason=exceptions.TaskFailed("because of the SR", "VDI_IO_ERROR"))
    with pytest.raises(exceptions.TaskFailed, match="because of the SR"):
        read(monkeypatch, export)
    with pytest.raises(exceptions.TransferCut, match=r"vdi gave no whole VHD.*does not say why"):
        read(monkeypatch, Export(data))
    assert export.finished_at == []
