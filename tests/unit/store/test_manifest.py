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

"""Entries of static large objects."""

from __future__ import annotations

import base64
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.store import manifest
from nova_swift_handler.store.manifest import Entry

_RANGES = st.builds(
    lambda number, first, length: Entry("/c/o%d" % number, "e%d" % number, 1000, first,
                                        first + length - 1),
    st.integers(0, 2), st.integers(0, 20), st.integers(1, 5))
_ENTRIES = st.lists(st.one_of(
    _RANGES, st.builds(lambda number: Entry("/c/o%d" % number, "e", 10), st.integers(0, 2)),
    st.builds(lambda data: Entry(data=data), st.binary(min_size=1, max_size=3))), max_size=30)


def _bytes(entries: List[Entry]) -> List[object]:
    """Return which byte of what each byte of the stitched object is."""
    result: List[object] = []
    for entry in entries:
        if entry.path is None:
            result += list(entry.data)
        elif entry.first is None:
            result += [(entry.path, index) for index in range(entry.size)]
        else:
            assert entry.last is not None
            result += [(entry.path, index) for index in range(entry.first, entry.last + 1)]
    return result


@given(_ENTRIES)
def test_merging_changes_no_byte(entries: List[Entry]) -> None:
    merged = list(manifest.merged(entries))
    assert _bytes(merged) == _bytes(entries)
    assert len(merged) <= len(entries)
    assert sum(entry.length for entry in merged) == len(_bytes(entries))


@given(_ENTRIES)
def test_nothing_that_continues_is_left_apart(entries: List[Entry]) -> None:
    merged = list(manifest.merged(entries))
    for before, after in zip(merged, merged[1:]):
        continues = (before.path is not None and before.path == after.path
                     and before.last is not None and after.first == before.last + 1)
        assert not continues


def test_whole_objects_are_not_merged_though_they_repeat() -> None:
    whole = Entry("/c/o", "e", 10)
    assert list(manifest.merged([whole, whole])) == [whole, whole]


def test_ranges_with_a_gap_or_in_the_wrong_order_stay_apart() -> None:
    first, second = Entry("/c/o", "e", 100, 0, 9), Entry("/c/o", "e", 100, 11, 20)
    assert list(manifest.merged([first, second])) == [first, second]
    assert list(manifest.merged([second, first])) == [second, first]


@pytest.mark.parametrize(("entry", "value"), [
    (Entry("/c/o", "abc", 10), {"path": "/c/o", "size_bytes": 10, "etag": "abc"}),
    (Entry("/c/o", None, 10), {"path": "/c/o", "size_bytes": 10}),
    # Swift's ranges include their last byte.
    (Entry("/c/o", "abc", 10, 2, 5),
     {"path": "/c/o", "size_bytes": 10, "etag": "abc", "range": "2-5"}),
    (Entry("/c/o", "abc", 10, 0, 0),
     {"path": "/c/o", "size_bytes": 10, "etag": "abc", "range": "0-0"}),
    (Entry(data=b"\x00\xff"), {"data": base64.b64encode(b"\x00\xff").decode()}),
])
def test_entries_are_written_as_swift_takes_them(entry: Entry, value: object) -> None:
    assert entry.as_json() == value


@pytest.mark.parametrize(("entry", "length"), [
    (Entry("/c/o", "e", 10), 10), (Entry("/c/o", "e", 10, 2, 5), 4),
    (Entry("/c/o", "e", 10, 0, 0), 1), (Entry(data=b"abc"), 3)])
def test_a_part_adds_as_many_bytes_as_it_names(entry: Entry, length: int) -> None:
    assert entry.length == length
