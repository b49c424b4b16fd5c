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

"""Data that anybody can compute again: what a simulated guest writes, and tests compare with."""

from __future__ import annotations

import hashlib
from typing import Union

_UNIT = 64 * 1024


def pattern(seed: Union[int, str], offset: int, length: int) -> bytes:
    """``length`` bytes of the endless stream ``seed``, beginning at ``offset``.

    Bytes ``i * 65536 .. (i + 1) * 65536`` of a stream are the SHAKE-128 output of the text
    ``<seed>:<i>``.
    """
    first, last = offset // _UNIT, (offset + length + _UNIT - 1) // _UNIT
    units = [
        hashlib.shake_128(("%s:%d" % (seed, index)).encode("utf-8")).digest(_UNIT)
        for index in range(first, last)]
    start = offset - first * _UNIT
    return b"".join(units)[start:start + length]
