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

"""How a user stands, and what an admin types to put it right."""

from __future__ import annotations

import types
from typing import Any, List

import pytest

from nova_swift_handler.identity import present
from nova_swift_handler.identity.rights import Domain, User

STORE = User("Glance's Swift user", "glance", Domain("default", None), "disks",
             Domain("default", None), "key", ("image-store",))


def look(roles: List[str], owns: bool) -> present.Standing:
    access = types.SimpleNamespace(role_names=roles, user_id="u", project_id="p")
    session: Any = types.SimpleNamespace(auth=types.SimpleNamespace(
        get_access=lambda _session: access))
    return present.look(STORE, session, may_own=False, owns=owns)


def test_one_who_owns_nothing_is_as_it_should_be() -> None:
    assert (look(["anything"], False).state, look([], False).commands) == ("present", [])


@pytest.mark.parametrize("roles, removed", [
    (["image-store", "member"], ["member"]), (["image-store"], ["image-store"])])
def test_of_one_who_owns_too_much_there_is_a_role_to_remove(roles: List[str],
                                                            removed: List[str]) -> None:
    found = look(roles, True)
    assert found.state == "has too much"
    assert found.commands == ["openstack role remove --user u --project p " + role
                              for role in removed]
