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

"""Whatever Swift does to segments, every block that was read is stored, or the upload fails."""

from __future__ import annotations

import hashlib
import threading

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.store.account import Stored
from nova_swift_handler.transfer import source, upload
from nova_swift_handler.vhd import constants

_BLOCKS = 40


class Disk(source.DiskSource):
    """Every third block zero; counts how often it was read, and whether it was closed."""

    def __init__(self):
        self.virtual_size = _BLOCKS * constants.BLOCK_SIZE
        self.asked = []
        self.closed = 0

    @staticmethod
    def content(number):
        if number % 3 == 2:
            return bytes(constants.BLOCK_SIZE)
        return hashlib.sha256(b"%d" % number).digest() * (constants.BLOCK_SIZE // 32)

    def blocks(self, wanted=None):
        self.asked.append(wanted)
        try:
            for number in range(_BLOCKS):
                if wanted is None or number in wanted:
                    yield number, bytearray(self.content(number))
        finally:
            self.closed += 1


class Account:
    """Keeps objects in memory; *trouble(count)* says what befalls the segment sent as count-th."""

    def __init__(self, trouble=lambda count: None):
        self.objects = {}
        self._trouble = trouble
        self._count = 0
        self._lock = threading.Lock()

    def put_stream(self, container, name, pieces):
        with self._lock:
            self._count += 1
            trouble = self._trouble(self._count)
        if trouble == "refused":
            raise exceptions.StoreUnreachable("refused before a byte was taken")
        if trouble == "forbidden":
            raise exceptions.StoreAuthFailed("no")
        data = bytearray()
        for piece in pieces:
            data += piece
            if trouble == "cut":
                raise exceptions.StoreUnreachable("cut in the middle")
        self.objects[container, name] = bytes(data)
        if trouble == "answer lost":
            raise exceptions.StoreUnreachable("stored, but the answer was lost")
        return Stored(hashlib.sha256(data).hexdigest(), len(data))

    def delete(self, container, name):
        self.objects.pop((container, name), None)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(upload, "_PAUSE", 0.0)


def uploader(account, progress=lambda done, total: None):
    return upload.Uploader(account, "c", "volume", segment_size=9 * segments.STRIDE, threads=3,
                           progress=progress)


def assert_whole(account, virtual_size, blocks, stored):
    assert virtual_size == _BLOCKS * constants.BLOCK_SIZE
    for number in range(_BLOCKS):
        place = blocks.get(number)
        if place is None:
            assert not any(Disk.content(number))
            continue
        data = account.objects["c", stored[place.segment].name]
        start = place.offset + constants.BITMAP_SIZE
        assert data[place.offset:start] == b"\xff" * constants.BITMAP_SIZE
        assert data[start:start + constants.BLOCK_SIZE] == Disk.content(number)
        assert place.digest == hashlib.sha256(Disk.content(number)).digest()


def test_blocks_lie_where_the_map_says_and_zeros_nowhere():
    account, disk = Account(), Disk()
    assert_whole(account, *uploader(account).upload(disk))
    assert disk.asked == [None]


def test_a_segment_explains_itself():
    account = Account()
    _size, blocks, stored = uploader(account).upload(Disk())
    for index, segment in enumerate(stored):
        trailer = segments.Trailer.parse(account.objects["c", segment.name])
        assert (trailer.volume_id, trailer.virtual_size) == (
            "volume", _BLOCKS * constants.BLOCK_SIZE)
        assert [number for number, _digest in trailer.entries] == sorted(
            place.block for place in blocks.places() if place.segment == index)


@pytest.mark.parametrize("trouble", ["refused", "cut", "answer lost"])
@pytest.mark.parametrize("which", [{1}, {2, 3}, {1, 2, 3}])
def test_blocks_of_a_lost_segment_are_sent_again(trouble, which):
    account, disk = Account(lambda count: trouble if count in which else None), Disk()
    assert_whole(account, *uploader(account).upload(disk))
    assert len(disk.asked) == 2
    assert disk.asked[1]


@pytest.mark.parametrize("trouble", ["refused", "cut", "forbidden"])
def test_an_upload_that_cannot_be_fails_with_swifts_reason(trouble):
    disk = Disk()
    with pytest.raises(exceptions.StoreError, match=r"refused|cut|no"):
        uploader(Account(lambda count: trouble)).upload(disk)
    assert disk.closed == len(disk.asked)


def test_a_source_that_fails_lets_no_segment_be_completed():
    class Broken(Disk):
        def blocks(self, wanted=None):
            for number, data in super().blocks(wanted):
                if number == 30:
                    raise exceptions.TransferCut("cut")
                yield number, data

    account = Account()
    sending = uploader(account)
    with pytest.raises(exceptions.TransferCut):
        sending.upload(Broken())
    sending.discard()
    assert not account.objects


def test_a_failed_upload_closes_its_source_and_discards_all_it_sent():
    def stop(done, total):
        if done > total / 2:
            raise exceptions.TransferFailed("stopped")

    account, disk = Account(lambda count: "answer lost" if count == 1 else None), Disk()
    sending = uploader(account, stop)
    with pytest.raises(exceptions.TransferFailed):
        sending.upload(disk)
    assert disk.closed == 1
    sending.discard()
    assert not account.objects


def test_a_segment_whose_answer_was_lost_is_not_left_behind():
    account = Account(lambda count: "answer lost" if count == 1 else None)
    _size, _blocks, stored = uploader(account).upload(Disk())
    assert {name for _container, name in account.objects} == {
        segment.name for segment in stored}


def test_one_401_does_not_end_an_upload():
    class Expired(Account):
        def put_stream(self, container, name, pieces):
            if self._trouble(self._count + 1) == "expired":
                self._count += 1
                error = exceptions.StoreAuthFailed("401")
                error.passing = True
                raise error
            return super().put_stream(container, name, pieces)

    account, disk = Expired(lambda count: "expired" if count == 1 else None), Disk()
    assert_whole(account, *uploader(account).upload(disk))
