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

"""What another cloud's index says is believed only as far as it can do no harm."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.images import catalogue
from nova_swift_handler.images.catalogue import Entry

ENTRY = Entry("template", "debian 12", 4096, 8192, "ab" * 32, Attributes(
    min_disk=3, properties={"os_type": "linux"}), "template/x.vhd?temp_url_sig=1&a=2")


def _parse(**changes: Any) -> Entry:
    value: Dict[str, Any] = {**ENTRY.as_json(), **changes}
    return catalogue.parse(json.dumps({"format": 1, "entries": [value]}).encode(), "u")[0]


def test_an_index_says_again_what_was_packed() -> None:
    other = Entry("iso", "a", 2048, 2048, "0" * 64, Attributes(), "iso/y.iso")
    assert catalogue.parse(catalogue.pack([ENTRY, other], "now"), "u") == [other, ENTRY]


def test_what_a_reader_does_not_know_it_passes_over() -> None:
    assert _parse(new="x") == ENTRY


@pytest.mark.parametrize("url", [
    "a", "a/b.vhd", "a/b%20c", "a?sig=1&x=/../", "a/b..c", "..."])
def test_addresses_below_the_index_may_be_followed(url: str) -> None:
    assert _parse(url=url).url == url


@pytest.mark.parametrize("url", [
    "", "/a", "//h/a", "../a", "a/../../b", "a/..", "./a", "a//b", "http://h/a", "file:a",
    "a\\b", "a b", "%2e%2e/a", "a/%2E%2E/b", "%2fetc", "a%00b", "a%5c..%5cb", "%252e%252e/a",
    "a#b", "a\nb", "https:a", "\u00e4", None, 7, ["a"]])
def test_addresses_that_lead_elsewhere_are_refused(url: Any) -> None:
    with pytest.raises(exceptions.CatalogueInvalid):
        _parse(url=url)


@pytest.mark.parametrize("changes", [
    {"kind": "snapshot"}, {"kind": ["template"]}, {"name": ""}, {"name": "a/b"}, {"name": None},
    {"size": 0}, {"size": True}, {"size": 1.5}, {"size": 2 ** 63}, {"virtual_size": "4096"},
    {"sha256": "AB" * 32}, {"sha256": 5}, {"min_disk": -1}, {"min_ram": "much"},
    {"properties": ["a"]}, {"properties": {"a": None}}, {"properties": {"": "a"}},
    {"properties": {"a" * 256: "a"}}, {"properties": {"a": "a" * 4097}},
    {"properties": {"a": "\ud800"}}, {"properties": {"\udfff": "a"}},
    {"properties": {str(number): "" for number in range(201)}}])
def test_what_no_entry_can_be_is_refused(changes: Dict[str, Any]) -> None:
    with pytest.raises(exceptions.CatalogueInvalid, match=r"entry|offers"):
        _parse(**changes)


@pytest.mark.parametrize(("text", "phrase"), [
    ("", "no catalogue"), ("[" * 100000, "no catalogue"), ("{}", "no catalogue"),
    ('{"format": 1, "entries": {}}', "no catalogue"), ('{"format": "1", "entries": []}', "no cat"),
    ('{"format": 2, "entries": []}', "upgrade"), ('{"format": 0, "entries": []}', "anew"),
    ('{"format": 1, "entries": [[]]}', "damaged")])
def test_what_is_no_index_is_refused(text: str, phrase: str) -> None:
    with pytest.raises(exceptions.CatalogueInvalid, match=phrase):
        catalogue.parse(text.encode(), "u")


def test_a_name_is_offered_once() -> None:
    with pytest.raises(exceptions.CatalogueInvalid, match="two of the name"):
        catalogue.parse(catalogue.pack([ENTRY, ENTRY], "now"), "u")
