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

"""Whether the image that has the id of what is to be deleted is its own, or another's."""

from __future__ import annotations

import types
from typing import Any, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.intent import DELETE, Intent
from nova_swift_handler.images import claim
from tests.unit.store.memory import MemoryAccount

ID = "6a3c4b1e-0000-4000-8000-000000000001"
THEN, LATER = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"


class Glance:
    """One that has the images that it is given, by when they were created."""

    def __init__(self, created: Optional[str]) -> None:
        self._created = created

    def get(self, image_id: str) -> Any:
        if self._created is None:
            raise exceptions.ImageMissing("there is no image %s" % image_id)
        return types.SimpleNamespace(id=image_id, created_at=self._created)

    def exists(self, image_id: str) -> bool:
        return self._created is not None


@pytest.fixture
def account() -> MemoryAccount:
    made = MemoryAccount()
    made.put_container("c", {})
    return made


def check(account: MemoryAccount, glance: Any, stored_for: str = THEN) -> None:
    claim.check_another(account, "c", glance, ID, lambda: claim.own(glance, ID, stored_for))


@pytest.mark.parametrize("created, wanted, is_own", [
    (THEN, THEN, True), (LATER, THEN, False), (LATER, None, True), (None, THEN, False)])
def test_an_image_is_own_if_it_was_created_then(created: Optional[str], wanted: Optional[str],
                                                is_own: bool) -> None:
    glance: Any = Glance(created)
    assert (claim.own(glance, ID, wanted) is not None) is is_own


def test_what_glance_refuses_to_show_is_not_taken_for_gone() -> None:
    class Refusing(Glance):
        def get(self, image_id: str) -> Any:
            raise exceptions.AccessRefused("no")

    glance: Any = Refusing(THEN)
    with pytest.raises(exceptions.AccessRefused):
        claim.own(glance, ID, THEN)


def test_where_there_is_none_or_anothers_a_deletion_goes_on(account: MemoryAccount) -> None:
    check(account, Glance(None))
    with Intent(account, "c", "own", ID, kind=DELETE):
        check(account, Glance(LATER))


def test_its_own_stops_a_deletion(account: MemoryAccount) -> None:
    with pytest.raises(claim.Busy, match="registered again"):
        check(account, Glance(THEN))


def test_one_that_somebody_makes_of_it_just_now_stops_a_deletion(account: MemoryAccount) -> None:
    with claim.announced(account, "c", ID), pytest.raises(
            claim.Busy, match="registered again"):
        check(account, Glance(LATER))
    check(account, Glance(LATER))  # that is over, and what is stored says nothing of this image
