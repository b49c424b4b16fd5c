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

"""Databases with their tables made and people registered: prepared once, then copied.

``python -m nova_swift_handler.sandbox.databases`` prepares them, so that the first start of a
sandbox is as quick as the next.
"""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional, Tuple

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import (
    control,
    glance,
    identity,
    ini,
    keystone,
    nova,
    ports,
    scripts,
    template,
    venv,
)
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.plan import Plan

_KEYSTONE = [keystone.DATABASE, "fernet-keys", "credential-keys"]


def install(layout: Layout, plan: Plan) -> None:
    """Put databases where the services of a new sandbox will look for them.

    :raises SandboxError: they could not be made.
    """
    cloud, compute = prepare(plan.cloud_python, plan.nova_python or None)
    template.copy(cloud, _KEYSTONE, layout.of(keystone.NAME))
    template.copy(cloud, [glance.DATABASE], layout.of(glance.NAME))
    for host in plan.hosts:
        template.copy(compute, nova.DATABASES, layout.of(host.nova))


def prepare(cloud_python: str, nova_python: Optional[str]) -> Tuple[Path, Path]:
    """Make what is not there yet, both at once; return the directories of Keystone's and Nova's.

    :param nova_python: None leaves Nova's out.
    """
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        cloud = pool.submit(
            template.get, venv.CLOUD, Path(cloud_python), [keystone, glance, identity, ini],
            lambda directory: _build(Path(cloud_python), directory))
        if nova_python is None:
            return cloud.result(), Path()
        compute = pool.submit(
            template.get, venv.NOVA, Path(nova_python), [nova, ini],
            lambda directory: nova.build_databases(Path(nova_python), directory))
        return cloud.result(), compute.result()


def _build(python: Path, directory: Path) -> None:
    log = directory / "build.log"
    port = ports.find_free(1)[0]
    url = f"http://{ports.LOOPBACK}:{port}/v3"
    keystone.write_config(directory)
    glance.write_config(directory, glance.paste_config(python), 0, url, "", "")
    template.run(keystone.prepare_commands(python, directory), log)
    template.run(glance.prepare_commands(python, directory), log)
    service = keystone.service(python, directory, port)
    with open(log, "ab") as output:
        server = subprocess.Popen(
            service.argv, env=scripts.environment(service), stdin=subprocess.DEVNULL,
            stdout=output, stderr=output)
    try:
        _wait(server, port, log)
        keystone.Registrar(url).people()
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + control.PATIENCE
    while not control.answers(port, "/v3"):
        if server.poll() is not None or time.monotonic() > deadline:
            raise SandboxError("Keystone did not start while its database was prepared:\n"
                               + log.read_text(errors="replace")[-3000:])
        time.sleep(0.05)


def main() -> int:
    try:
        prepare(str(venv.python_of(venv.CLOUD)), str(venv.python_of(venv.NOVA)))
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
