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

"""Programs that some tests need, of which a machine may have none."""

from __future__ import annotations

import shutil
from typing import Dict, Optional, Tuple

import pytest

# What each may be called, and the package of Debian and Ubuntu that has it.
_PROGRAMS: Dict[str, Tuple[Tuple[str, ...], str]] = {
    "qemu-img": (("qemu-img",), "qemu-utils"),
    "chromium": (("chromium", "chromium-browser"), "chromium"),
}


def find(program: str) -> Optional[str]:
    """Return the path of a program; None if it is not there."""
    return next(filter(None, map(shutil.which, _PROGRAMS[program][0])), None)


def missing(program: str) -> str:
    """Return why tests are left out that need a program, and what brings them in."""
    return "%s is not installed: install the package %s, or run .ci/run as root, which does" % (
        program, _PROGRAMS[program][1])


def needs(program: str) -> pytest.MarkDecorator:
    """Return the mark of tests that are left out where a program is missing."""
    return pytest.mark.skipif(find(program) is None, reason=missing(program))
