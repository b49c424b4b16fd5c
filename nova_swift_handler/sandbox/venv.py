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

"""Where the Pythons are that the sandbox's services run in.

Two virtual environments, since today's Keystone and Glance cannot share libraries with Nova 21.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Optional

from nova_swift_handler.exceptions import SandboxError

CLOUD = "cloud"
NOVA = "nova"

# What each is needed for, and the module that proves it is there.
_PURPOSE = {CLOUD: "Keystone, Swift and Glance", NOVA: "Nova 21 and Placement"}
_PROOF = {CLOUD: "keystone", NOVA: "nova"}
_REMEDY = "Run `make install` in the source tree"


def directory() -> Path:
    """Return where the virtual environments are made: ``.venv`` of the checkout by default."""
    configured = os.environ.get("SWIFT_VHD_SANDBOX_VENVS")
    if configured:
        return Path(configured).absolute()
    return Path(__file__).resolve().parents[2] / ".venv"


def python_of(name: str, configured: Optional[str] = None) -> Path:
    """Find the Python of an environment: given, from the variable, the running one, or ours.

    :raises SandboxError: there is none, or the service is not installed in it.
    """
    variable = f"SWIFT_VHD_SANDBOX_{name.upper()}_PYTHON"
    chosen = configured or os.environ.get(variable)
    if chosen:
        python = Path(chosen).absolute()
    elif importlib.util.find_spec(_PROOF[name]):
        python = Path(sys.executable)
    else:
        python = directory() / name / "bin" / "python"
    if not python.exists():
        raise SandboxError(f"no Python for {_PURPOSE[name]}: {python} does not exist. {_REMEDY}, "
                           f"or name one by {variable}.")
    if not any(site_packages(python).glob(f"{_PROOF[name]}-*.dist-info")):
        raise SandboxError(f"{_PURPOSE[name]} cannot be started: {_PROOF[name]} is not installed "
                           f"for {python}. {_REMEDY}.")
    return python


def site_packages(python: Path) -> Path:
    """Return the directory of an environment's packages."""
    found = sorted(python.parent.parent.glob("lib/python3*/site-packages"))
    if not found:
        raise SandboxError(f"{python} is not in a virtual environment: it has no site-packages")
    return found[0]


def fingerprint(python: Path) -> str:
    """Return a short hash of which packages an environment holds, and in which versions."""
    packages = site_packages(python)
    names = sorted(path.name for path in packages.glob("*.dist-info"))
    text = "\n".join([packages.parent.name, *names])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
