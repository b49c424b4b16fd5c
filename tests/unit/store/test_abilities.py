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

"""The kept answer to what a cluster can do."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from nova_swift_handler.exceptions import StoreCorrupt
from nova_swift_handler.store.abilities import Abilities

ALL = Abilities(
    ranges=True, inline_data=True, nested=True, nested_ranges=True, symlinks=True, tempurl=True,
    tempurl_digest="sha256", max_entries=1000, max_manifest=8 * 2 ** 20, max_object=5 * 2 ** 30,
    depth=5, found=("ranges: yes", "inline data: yes"))


def test_they_come_back_from_json_as_they_were() -> None:
    assert Abilities.parse(json.loads(json.dumps(ALL.as_json()))) == ALL


@pytest.mark.parametrize("change", [
    {"ranges": 1}, {"depth": True}, {"max_entries": "1000"}, {"tempurl_digest": None},
    {"found": 7}, {"unheard": 1}])
def test_what_is_of_another_kind_is_damage(change: Any) -> None:
    with pytest.raises(StoreCorrupt, match="damaged"):
        Abilities.parse({**ALL.as_json(), **change})


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_what_is_none_is_damage(value: Any) -> None:
    with pytest.raises(StoreCorrupt, match="damaged"):
        Abilities.parse(value)


@pytest.mark.parametrize("missing", ["ranges", "inline_data", "nested"])
def test_blocks_are_shared_where_ranges_inline_data_and_nesting_are_there(missing: str) -> None:
    assert ALL.shares_blocks
    assert not dataclasses.replace(ALL, **{missing: False}).shares_blocks
