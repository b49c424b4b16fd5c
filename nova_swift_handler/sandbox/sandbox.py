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
import os
from typing import Any, Callable, Dict, Iterable, Optional

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import control, ini, process
from nova_swift_handler.sandbox import plan as plans
from nova_swift_handler.sandbox.control import State
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.plan import Plan
from nova_swift_handler.sandbox.startup import Progress, Startup


def _silent(_: str) -> None:
    pass


class Sandbox:
    """One sandbox in one directory.

    :param bound: whether it ends with this process, however that ends, once it was brought up.
    """

    def __init__(self, layout: Layout, progress: Progress = _silent, bound: bool = False) -> None:
        self._layout = layout
        self._progress = progress
        self._owner = process.identify(os.getpid()) if bound else None

    # -- up -----------------------------------------------------------------------------------

    def up(self, make_plan: Callable[[], Plan],
           change: Callable[[Plan], Plan] = lambda plan: plan) -> Dict[str, Any]:
        """Start it, new or as it was before; return what ``sandbox env`` prints.

        :param make_plan: called when there is no sandbox in the directory yet.
        :param change: called with the plan of one that was there.
        :raises SandboxError: something did not start.  What did is ended again; the logs stay.
        """
        layout = self._layout
        if control.supervised(layout):
            raise SandboxError(f"the sandbox in {layout.root} is up already")
        new = not layout.plan.exists()
        plan = make_plan() if new else change(plans.load(layout))
        if not new:
            control.end_everything(layout, plan.run_id)  # what a crash may have left
        plans.check_ports(plan)
        try:
            return self._start(plan)
        except BaseException:
            control.end_everything(layout, plan.run_id)
            if layout.environment.exists():
                layout.environment.unlink()
            raise

    def _start(self, plan: Plan) -> Dict[str, Any]:
        startup = Startup(self._layout, plan, self._progress)
        startup.prepare(new=not self._layout.plan.exists())
        plans.save(self._layout, plan)
        control.start_supervisor(self._layout, plan.run_id, self._owner)
        document = startup.start()
        ini.write_text(self._layout.environment, json.dumps(document, indent=1) + "\n")
        return document

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

    def stop(self, *services: str) -> None:
        """End some services, as an outage would; data stay.

        :raises SandboxError: it is not up, or has no such service.
        """
        self._check(services)
        control.stop(self._layout, services)

    def start(self, *services: str) -> None:
        """Start services that were stopped or died, and wait until they serve.

        :raises SandboxError: one did not start.
        """
        self._check(services)
        startup = Startup(self._layout, plans.load(self._layout), self._progress)
        known = startup.services()
        control.start(self._layout, [known[name] for name in services])
        startup.wait(*services)

    def restart(self, *services: str) -> None:
        """Stop and start services.

        :raises SandboxError: one did not start.
        """
        self.stop(*services)
        self.start(*services)

    def use_image_handler(self, host: str, image_handler: str,
                          cache_images: Optional[str] = None) -> None:
        """Restart a host's Nova with another ``[xenserver] image_handler``.

        :param host: its name in the plan, such as ``ext``.
        :raises SandboxError: it did not start.
        """
        plan = plans.load(self._layout).changed(image_handler, cache_images, [host])
        self._check([f"nova-{host}"])
        plans.save(self._layout, plan)
        startup = Startup(self._layout, plan, self._progress)
        startup.configure_nova()
        self.restart(f"nova-{host}")
        document = {**self.environment(), "regions": startup.regions()}
        ini.write_text(self._layout.environment, json.dumps(document, indent=1) + "\n")

    def _check(self, services: Iterable[str]) -> None:
        plan = plans.load(self._layout)
        if not control.supervised(self._layout):
            raise SandboxError(f"the sandbox in {self._layout.root} is not up")
        known = Startup(self._layout, plan, self._progress).services()
        for name in services:
            if name not in known:
                raise SandboxError(f"no service {name!r} in {self._layout.root}; there are: "
                                   + ", ".join(sorted(known)))

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
        """End all its processes, if there are any; data stay, and ``up`` brings them back.

        :raises SandboxError: some did not end.
        """
        if not self._layout.plan.exists():
            return
        plan = plans.load(self._layout)
        control.end_everything(self._layout, plan.run_id)
        left = process.of_run(plan.run_id)
        if left:
            raise SandboxError(f"processes of the sandbox in {self._layout.root} did not end: "
                               + ", ".join(str(each.pid) for each in left))
        if self._layout.environment.exists():
            self._layout.environment.unlink()


