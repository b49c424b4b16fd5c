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

"""What people choose of an image goes into ``<name>.properties``, and comes back."""

from __future__ import annotations

from typing import Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.attributes import VISIBILITIES, Attributes, is_chosen

_KEYS = st.from_regex(r"[A-Za-z_:][A-Za-z0-9_.:-]{0,20}", fullmatch=True)
_PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
_CUSTOM = st.dictionaries(_KEYS, st.text(_PRINTABLE, max_size=20), max_size=4)
_SOME = st.builds(
    Attributes, st.none() | st.sampled_from(VISIBILITIES), st.none() | st.integers(0, 10 ** 6),
    st.none() | st.integers(0, 10 ** 6), st.none() | st.booleans(), _CUSTOM)


@given(_SOME)
def test_what_is_written_is_read_back(chosen: Attributes) -> None:
    lines = properties.parse(properties.pack({"name": "n", "id": "i", **chosen.lines()}))
    assert Attributes.parse(lines) == chosen
    assert {key for key in lines if not is_chosen(key)} == {"name", "id"}


@given(_SOME, _SOME, st.lists(_KEYS, max_size=2))
def test_a_change_touches_what_it_names_alone(before: Attributes, change: Attributes,
                                              unset: List[str]) -> None:
    after = before.changed(change, unset)
    for name in ("visibility", "min_disk", "min_ram", "protected"):
        wanted = getattr(change, name)
        assert getattr(after, name) == (getattr(before, name) if wanted is None else wanted)
    expected = {key: value for key, value in before.properties.items() if key not in unset}
    assert after.properties == {**expected, **change.properties}
    assert before.changed(Attributes()) == before


def test_glance_is_told_no_more_than_was_chosen() -> None:
    assert Attributes("public", properties={"os_type": "linux"}).image("n") == {
        "name": "n", "visibility": "public", "os_type": "linux"}
    # A custom property cannot pass for an attribute.
    assert Attributes("private", 1, protected=False, properties={
        "visibility": "public", "name": "other"}).image("n") == {
            "name": "n", "visibility": "private", "min_disk": 1, "protected": False}


@pytest.mark.parametrize("lines", [
    {"min_disk": "many"}, {"min_ram": ""}, {"protected": "perhaps"}, {"visibility": "all"}])
def test_lines_that_say_nothing_that_can_be_are_named(lines: Dict[str, str]) -> None:
    with pytest.raises(exceptions.PointInvalid, match="mend that line"):
        Attributes.parse({"name": "n", **lines})
