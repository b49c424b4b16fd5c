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

"""Keystone is found whichever way its address is written."""

from __future__ import annotations

import pytest
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import generic

from nova_swift_handler.identity import address


@pytest.mark.parametrize("url, found", [
    ("http://k:5000/v3", "http://k:5000/v3"), ("http://k:5000/v3/", "http://k:5000/v3"),
    ("http://k:5000", "http://k:5000/v3"), ("https://k/identity/", "https://k/identity/v3")])
def test_a_version_that_is_left_out_is_the_third(url: str, found: str) -> None:
    session = ks_session.Session(auth=generic.Password(url, "u", "p"))
    assert address.of(session) == found
