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

"""Parent locators: paths for Windows and Mac OS X, from whoever wrote them."""

from __future__ import annotations

import io
import struct
from typing import Dict, List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import locator
from nova_swift_handler.vhd.file import VhdFile
from nova_swift_handler.vhd.layout import Layout, Parent
from nova_swift_handler.vhd.locator import Locator
from nova_swift_handler.vhd.reader import StreamReader

from . import disks, independent
from .independent import Block

_NAMES = st.text(st.characters(exclude_characters="\0\\", exclude_categories=["Cs"]),
                 min_size=1, max_size=40)
_SMALL = 4096


def _vhd(locators: List[Tuple[bytes, int, bytes]], gap: int = 0) -> bytes:
    block = Block(independent.full(_SMALL), disks.noise(_SMALL, 1))
    return independent.build(3 * _SMALL, {0: block, 2: block}, independent.DIFFERENCING, _SMALL,
                             parent_id=b"p" * 16, locators=locators, gap=gap)


def _paths(vhd: bytes) -> Dict[bytes, str]:
    """Return the paths, which a file and a stream must agree on."""
    file = VhdFile(io.BytesIO(vhd)).parent_paths()
    reader = StreamReader(io.BytesIO(vhd), len(vhd))
    for _block in reader.blocks():
        pass
    assert reader.parent_paths() == file
    return file


@pytest.mark.parametrize(("platform", "path", "expected"), [
    # As Hyper-V writes them: the space in bytes.
    (b"W2ru", ".\\base.vhd".encode("utf-16-le"), "./base.vhd"),
    (b"W2ku", "C:\\vm\\b\N{LATIN SMALL LETTER A WITH DIAERESIS}se.vhd".encode("utf-16-le"),
     "C:/vm/b\N{LATIN SMALL LETTER A WITH DIAERESIS}se.vhd"),
    (b"W2ru", "base.vhd\0".encode("utf-16-le"), "base.vhd"),
    # As blktap does: a relative path in a URL.
    (b"MacX", b"file://./base.vhd", "./base.vhd"),
    (b"MacX", b"file:///var/run/base.vhd", "/var/run/base.vhd"),
    (b"MacX", b"file://localhost/var/base%20disk.vhd", "/var/base disk.vhd"),
])
@pytest.mark.parametrize("space", [1, 512])
def test_paths_of_others_are_read(platform: bytes, space: int, path: bytes,
                                  expected: str) -> None:
    assert _paths(_vhd([(platform, space, path)])) == {platform: expected}


def test_several_are_read_each_for_its_platform() -> None:
    vhd = _vhd([(b"MacX", 1, b"file://./b.vhd"), (b"W2ku", 1, "D:\\b".encode("utf-16-le")),
                (b"W2ru", 1, ".\\b.vhd".encode("utf-16-le"))], gap=2)
    assert _paths(vhd) == {b"MacX": "./b.vhd", b"W2ku": "D:/b", b"W2ru": "./b.vhd"}


def test_the_room_that_xapi_keeps_and_never_fills_is_no_path() -> None:
    assert _paths(_vhd([(b"MacX", 1, bytes(40)), (b"W2ru", 1, b"")])) == {}


@pytest.mark.parametrize("platform", [b"Wi2r", b"Wi2k", b"Mac "])
def test_obsolete_kinds_are_passed_over(platform: bytes) -> None:
    assert _paths(_vhd([(platform, 1, b"whatever")])) == {}


@given(_NAMES)
def test_what_is_laid_out_is_read_back(name: str) -> None:
    layout = Layout(5 * _SMALL, [], b"c" * 16, _SMALL, Parent(b"p" * 16, name))
    vhd = layout.head + layout.footer
    assert _paths(vhd) == {locator.W2RU: name, locator.MACX: name}
    header = VhdFile(io.BytesIO(vhd)).header
    assert header is not None
    assert header.parent_name == name
    assert header.parent_unique_id == b"p" * 16


@given(st.sampled_from([locator.W2RU, locator.W2KU, locator.MACX]), _NAMES)
def test_what_is_encoded_is_decoded(platform: bytes, name: str) -> None:
    assert locator.decode(platform, locator.encode(platform, name)) == name


@pytest.mark.parametrize(("platform", "path", "match"), [
    (b"MacX", b"http://example.org/", "no file URL"),
    (b"MacX", b"\xff\xfe", "holds no text"),
    (b"MacX", b"file://%ff", "holds no text"),
    (b"W2ru", b"\x00\xd8\x00\x00", "holds no text"),
    (b"W2ku", b"abc", "holds no text"),
])
def test_what_is_no_path_is_refused_but_only_when_it_is_asked_for(
        platform: bytes, path: bytes, match: str) -> None:
    vhd = _vhd([(platform, 1, path)])
    file = VhdFile(io.BytesIO(vhd))
    assert file.read(0, 512) == disks.noise(_SMALL, 1)[:512]
    with pytest.raises(exceptions.VhdError, match=match):
        file.parent_paths()
    reader = StreamReader(io.BytesIO(vhd))
    assert len(list(reader.blocks())) == 2
    with pytest.raises(exceptions.VhdError, match=match):
        reader.parent_paths()


def _entry(platform: bytes, space: int, length: int, offset: int) -> bytes:
    return struct.pack(">4sIIIQ", platform, space, length, 0, offset)


@pytest.mark.parametrize(("entry", "match"), [
    (_entry(b"Linx", 1, 10, 4096), "unknown platform"),
    (_entry(b"W2ru", 1, 513, 4096), "has 513 bytes; there is room for 512"),
    (_entry(b"W2ru", 0, 1, 4096), "room for 0"),
    (_entry(b"MacX", 2 ** 32 - 512, 2 ** 32 - 600, 4096), "up to 65536"),
])
def test_a_locator_that_cannot_be_is_refused(entry: bytes, match: str) -> None:
    with pytest.raises(exceptions.VhdError, match=match):
        locator.parse_entries(entry)


@pytest.mark.parametrize("offset", [10 ** 6, 2 ** 64 - 1])
def test_a_path_beyond_the_files_end_is_refused(offset: int) -> None:
    vhd = bytearray(_vhd([(b"W2ru", 1, b"a\0")]))
    struct.pack_into(">Q", vhd, 512 + 576 + 16, offset)
    vhd[512:1536] = independent.resum(bytes(vhd[512:1536]), independent.HEADER_SUM)
    with pytest.raises(exceptions.VhdTruncated, match="inside its parent's path"):
        VhdFile(io.BytesIO(vhd)).parent_paths()
    reader = StreamReader(io.BytesIO(vhd))
    assert len(list(reader.blocks())) == 2
    assert reader.parent_paths() == {}, "a stream cannot look there"


def test_a_locator_says_its_room_in_sectors() -> None:
    assert Locator(b"MacX", 2048, 30, 4096).pack() == _entry(b"MacX", 4, 30, 4096)
    assert locator.parse_entries(_entry(b"MacX", 4, 30, 4096)) == (
        Locator(b"MacX", 2048, 30, 4096),)


@pytest.mark.parametrize(("pieces", "expected"), [
    ([(90, 30)], "0123456789"),
    ([(90, 14), (104, 1), (105, 50)], "0123456789"),
    ([(90, 26)], None),
    ([(101, 50)], None),
    ([(90, 14), (105, 50)], None),
    ([(0, 20), (110, 200)], None),
    ([(101, 6), (107, 6), (113, 6), (119, 6), (125, 20)], None),
], ids=["whole", "in pieces", "end not seen", "begin not seen", "hole", "neither",
        "begin not seen, in pieces"])
def test_a_path_is_collected_whole_or_not_at_all(pieces: List[Tuple[int, int]],
                                                 expected: Optional[str]) -> None:
    data = b"x" * 100 + b"file://0123456789".ljust(1000, b"y")
    collector = locator.Collector([Locator(b"MacX", 512, 17, 100)])
    for start, size in pieces:
        collector.see(start, bytearray(data[start:start + size]))
    assert collector.paths() == ({} if expected is None else {b"MacX": expected})
