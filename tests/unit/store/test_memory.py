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

"""What the catalog leans on in Swift, by the Swift in memory; on a real one see
``tests/functional/store/test_semantics.py``, which runs the same tests."""

from __future__ import annotations

import pytest

from nova_swift_handler import exceptions

from .memory import MemoryAccount
from .semantics import *  # noqa: F403  (the tests)


@pytest.fixture
def account() -> MemoryAccount:
    return MemoryAccount()


@pytest.fixture
def container(account: MemoryAccount) -> str:
    account.put_container("c", {})
    return "c"


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[" * 100000, b'{"a":' * 100000])
def test_what_is_no_json_is_said_to_be_damaged(account: MemoryAccount, container: str,
                                               data: bytes) -> None:
    account.put(container, "o", data)
    with pytest.raises(exceptions.StoreCorrupt, match="no JSON"):
        account.get_json(container, "o")
