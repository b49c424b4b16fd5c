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

"""The whole sandbox: up, down, and what is known of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import (control, databases, environment, glance, ini, keystone,
                                        network, plan as plans, process, storage, swift)
from nova_swift_handler.sandbox.control import State
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.plan import Plan

PATIENCE = 90.0  # seconds until a service must be ready

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


class Sandbox:
    """One sandbox in one directory."""

    def __init__(self, layout: Layout, progress: Progress = _silent) -> None:
        self._layout = layout
        self._progress = progress

    # -- up -----------------------------------------------------------------------------------

    def up(self, make_plan: Callable[[], Plan]) -> Dict[str, Any]:
        """Start it, new or as it was before; return what ``sandbox env`` prints.

        :param make_plan: called when there is no sandbox in the directory yet.
        :raises SandboxError: something did not start.  What did is ended again; the logs stay.
        """
        layout = self._layout
        if control.supervised(layout):
            raise SandboxError(f"the sandbox in {layout.root} is up already")
        new = not layout.plan.exists()
        plan = make_plan() if new else plans.load(layout)
        if not new:
            control.end_everything(layout, plan.run_id)  # what a crash may have left
        plans.check_ports(plan)
        layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return self._start(plan)
        except BaseException:
            control.end_everything(layout, plan.run_id)
            if layout.environment.exists():
                layout.environment.unlink()
            raise

    def _start(self, plan: Plan) -> Dict[str, Any]:
        layout = self._layout
        self._prepare(plan)
        plans.save(layout, plan)
        control.start_supervisor(layout, plan.run_id)
        self._progress("Keystone, Swift and Glance")
        self._start_storage(plan)
        document = environment.describe(layout, plan, [], [])
        ini.write_text(layout.environment, json.dumps(document, indent=1) + "\n")
        return document

    def _prepare(self, plan: Plan) -> None:
        layout, python = self._layout, Path(plan.cloud_python)
        if not (layout.of(keystone.NAME) / keystone.DATABASE).exists():
            self._progress("databases")
            databases.install(python, layout.of(keystone.NAME), layout.of(glance.NAME))
        keystone.write_config(layout.of(keystone.NAME))
        swift.write_config(layout.of("swift"), plan.ports, plan.keystone_url)
        if not list(layout.of("swift").glob("*.ring.gz")):
            subprocess.run(swift.ring_command(python, layout.of("swift"), plan.ports), check=True)
        glance.write_config(
            layout.of(glance.NAME), glance.paste_config(python), plan.ports[glance.NAME],
            plan.keystone_url, self._regions(plan)[0], plan.images_container)

    def _start_storage(self, plan: Plan) -> None:
        layout, python = self._layout, Path(plan.cloud_python)
        control.start(layout, [
            keystone.service(python, layout.of(keystone.NAME), plan.ports[keystone.NAME]),
            *swift.services(python, layout.of("swift")),
            glance.service(python, layout.of(glance.NAME), plan.ports[glance.NAME]),
            network.service(plan.ports[network.NAME]),
        ])
        self._wait(plan, keystone.NAME, "/v3")
        keystone.Registrar(plan.keystone_url).catalog(self._catalog(plan))
        for kind in swift.BACKENDS:
            self._wait(plan, swift.backend(kind))
        self._wait(plan, swift.PROXY, "/healthcheck")
        storage.set_up(plan.keystone_url, plan.container_prefix)
        self._wait(plan, glance.NAME, "/healthcheck")
        self._wait(plan, network.NAME)

    def _wait(self, plan: Plan, name: str, path: Optional[str] = None) -> None:
        control.wait(self._layout, name,
                     lambda: control.answers(plan.ports[name], path), PATIENCE)

    def _regions(self, plan: Plan) -> List[str]:
        return [host.region for host in plan.hosts] or ["RegionOne"]

    def _catalog(self, plan: Plan) -> List[keystone.Endpoint]:
        # Keystone, Swift, Glance and the network are the same in all regions.
        return [
            keystone.Endpoint(kind, region, url)
            for region in self._regions(plan)
            for kind, url in [
                ("identity", plan.keystone_url),
                ("object-store", swift.account_url(plan.ports[swift.PROXY])),
                ("image", plan.glance_url),
                ("network", plan.url(network.NAME)),
            ]]

    # -- while it runs ------------------------------------------------------------------------

    def environment(self) -> Dict[str, Any]:
        """Return what ``sandbox env`` prints.

        :raises SandboxError: it is not up.
        """
        try:
            document: Dict[str, Any] = json.loads(self._layout.environment.read_text())
        except FileNotFoundError:
            raise SandboxError(
                f"the sandbox in {self._layout.root} is not up: start it with "
                f"`swift-vhd sandbox up --root {self._layout.root}`") from None
        return document

    def status(self) -> Dict[str, State]:
        """Return what became of each service; none when it is down."""
        plans.load(self._layout)
        return control.states(self._layout)

    def logs(self, service: Optional[str], lines: int) -> str:
        """Return the end of one service's log, or of all.

        :raises SandboxError: no service of that name was ever started here.
        """
        present = sorted(path.stem for path in self._layout.logs.glob("*.log"))
        if service is not None and service not in present:
            raise SandboxError(f"no service {service!r} in {self._layout.root}; there are: "
                               + (", ".join(present) or "none"))
        chosen = [service] if service is not None else present
        return "\n".join(f"==> {name} <==\n{control.log_tail(self._layout, name, lines)}"
                         for name in chosen)

    # -- down ---------------------------------------------------------------------------------

    def down(self) -> None:
        """End all its processes; data stay, and ``up`` brings them back.

        :raises SandboxError: some did not end.
        """
        plan = plans.load(self._layout)
        control.end_everything(self._layout, plan.run_id)
        left = process.of_run(plan.run_id)
        if left:
            raise SandboxError(f"processes of the sandbox in {self._layout.root} did not end: "
                               + ", ".join(str(each.pid) for each in left))
        if self._layout.environment.exists():
            self._layout.environment.unlink()


