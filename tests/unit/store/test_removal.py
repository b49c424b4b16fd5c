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

"""What was written for nothing is taken back, as far as Swift lets us."""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Tuple, cast

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.store import removal
from nova_swift_handler.store.account import Account


class FakeAccount:
    """Notes what is to be deleted; *errors* says which deletions fail, and how."""

    def __init__(self, errors: Dict[str, Exception]) -> None:
        self.asked: List[Tuple[str, str]] = []
        self._errors = errors

    def delete(self, container: str, name: str) -> None:
        self.asked.append((container, name))
        if name in self._errors:
            raise self._errors[name]


def remove(count: int, errors: Dict[str, Exception]) -> List[Tuple[str, str]]:
    account = FakeAccount(errors)
    removal.remove(cast(Account, account), [("c", str(number)) for number in range(count)])
    return account.asked


def test_all_goes_in_order() -> None:
    assert remove(3, {}) == [("c", "0"), ("c", "1"), ("c", "2")]


def test_one_that_is_refused_keeps_none_of_the_others(caplog: Any) -> None:
    assert len(remove(5, {"1": exceptions.StoreAuthFailed("no"),
                          "2": exceptions.StoreUnreachable("once")})) == 5
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "After a failed upload c/1 is left over and takes space",
        "After a failed upload c/2 is left over and takes space"]


@pytest.mark.parametrize("count", [4, 4000])
def test_a_swift_that_is_down_is_not_asked_for_each_of_thousands(caplog: Any,
                                                                count: int) -> None:
    caplog.set_level(logging.WARNING)
    down = {str(number): exceptions.StoreUnreachable("down") for number in range(count)}
    assert len(remove(count, cast(Any, down))) == 3
    assert "%d more objects are left over" % (count - 3) in caplog.text
    assert len(caplog.records[-1].getMessage()) < 400
