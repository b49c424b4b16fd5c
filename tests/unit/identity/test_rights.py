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

"""Who must be in Keystone, and the commands that put them there."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.identity import rights

OPTIONS = {"username": "handler", "password": "secret", "project_name": "disks",
           "user_domain_name": "Default", "project_domain_id": "default"}
GLANCE = GlanceSettings(store_user="disks:glance", store_key="key", store_auth_address="http://k")


def wanted(glance: GlanceSettings = GLANCE, auth_type: str = "password", **options: Any) -> Any:
    return rights.wanted(Credentials(auth_type, dict(OPTIONS, **options)), glance, "swiftop", "r")


def test_the_service_account_owns_and_glances_user_does_not() -> None:
    service, store = wanted()
    assert service.roles == ("swiftop", "admin", "service")
    assert (store.name, store.project, store.roles) == ("glance", "disks", ("r",))


def test_without_a_swift_user_of_glances_there_is_one() -> None:
    assert len(wanted(GlanceSettings())) == 1


@pytest.mark.parametrize("options", [{"username": None}, {"password": ""},
                                     {"project_name": None}])
def test_who_is_named_by_id_is_made_by_hand(options: Any) -> None:
    with pytest.raises(exceptions.ConfigError, match="by hand"):
        wanted(**options)


def test_another_kind_of_login_is_made_by_hand() -> None:
    with pytest.raises(exceptions.ConfigError, match="auth_type = password"):
        wanted(auth_type="v3applicationcredential")


def test_commands_never_hold_a_password_and_quote_names() -> None:
    service = wanted(username="the handler's", user_domain_name="Our Users",
                     project_domain_id=None, project_domain_name="Our Projects")[0]
    lines = service.commands()
    assert not any("secret" in line for line in [*lines, repr(service)])
    assert all(shlex.split(line)[0] == "openstack" for line in lines)
    for name in ("the handler's", "Our Users", "Our Projects"):
        assert any(name in shlex.split(line) for line in lines)


def test_commands_for_what_is_missing_alone() -> None:
    assert wanted()[0].commands(("service",)) == [
        "openstack role add --user handler --user-domain Default --project disks "
        "--project-domain default service"]
