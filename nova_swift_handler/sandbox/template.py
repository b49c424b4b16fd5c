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

"""Prepared databases: slow to make, quick to copy.

Kept beside the virtual environments and named by what they were made with, so that a change of a
package or of the sandbox's own code makes new ones.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Callable, Iterator, List, Sequence

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import scripts, venv

LOG = logging.getLogger(__name__)


def directory() -> Path:
    """Return where templates are kept."""
    return venv.directory() / "sandbox-templates"


def get(name: str, python: Path, makers: Sequence[ModuleType],
        build: Callable[[Path], None]) -> Path:
    """Return the directory of a template, after building it if it is not there.

    :param makers: the modules that decide what is in it; a changed one makes a new template.
    :param build: called with an empty directory to fill.  Files must not name that directory.
    """
    wanted = directory() / f"{name}-{_key(python, makers)}"
    directory().mkdir(parents=True, exist_ok=True)
    with _alone(directory() / f"{name}.lock"):
        if not wanted.exists():
            LOG.info("preparing the databases of %s (once)", name)
            with tempfile.TemporaryDirectory(dir=str(directory())) as unfinished:
                build(Path(unfinished))
                _settle(Path(unfinished))
                shutil.copytree(unfinished, wanted.with_suffix(".new"))
            os.replace(wanted.with_suffix(".new"), wanted)
    return wanted


def copy(template: Path, names: Sequence[str], target: Path) -> None:
    """Copy files and directories of a template."""
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        source = template / name
        if source.is_dir():
            shutil.copytree(source, target / name)
        else:
            shutil.copy2(source, target / name)


def run(commands: List[List[str]], log: Path) -> None:
    """Run the commands that make a database.

    :raises SandboxError: one failed; with the end of what it said.
    """
    for command in commands:
        with open(log, "ab") as output:
            code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env=scripts.base_environment())
        if code != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise SandboxError(f"preparing a database failed: {' '.join(command)} ended with "
                               f"code {code}:\n{tail}")


def _settle(path: Path) -> None:
    # Write-ahead logging stays on in the file: readers then never wait for a writer.
    for database in path.rglob("*.db*"):
        connection = sqlite3.connect(str(database))
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()


def _key(python: Path, makers: Sequence[ModuleType]) -> str:
    digest = hashlib.sha256(venv.fingerprint(python).encode())
    for maker in makers:
        digest.update(Path(str(maker.__file__)).read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with open(lock, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
