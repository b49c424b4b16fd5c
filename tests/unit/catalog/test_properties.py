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

"""``<name>.properties``: whatever a value holds comes back, and people may edit the file."""

from __future__ import annotations

from typing import Dict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.catalog import properties
from tests.unit.store.memory import MemoryAccount

_VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
_KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.:-]{0,30}", fullmatch=True)


@given(st.dictionaries(_KEYS, _VALUES))
def test_what_is_packed_is_parsed_back(values: Dict[str, str]) -> None:
    assert properties.parse(properties.pack(values)) == values


@pytest.mark.parametrize("value", [
    "", " leading and trailing ", "a=b=c", "# no comment", "C:\\new\\readme", "\\", "\\\\n",
    "two\nlines", "two\r\nlines", "form\ffeed", "vertical\vtab", "next\x85line",
    "line\u2028separator", "\x1c\x1d\x1e", "žluťoučký", "\t"])
def test_hard_values_come_back(value: str) -> None:
    assert properties.parse(properties.pack({"a": value, "b": "2"})) == {"a": value, "b": "2"}


@pytest.mark.parametrize("key", ["a=b", "two\nlines", "#number", "back\\slash", "a\u2028b"])
def test_hard_keys_come_back(key: str) -> None:
    assert properties.parse(properties.pack({key: "1", "b": "2"})) == {key: "1", "b": "2"}


def test_each_property_is_a_line_that_people_can_read() -> None:
    assert properties.pack({"name": "Debian 12", "size": 5}) == b"name=Debian 12\nsize=5\n"


def test_an_edited_file_is_read() -> None:
    assert properties.parse(
        b"# by hand\r\n\r\nname = Debian\r\nnonsense\r\nsize=7"
    ) == {"name": " Debian", "size": "7"}


def test_what_is_no_utf8_does_not_stop_a_listing() -> None:
    assert properties.parse(b"a=1\nb=\xff\n")["a"] == "1"


def test_what_was_read_before_is_believed_only_as_long_as_it_is_what_is_there() -> None:
    account = MemoryAccount()
    account.put_container("c", {})
    texts: properties.Texts = {}
    for name in ("a", "b"):
        properties.write(account, "c", name, {"id": "of " + name}, texts)
    properties.write(account, "c", "a", {"id": "another's"})  # by somebody else
    assert properties.every(account, "c", texts=texts) == {
        "a": {"id": "another's"}, "b": {"id": "of b"}}
    properties.remove(account, "c", "of a", texts=texts)
    properties.remove(account, "c", "of b", texts=texts)
    assert properties.every(account, "c") == {"a": {"id": "another's"}}
