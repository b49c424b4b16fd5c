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

"""Verifying and making anew, in a Swift in memory: where views share blocks and where not."""

from __future__ import annotations

import dataclasses
from typing import Any, List

import pytest

from nova_swift_handler.catalog import closing, deletion, finding, lookup, names
from nova_swift_handler.catalog.audit import rebuild, record, verify
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import probe
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.transfer import fetch
from tests.unit.transfer.world import ABILITIES, NAMES, World, noise

_POOR = dataclasses.replace(ABILITIES, ranges=False, inline_data=False, nested_ranges=False)
_CONTAINER = NAMES.volume("v")


class Kept(World):
    """A volume of three points.

    :ivar abilities: of the cluster that stored them.
    """

    def __init__(self, abilities: Abilities) -> None:
        super().__init__()
        self.abilities = abilities
        self.account.put_json(NAMES.index, probe.KEPT, {
            "format": 1, "info": probe._fingerprint({}), "key": True,
            "abilities": abilities.as_json()})
        self.ids = [self.upload("v", held).image_id for held in (
            {0: 1, 1: 2, 3: 3}, {0: 1, 1: 4}, {0: 1, 1: 4, 4: 5})]

    def verify(self, level: str = verify.ALL) -> List[Finding]:
        return verify.verify(self.account, NAMES, _CONTAINER, verify.How(level),
                             for_glance=lambda image_id: True).findings

    def rebuild(self, **more: Any) -> List[rebuild.Outcome]:
        return rebuild.rebuild(self.account, NAMES, self.abilities, _CONTAINER,
                               for_glance=lambda image_id: True, **more)


@pytest.fixture(params=[ABILITIES, _POOR], ids=["shared", "whole"])
def kept(request: Any) -> Kept:
    made = Kept(request.param)
    assert made.verify() == []
    return made


def test_each_object_that_is_lost_is_found_and_made_anew_or_said_to_be_lost(kept: Kept) -> None:
    before = dict(kept.account.objects)
    for (container, name), lost in before.items():
        # Where whole segments are stitched, views may be missing, and Glance may have a copy.
        if name == probe.KEPT or (kept.abilities is _POOR and (
                container == NAMES.images or name.endswith("/" + names.DELTA_VIEW))):
            continue
        kept.account.delete(container, name)
        found = kept.verify()
        states = {each.state for each in kept.rebuild()}
        if name.startswith(names.DATA) and not name.endswith("/closing"):
            assert found, name
            assert rebuild.LOST in states, name
            kept.account.objects[container, name] = lost
            kept.rebuild()
        elif name.endswith("/" + names.POINT):
            assert states == {rebuild.MADE}, name
        else:
            assert found, name
            assert states == {rebuild.MADE}, name
        assert kept.verify() == [], name
        kept.check()
        assert kept.account.objects.keys() >= before.keys(), name


def test_fields_that_a_newer_release_wrote_survive(kept: Kept) -> None:
    point = kept.points()[0]
    name = names.of_point(point.image_id, names.POINT)
    packed = kept.account.get(_CONTAINER, names.closing(point.upload_id))
    assert closing.document(packed) == kept.account.get_json(_CONTAINER, name)
    kept.account.delete(_CONTAINER, name)
    kept.rebuild()
    assert kept.account.get_json(_CONTAINER, name) == closing.document(packed)


def _spoil(kept: Kept) -> Segment:
    """Change a block that all points have, and not its segment's etag; return the segment."""
    shared = set.intersection(*(set(point.segments) for point in kept.points()))
    segment = sorted(shared, key=lambda each: each.path)[0]
    stored = kept.account.objects[_CONTAINER, segment.name]
    data = bytearray(stored.data)
    data[600] ^= 1
    kept.account.objects[_CONTAINER, segment.name] = dataclasses.replace(
        stored, data=bytes(data))
    return segment


def test_a_block_that_went_bad_is_found_wherever_it_is_used(kept: Kept) -> None:
    segment = _spoil(kept)
    assert kept.verify(verify.HEADERS) == []
    (found,) = kept.verify()
    assert (found.kind, found.name, set(found.points)) == (
        finding.BLOCK, segment.name, set(kept.ids))


@pytest.mark.parametrize("deleted", [0, 1, 3])
@pytest.mark.parametrize("again", [False, True])
def test_what_is_known_to_be_bad_is_stored_again_by_the_next_snapshot(
        kept: Kept, deleted: int, again: bool) -> None:
    _spoil(kept)
    how = verify.How(verify.ALL)
    record.keep(kept.account, verify.verify(kept.account, NAMES, _CONTAINER, how), how)
    for point in kept.points()[:deleted]:
        deletion.delete(kept.account, NAMES, kept.abilities, point)
    if again:  # what is left of points is verified, and the segment is nobody's
        record.keep(kept.account, verify.verify(kept.account, NAMES, _CONTAINER, how), how)
    held = {0: 1, 1: 4, 3: 3}
    point = kept.upload("v", held)
    blocks, stored = lookup.blocks(kept.account, point)
    assert {number: bytes(data) for number, data in fetch.fetch(
        kept.account, blocks, stored, 1)} == {
            number: noise(seed)[0] for number, seed in held.items()}
    assert not verify.verify(kept.account, NAMES, _CONTAINER, how).bad(point.image_id)
    assert kept.upload("v", held).sent_blocks == 0


def test_a_snapshot_is_whole_though_its_parent_lost_a_segment(kept: Kept) -> None:
    parent = max(kept.points(), key=lambda point: point.sequence)
    kept.account.delete(_CONTAINER, parent.segments[0].name)
    point = kept.upload("v", {0: 1, 1: 4, 4: 5})
    assert not verify.verify(kept.account, NAMES, _CONTAINER, verify.How(verify.ALL)).bad(
        point.image_id)
    assert kept.chain(point) == {number: noise(seed)[1]
                                 for number, seed in {0: 1, 1: 4, 4: 5}.items()}


def test_a_volume_made_of_an_image_takes_none_of_its_bad_blocks(kept: Kept) -> None:
    base = kept.points()[0]
    _spoil(kept)
    how = verify.How(verify.ALL)
    record.keep(kept.account, verify.verify(kept.account, NAMES, _CONTAINER, how), how)
    point = kept.upload("w", {0: 1, 1: 2, 3: 3}, base=base.image_id)
    assert not verify.verify(kept.account, NAMES, NAMES.volume("w"), how).bad(point.image_id)


def test_it_is_forgotten_with_the_segment(kept: Kept) -> None:
    segment = _spoil(kept)
    how = verify.How(verify.ALL)
    record.keep(kept.account, verify.verify(kept.account, NAMES, _CONTAINER, how), how)
    assert record.damaged(kept.account, [_CONTAINER]) == {segment.path}
    kept.account.delete(_CONTAINER, segment.name)
    record.keep_drill(kept.account, _CONTAINER, kept.ids[0])
    assert record.damaged(kept.account, [_CONTAINER]) == set()
