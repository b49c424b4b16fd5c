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

"""An installation of its own for each test, in one real Swift."""

from __future__ import annotations

import uuid
from typing import Iterator

import pytest

from tests.functional.proxy import Proxy
from tests.functional.store.conftest import Site, poor_site, proxy, site  # noqa: F401  (fixtures)
from tests.functional.transfer.shop import Shop
from tests.unit.vhd.conftest import libvhdi, qemu_img  # noqa: F401  (fixtures)


@pytest.fixture
def shop(site: Site) -> Iterator[Shop]:  # noqa: F811  (that is how fixtures are used)
    made = Shop(site, "t%s" % uuid.uuid4().hex[:10])
    made.set_up()
    yield made
    made.tear_down()


@pytest.fixture
def behind(site: Site, proxy: Proxy) -> Iterator[Proxy]:  # noqa: F811
    """The proxy, once Keystone has given its token."""
    site.session().get_token()
    yield proxy
