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

"""``swift-vhd sandbox`` as a person at a terminal runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, List


def swift_vhd(*words: Any) -> subprocess.CompletedProcess[str]:
    """Run a command; its exit code is the caller's to judge."""
    return subprocess.run(
        [sys.executable, "-m", "nova_swift_handler.cli.app", "sandbox", *map(str, words)],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True)


def mentioning(root: Path) -> List[str]:
    """Return the command lines of all processes that name this directory, but for this one's."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            words = (each / "cmdline").read_bytes().split(b"\0") if each.name.isdigit() else []
        except OSError:
            continue
        if any(str(root).encode() in word for word in words):
            found.append(b" ".join(words).decode(errors="replace"))
    return found
