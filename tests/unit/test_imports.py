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

"""Every module can be imported, on every Python, with what setup.cfg asks for and no more."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import nova_swift_handler

# Run inside Nova or a service of the sandbox, or with a second reader of VHDs.
_NEED_MORE = ("nova_swift_handler.handler", "nova_swift_handler.nova_plugin.",
              "nova_swift_handler.sandbox.run.", "nova_swift_handler.sandbox.demo.",
              "nova_swift_handler.telemetry.notifier", "nova_swift_handler.doctor.nova_start")
_MODULES = sorted(each.name for each in pkgutil.walk_packages(
    nova_swift_handler.__path__, "nova_swift_handler.")
    if not each.name.startswith(_NEED_MORE) and not each.name.endswith("__main__"))


@pytest.mark.parametrize("name", _MODULES)
def test_a_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_there_are_modules() -> None:
    assert len(_MODULES) > 150
