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

"""All checks are made, whatever becomes of one."""

from __future__ import annotations

from typing import Any, Iterator, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.doctor import check, checks
from nova_swift_handler.doctor.check import Check, Finding


def good(_site: Any) -> Iterator[Finding]:
    yield Finding(check.OK, "good", "it is")


def told(*given: Check, read_only: bool = False) -> List[Any]:
    site: Any = object()
    return [(row.area, row.finding.state, row.finding.what)
            for row in check.examine(site, given, read_only)]


@pytest.mark.parametrize("error", [
    exceptions.StoreUnreachable("Swift is away"), KeyError("defect"), OSError("no disk")])
def test_one_that_fails_is_not_checked_and_the_next_is(error: Exception) -> None:
    def bad(_site: Any) -> Iterator[Finding]:
        yield Finding(check.WRONG, "first", "before it failed")
        raise error

    assert told(Check("a", "bad", bad), Check("b", "good", good)) == [
        ("a", check.WRONG, "first"), ("a", check.NOT_CHECKED, "bad"), ("b", check.OK, "good")]


def test_one_that_writes_is_left_out_on_demand() -> None:
    written = []

    def writes(_site: Any) -> Iterator[Finding]:
        written.append(True)
        yield Finding(check.OK, "writes", "")

    wanted = Check("a", "writes", writes, writes=True)
    assert told(wanted, read_only=True) == [("a", check.NOT_CHECKED, "writes")]
    assert not written
    assert told(wanted) == [("a", check.OK, "writes")]


def test_an_interruption_is_one() -> None:
    def interrupted(_site: Any) -> Iterator[Finding]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        told(Check("a", "x", interrupted))


def test_every_check_says_what_it_looks_at() -> None:
    names = [(each.area, each.what) for each in checks.ALL]
    assert len(set(names)) == len(names)
    assert all(each.look.__doc__ for each in checks.ALL)
