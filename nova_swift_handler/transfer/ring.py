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

"""Memory for what is read ahead, given back in the order in which it was taken."""

from __future__ import annotations

import collections
import mmap
from typing import Deque, Optional, Tuple


class Ring:
    """Room for *blocks* blocks of *stride* bytes each.

    Mapped, since the heap does not give back what it once had for buffers of this size.  Used
    again and again, since memory new to the process costs more than what is done with it: 1 s of
    CPU time a GiB, of 2.5 s in all.
    """

    def __init__(self, blocks: int, stride: int) -> None:
        self._blocks = blocks
        self._stride = stride
        self._memory = memoryview(mmap.mmap(-1, blocks * stride))
        self._taken: Deque[Tuple[int, int]] = collections.deque()  # first block, end

    def take(self, count: int) -> Optional[memoryview]:
        """Return room for *count* blocks in one piece; None until some is given back."""
        start = self._taken[-1][1] if self._taken else 0
        end = self._blocks
        if self._taken and self._taken[0][0] >= start:  # what is taken goes round the end
            end = self._taken[0][0]
        elif start + count > end:
            start, end = 0, self._taken[0][0]
        if start + count > end:
            return None
        self._taken.append((start, start + count))
        return self._memory[start * self._stride:(start + count) * self._stride]

    def give_back(self) -> None:
        """Give back what was taken first."""
        self._taken.popleft()
