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
from nova_swift_handler.catalog import lineage
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.lineage import Heritage
from nova_swift_handler.store.account import Stored
from nova_swift_handler.transfer import upload
from nova_swift_handler.transfer.sources import source
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

    @classmethod
    def held(cls):
        """Return the numbers of the blocks that are not zero."""
        return [number for number in range(_BLOCKS) if number % 3 != 2]

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

    def headers(self, container, name):
        if (container, name) not in self.objects:
            raise exceptions.ObjectMissing("gone")
        data = self.objects[container, name]
        return {"etag": hashlib.sha256(data).hexdigest(), "content-length": str(len(data))}

    def listing(self, container, prefix):
        return [{"name": name, "bytes": len(data), "hash": hashlib.sha256(data).hexdigest()}
                for (_container, name), data in sorted(self.objects.items())]

    def get_json(self, container, name):
        raise exceptions.ObjectMissing("no record of what is damaged")

    def read_into(self, container, name, offset, target):
        target[:] = self.objects[container, name][offset:offset + len(target)]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(upload, "_PAUSE", 0.0)


def uploader(account, progress=lambda done, total: None, heritage=None):
    return upload.Uploader(account, "c", "volume", heritage or Heritage(),
                           segment_size=9 * segments.STRIDE, threads=3, progress=progress)


def left_by_others(account):
    """Return what the uploads before left in *account*, none of them having become a point."""
    heritage = Heritage()
    lineage.add_unused(account, "c", heritage, set())
    return heritage


def assert_whole(account, made, disk=Disk):
    blocks, stored, content = made.blocks, made.stored, disk.content
    assert made.virtual_size == _BLOCKS * constants.BLOCK_SIZE
    for number in range(_BLOCKS):
        place = blocks.get(number)
        if place is None:
            assert not any(content(number))
            continue
        data = account.objects["c", stored[place.segment].name]
        start = place.offset + constants.BITMAP_SIZE
        assert data[place.offset:start] == b"\xff" * constants.BITMAP_SIZE
        assert data[start:start + constants.BLOCK_SIZE] == content(number)
        assert place.digest == hashlib.sha256(content(number)).digest()


def test_blocks_lie_where_the_map_says_and_zeros_nowhere():
    account, disk = Account(), Disk()
    assert_whole(account, uploader(account).upload(disk))
    assert disk.asked == [None]


def test_a_segment_explains_itself():
    account = Account()
    made = uploader(account).upload(Disk())
    for index, segment in enumerate(made.stored):
        trailer = segments.Trailer.parse(account.objects["c", segment.name])
        assert (trailer.volume_id, trailer.virtual_size) == (
            "volume", _BLOCKS * constants.BLOCK_SIZE)
        assert [number for number, _digest in trailer.entries] == sorted(
            place.block for place in made.blocks.places() if place.segment == index)


@pytest.mark.parametrize("trouble", ["refused", "cut", "answer lost"])
@pytest.mark.parametrize("which", [{1}, {2, 3}, {1, 2, 3}])
def test_blocks_of_a_lost_segment_are_sent_again(trouble, which):
    account, disk = Account(lambda count: trouble if count in which else None), Disk()
    assert_whole(account, uploader(account).upload(disk))
    assert len(disk.asked) == 2
    assert disk.asked[1]


@pytest.mark.parametrize("trouble", ["refused", "cut", "forbidden"])
def test_an_upload_that_cannot_be_fails_with_swifts_reason(trouble):
    disk = Disk()
    with pytest.raises(exceptions.StoreError, match=r"refused|cut|no"):
        uploader(Account(lambda count: trouble)).upload(disk)
    assert disk.closed == len(disk.asked)


def sent(account):
    """Return the numbers of the blocks that are in *account*, as its segments say."""
    return sorted(number for data in account.objects.values()
                  for number, _digest in segments.Trailer.parse(data).entries)


def test_what_was_read_before_its_source_failed_is_there_for_the_next_upload():
    class Broken(Disk):
        def blocks(self, wanted=None):
            for number, data in super().blocks(wanted):
                if number == 30:
                    raise exceptions.TransferCut("cut")
                yield number, data

    account = Account()
    with pytest.raises(exceptions.TransferCut):
        uploader(account).upload(Broken())
    assert sent(account) == [number for number in range(30) if number % 3 != 2]
    made = uploader(account, heritage=left_by_others(account)).upload(Disk())
    assert_whole(account, made)
    assert made.sent_blocks == len([number for number in range(30, _BLOCKS) if number % 3 != 2])


def test_a_stopped_upload_closes_its_source_and_what_it_sent_is_used_by_the_next():
    def stop(done, total):
        if done > total / 2:
            raise exceptions.TransferFailed("stopped")

    account, disk = Account(lambda count: "answer lost" if count == 1 else None), Disk()
    with pytest.raises(exceptions.TransferFailed):
        uploader(account, stop).upload(disk)
    assert disk.closed == 1
    there = sent(account)
    assert there
    made = uploader(account, heritage=left_by_others(account)).upload(Disk())
    assert_whole(account, made)
    assert made.sent_blocks == len(Disk.held()) - len(set(there))


def test_a_segment_whose_answer_was_lost_is_used_by_the_next_upload():
    account = Account(lambda count: "answer lost" if count == 1 else None)
    made = uploader(account).upload(Disk())
    assert len(account.objects) == len(made.stored) + 1
    heritage = Heritage()
    lineage.add_unused(account, "c", heritage, {segment.name for segment in made.used()})
    assert len(heritage.stored) == 1
    again = uploader(account, heritage=heritage).upload(Disk())
    assert_whole(account, again)
    assert again.sent_blocks == len(Disk.held()) - len(heritage.unused)


def inherit(made):
    stored = made.used()
    numbers = {segment: number for number, segment in enumerate(stored)}
    blocks = BlockMap(len(made.blocks))
    for place in made.blocks.places():
        blocks.set(place._replace(segment=numbers[made.stored[place.segment]]))
    return Heritage(blocks=blocks, stored=stored)


class Changed(Disk):
    """A disk some of whose blocks have become others, or zero."""

    def __init__(self, changed):
        super().__init__()
        self.changed = changed

    def content(self, number):
        if number in self.changed:
            seed = self.changed[number]
            return seed * constants.BLOCK_SIZE
        return Disk.content(number)


def test_only_what_the_parent_has_not_is_sent_and_marked():
    account = Account()
    first = uploader(account).upload(Disk())
    disk = Changed({0: b"a", 2: b"b", 4: bytes(1), 39: b"c"})
    made = uploader(account, heritage=inherit(first)).upload(disk)
    assert made.sent_blocks == 3
    assert [number for number, mark in enumerate(made.changed) if mark] == [0, 2, 4, 39]
    assert_whole(account, made, disk)


def test_a_block_that_stands_elsewhere_in_the_parent_is_not_mistaken_for_unchanged():
    account = Account()
    first = uploader(account).upload(Disk())
    disk = Disk()
    disk.content = lambda number: Disk.content(number + 1)
    made = uploader(account, heritage=inherit(first)).upload(disk)
    assert_whole(account, made, disk)


@pytest.mark.parametrize("again", [1, 2])
def test_blocks_of_a_shared_segment_that_vanishes_are_sent_again(again):
    account = Account()
    first = uploader(account).upload(Disk())
    heritage = inherit(first)
    for segment in heritage.stored[:again]:
        del account.objects["c", segment.name]
    disk = Disk()
    made = uploader(account, heritage=heritage).upload(disk)
    assert made.sent_blocks == sum(segment.blocks for segment in heritage.stored[:again])
    assert len(disk.asked) == 2
    assert_whole(account, made)


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
    assert_whole(account, uploader(account).upload(disk))


def test_a_disk_that_changes_its_size_while_it_is_stored_is_refused():
    class Growing(Disk):
        def blocks(self, wanted=None):
            self.virtual_size += constants.BLOCK_SIZE
            return super().blocks(wanted)

    account = Account(lambda count: "refused" if count == 1 else None)
    with pytest.raises(exceptions.VhdError, match="must not change"):
        uploader(account).upload(Growing())
