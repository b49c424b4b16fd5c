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

"""The guest's data can be computed again from any offset."""

from __future__ import annotations

import hashlib

import pytest

from nova_swift_handler.sandbox.xapi.pattern import pattern


@pytest.mark.parametrize(("offset", "length"), [
    (0, 0), (0, 1), (1, 65535), (65535, 2), (65536, 65536), (100, 200000)])
def test_any_piece_is_a_piece_of_the_whole(offset: int, length: int) -> None:
    assert pattern("s", offset, length) == pattern("s", 0, 300000)[offset:offset + length]


def test_seeds_differ_and_numbers_are_seeds() -> None:
    assert pattern(1, 0, 64) == pattern("1", 0, 64) != pattern(2, 0, 64)


def test_the_stream_is_what_its_documentation_says() -> None:
    assert pattern("x", 65536, 32) == hashlib.shake_128(b"x:1").digest(32)
