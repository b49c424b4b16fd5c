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

"""What README.rst tells a newcomer to type works, in the order it is told."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import ROOT
from .console import Step, steps

_STEPS = steps(ROOT / "README.rst")


def test_readme_shows_commands() -> None:
    assert len(_STEPS) >= 8


@pytest.mark.parametrize("step", _STEPS, ids=lambda step: step.command)
def test_a_command_of_readme_works(shell: Any, step: Step) -> None:
    out = shell.type(step.command)
    if "template list" in step.command or "iso list" in step.command:
        assert "debian-12" in out or "rescue" in out
    elif "volume list" in step.command or "sr chain" in step.command:
        assert "data-1" in out
    else:
        nothing_to_tell = ("snapshot list", "template sync")
        assert out.strip() or any(each in step.command for each in nothing_to_tell)
