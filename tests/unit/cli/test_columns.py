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


import pytest

from nova_swift_handler.cli.columns import Blank, Bytes, Names, moment, typed


@pytest.mark.parametrize("value, shown", [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2 ** 30 + 2 ** 29, "5.5 GiB"),
    (2 ** 70, "1048576.0 PiB"), (None, "")])
def test_a_size_has_a_unit_for_people_and_none_for_programs(value, shown):
    assert Bytes(value).human_readable() == shown
    assert Bytes(value).machine_readable() == value


def test_names_are_a_list_for_programs_and_what_is_not_there_is_null():
    assert (Names(("a", "b")).human_readable(), Names(("a", "b")).machine_readable()) == (
        "a, b", ["a", "b"])
    assert (Blank(None).human_readable(), Blank(None).machine_readable()) == ("", None)
    assert (Blank(3).human_readable(), Blank(3).machine_readable()) == ("3", 3)


@pytest.mark.parametrize("value", [1795293109, "Sat, 21 Nov 2026 20:31:49 GMT"])
def test_a_time_is_shown_so_that_it_can_be_sorted(value):
    assert moment(value) == typed("stored_at", value) == "2026-11-21T20:31:49Z"
    assert moment(None) is None


@pytest.mark.parametrize("name, text, value", [
    ("min_disk", "10", 10), ("min_ram", "512", 512), ("protected", "true", True),
    ("protected", "false", False), ("name", "10", "10"), ("property.min_disk", "10", "10")])
def test_what_properties_say_is_shown_as_what_it_is(name, text, value):
    assert typed(name, text) == value and type(typed(name, text)) is type(value)
