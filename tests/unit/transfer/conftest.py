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

"""A place to stage chains in, that must be empty afterwards."""

from __future__ import annotations

import pathlib
from typing import Iterator

import pytest

from nova_swift_handler.settings import TransferSettings

from ..vhd.conftest import qemu_img  # noqa: F401  (a fixture)


@pytest.fixture
def staging(tmp_path: pathlib.Path) -> Iterator[TransferSettings]:
    directory = tmp_path / "staging"
    directory.mkdir()
    yield TransferSettings(staging_dir=str(directory), staging_limit=64 * 2 ** 20)
    assert list(directory.iterdir()) == [], "something is left in the staging directory"
