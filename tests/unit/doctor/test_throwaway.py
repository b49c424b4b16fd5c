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

"""What another user is refused, and what only seems to be."""

from __future__ import annotations

import types
from typing import Any

import pytest
from keystoneauth1 import exceptions as ks_exceptions

from nova_swift_handler import exceptions
from nova_swift_handler.doctor.throwaway import ThrowAway


def as_store_user(answer: Any) -> int:
    def request(url: str, method: str, **_kwargs: Any) -> Any:
        assert (url, method) == ("http://s/v1/A/c/o%20p?q=1", "DELETE")
        if isinstance(answer, Exception):
            raise answer
        return types.SimpleNamespace(status_code=answer)

    site: Any = types.SimpleNamespace(
        account=types.SimpleNamespace(url="http://s/v1/A"),
        containers=types.SimpleNamespace(prefix="p"),
        store_session=types.SimpleNamespace(request=request))
    return ThrowAway(site).as_store_user("DELETE", "c/o p?q=1")


@pytest.mark.parametrize("status", [204, 401, 403, 404])
def test_what_swift_answers_is_an_answer(status: int) -> None:
    assert as_store_user(status) == status


@pytest.mark.parametrize("answer", [500, 503, ks_exceptions.ConnectFailure("away")])
def test_a_swift_that_fails_refuses_nothing(answer: Any) -> None:
    with pytest.raises(exceptions.StoreUnreachable, match="as Glance's Swift user failed"):
        as_store_user(answer)
