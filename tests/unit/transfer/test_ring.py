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

"""The memory of what is read ahead."""

from __future__ import annotations

import collections
from typing import Deque, List, Tuple

from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.transfer.ring import Ring

_BLOCKS = 11
_LARGEST = 4


@given(st.lists(st.integers(1, _LARGEST), max_size=60))
def test_no_room_is_given_twice_and_some_is_given_once_all_is_back(counts: List[int]) -> None:
    ring = Ring(_BLOCKS, 2)
    live: Deque[Tuple[memoryview, int]] = collections.deque()
    for mark, count in enumerate(counts):
        room = ring.take(count)
        while room is None:
            view, written = live.popleft()  # an IndexError, were it refused with all given back
            assert bytes(view) == bytes([written]) * len(view)
            ring.give_back()
            room = ring.take(count)
        assert len(room) == 2 * count
        room[:] = bytes([mark]) * len(room)
        live.append((room, mark))
    for view, written in live:
        assert bytes(view) == bytes([written]) * len(view)


def test_small_pieces_fill_all_of_it() -> None:
    ring = Ring(_BLOCKS, 2)
    assert [ring.take(1) is not None for _each in range(_BLOCKS + 1)] == [True] * _BLOCKS + [False]
