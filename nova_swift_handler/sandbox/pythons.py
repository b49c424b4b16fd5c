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

"""Finding a Python of a given version on this machine.  Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Optional


def find(version: str) -> Optional[Path]:
    """Return a Python of this version, such as ``3.11``; None when there is none.

    Looked for: the variable ``PYTHON3_11``, the running Python, PATH, pyenv's versions.
    """
    for candidate in _candidates(version):
        if _is(candidate, version):
            return candidate
    return None


def _candidates(version: str) -> Iterator[Path]:
    chosen = os.environ.get("PYTHON" + version.replace(".", "_"))
    if chosen:
        yield Path(chosen)
    # The interpreter itself, not the virtual environment it may run in.
    yield Path(sys.base_prefix) / "bin" / f"python{version}"
    for name in (f"python{version}", "python3", "python"):
        found = shutil.which(name)
        if found:
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    # The newest first: "3.11.10" is newer than "3.11.9".
    versions = sorted(pyenv.glob(f"{version}.*"), key=_numbers, reverse=True)
    for installed in versions:
        yield installed / "bin" / "python"


def _numbers(directory: Path) -> int:
    patch = directory.name.rsplit(".", 1)[-1]
    return int(patch) if patch.isdigit() else -1


def _is(python: Path, version: str) -> bool:
    # pyenv's shims are on PATH for every version, and fail for those not chosen: ask each.
    try:
        told = subprocess.run(
            [str(python), "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.stdout.decode().strip() == version
