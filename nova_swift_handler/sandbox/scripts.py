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

"""The scripts in ``run/``, started by Pythons that need not know this package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Optional

from nova_swift_handler.sandbox.ports import LOOPBACK
from nova_swift_handler.sandbox.service import Service

DIRECTORY = Path(__file__).resolve().parent / "run"


def wsgi_service(name: str, python: Path, application: str, port: int,
                 environ: Optional[Dict[str, str]] = None) -> Service:
    """Return a process that serves a WSGI application, named ``module:attribute``."""
    return Service(
        name=name,
        argv=[str(python), str(DIRECTORY / "wsgi_server.py"), application, LOOPBACK, str(port)],
        environ=environ or {})


def base_environment() -> Dict[str, str]:
    """Return the caller's environment without what would change a service.

    ``OS_*`` and ``EVENTLET_*`` tell services where their configuration is and how to run; a
    process that has imported Nova has set some for itself.
    """
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("OS_", "EVENTLET_"))}
    # Nothing here is behind a proxy, whatever the caller's environment says.
    return {**kept, "no_proxy": "*", "NO_PROXY": "*"}


def environment(service: Service) -> Dict[str, str]:
    """Return the environment of a service that runs outside a sandbox, for a moment."""
    return {**base_environment(), **service.environ}
