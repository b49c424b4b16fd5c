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

"""The prepared databases of Keystone and Glance: tables made, people registered."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import (
    control,
    glance,
    identity,
    keystone,
    ports,
    scripts,
    template,
)

_KEYSTONE = [keystone.DATABASE, "fernet-keys", "credential-keys"]


def install(python: Path, keystone_directory: Path, glance_directory: Path) -> None:
    """Put the databases where the services of a new sandbox will look for them."""
    made = template.get(
        "cloud", python, [keystone, glance, identity],
        lambda directory: _build(python, directory))
    template.copy(made, _KEYSTONE, keystone_directory)
    template.copy(made, [glance.DATABASE], glance_directory)


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
    deadline = time.monotonic() + 60
    while not control.answers(port, "/v3"):
        if server.poll() is not None or time.monotonic() > deadline:
            raise SandboxError("Keystone did not start while its database was prepared:\n"
                               + log.read_text(errors="replace")[-3000:])
        time.sleep(0.05)
