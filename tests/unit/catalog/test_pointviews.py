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

"""A view that leads elsewhere than it should is found, whatever is wrong with it."""

from __future__ import annotations

import dataclasses
from typing import Callable, Dict, List

import pytest

from nova_swift_handler.catalog import changes, names, views
from nova_swift_handler.catalog.audit import pointviews
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.segment import STRIDE
from nova_swift_handler.store.manifest import Entry
from tests.unit.store.memory import Object
from tests.unit.transfer.world import ABILITIES, NAMES, World

_A = NAMES.volume("a")
_META = views.PARENT_META.lower()


class _Volume(World):
    """Four points; the second's ``delta.vhd`` holds blocks 1 and 3, and 2, which is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.made = [self.upload("a", held) for held in (
            {0: 10, 1: 11, 2: 12, 3: 13}, {0: 10, 1: 21, 3: 23}, {0: 10, 1: 21, 3: 33},
            {0: 10, 1: 21, 3: 23})]

    def copied(self) -> _Volume:
        made = _Volume.__new__(_Volume)
        made.__dict__.update(super().copied().__dict__, made=self.made)
        return made

    def view(self, number: int, view: str = names.DELTA_VIEW) -> Object:
        return self.account.objects[_A, names.of_point(self.made[number].image_id, view)]

    def problems(self, number: int) -> List[str]:
        known: Dict[str, Point] = {}
        return [each.problem for each in pointviews.check(
            self.account, self.made[number], known)]


@pytest.fixture(scope="module")
def template() -> _Volume:
    return _Volume()


@pytest.fixture
def volume(template: _Volume) -> _Volume:
    return template.copied()


def _entries(found: Object) -> List[Entry]:
    assert found.entries is not None
    found.entries = list(found.entries)  # not that of the original
    return found.entries


def _other_slot(volume: _Volume) -> None:
    entries = _entries(volume.view(1))
    first = entries[1].first
    entries[1] = dataclasses.replace(entries[1], first=STRIDE - (first or 0),
                                     last=2 * STRIDE - (first or 0) - 1)


def _other_segment(volume: _Volume) -> None:
    other = _entries(volume.view(2))[1]
    entries = _entries(volume.view(1))
    entries[1] = dataclasses.replace(other, first=entries[1].first, last=entries[1].last)


def _other_name(volume: _Volume) -> None:
    """A segment of another name and, as its bytes are, of the same etag."""
    entries = _entries(volume.view(1))
    container, name = (entries[1].path or "").lstrip("/").split("/", 1)
    volume.account.objects[container, name + "-copy"] = volume.account.objects[container, name]
    entries[1] = dataclasses.replace(entries[1], path="/%s/%s-copy" % (container, name))


def _other_etag(volume: _Volume) -> None:
    entries = _entries(volume.view(1))
    entries[1] = dataclasses.replace(entries[1], etag="0" * 32)
    volume.account._read = lambda found: (  # type: ignore[method-assign]
        b"".join(_piece(volume, entry) for entry in found.entries)
        if found.entries is not None else found.data)


def _piece(volume: _Volume, entry: Entry) -> bytes:
    """Read an entry without comparing etags."""
    if entry.path is None:
        return entry.data
    named = volume.account._named(entry.path)
    assert named is not None
    data = volume.account._read(named)
    return data if entry.first is None or entry.last is None else data[
        entry.first:entry.last + 1]


def _longer_than_told(volume: _Volume) -> None:
    found = volume.view(1)
    entries = _entries(found)
    footer = entries[-1].data
    entries[-1] = Entry(data=footer + footer[:-512] + footer[-512:])  # its end is as it was


def _other_footer(volume: _Volume) -> None:
    entries = _entries(volume.view(1))
    entries[-1] = Entry(data=b"C" + entries[-1].data[1:])


def _anothers(volume: _Volume) -> None:
    """The view of a point that holds the same, and is another."""
    volume.account.objects[_A, names.of_point(volume.made[1].image_id, names.DISK_VIEW)] = (
        volume.view(3, names.DISK_VIEW))


def _another_parent(volume: _Volume) -> None:
    found = volume.view(3)
    found.headers = {**found.headers, _META: volume.made[0].image_id}


def _older(volume: _Volume) -> None:
    """It refers to a point that is not older."""
    found = volume.view(1)
    found.headers = {**found.headers, _META: volume.made[3].image_id}


def _block_too_few(volume: _Volume) -> None:
    other, point = volume.made[2], volume.made[1]
    views.Views(volume.account, _A, ABILITIES).delta(
        point.image_id, point.virtual_size, changes.between(volume.account, other, point),
        volume.made[0].image_id)


def _zeros(volume: _Volume) -> None:
    for name in names.ZEROS:
        found = volume.account.objects.get((_A, name))
        if found is not None:
            volume.account.objects[_A, name] = dataclasses.replace(
                found, data=found.data[:-1] + b"\1")


def test_what_is_right_is_not_found(volume: _Volume) -> None:
    assert [volume.problems(number) for number in range(4)] == [[]] * 4


@pytest.mark.parametrize(("spoil", "number", "phrase"), [
    (_other_slot, 1, "where it is not"), (_other_segment, 1, "where it is not"),
    (_other_name, 1, "where it is not"), (_other_etag, 1, "where it is not"),
    (_longer_than_told, 1, "manifests make"),
    (_other_footer, 1, "does not end with its footer"), (_anothers, 1, "VHD of something else"),
    (_older, 1, "which is not older"), (_block_too_few, 1, "should have block 1"),
    (_zeros, 1, "is not zero"), (_another_parent, 3, "does not name the parent")])
def test_what_is_wrong_is_found(volume: _Volume, spoil: Callable[[_Volume], None], number: int,
                                phrase: str) -> None:
    spoil(volume)
    problems = volume.problems(number)
    assert phrase in " ".join(problems)
