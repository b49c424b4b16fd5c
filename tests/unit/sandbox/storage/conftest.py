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

"""Fixtures: an EXT and a thick LVM SR."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.unit.sandbox.storage.harness import Bench


@pytest.fixture(params=["ext", "lvm"])
def bench(request: pytest.FixtureRequest, tmp_path: object) -> Iterator[Bench]:
    """An SR of each kind."""
    made = Bench(request.param, "%s/sr" % tmp_path)
    yield made
    made.sr.close()


@pytest.fixture
def ext(tmp_path: object) -> Iterator[Bench]:
    made = Bench("ext", "%s/ext" % tmp_path)
    yield made
    made.sr.close()


@pytest.fixture
def lvm(tmp_path: object) -> Iterator[Bench]:
    made = Bench("lvm", "%s/lvm" % tmp_path)
    yield made
    made.sr.close()
