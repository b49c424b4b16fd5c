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

"""The order in which a sandbox's services start, and what is done to each on the way."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from nova_swift_handler.sandbox import (control, databases, environment, flavors, glance, hosts,
                                        keystone, network, nova, storage, swift)
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.plan import Host, Plan

PATIENCE = 120.0  # seconds until a service must be ready; a busy machine takes long

Progress = Callable[[str], None]


class Startup:
    """Starts the services of one plan; the supervisor must be running from :meth:`storage` on."""

    def __init__(self, layout: Layout, plan: Plan, progress: Progress) -> None:
        self._layout = layout
        self._plan = plan
        self._progress = progress

    def prepare(self) -> None:
        """Write configuration, and databases and rings where there are none yet."""
        layout, plan, python = self._layout, self._plan, Path(self._plan.cloud_python)
        if not (layout.of(keystone.NAME) / keystone.DATABASE).exists():
            self._progress("databases of Keystone and Glance")
            databases.install(python, layout.of(keystone.NAME), layout.of(glance.NAME))
        keystone.write_config(layout.of(keystone.NAME))
        swift.write_config(layout.of("swift"), plan.ports, plan.keystone_url)
        if not list(layout.of("swift").glob("*.ring.gz")):
            subprocess.run(swift.ring_command(python, layout.of("swift"), plan.ports), check=True)
        glance.write_config(
            layout.of(glance.NAME), glance.paste_config(python), plan.ports[glance.NAME],
            plan.keystone_url, self._regions()[0], plan.images_container)
        for host in plan.hosts:
            if not (layout.of(host.nova) / nova.API_DATABASE).exists():
                self._progress(f"databases of Nova ({host.name})")
                nova.install_databases(Path(plan.nova_python), layout.of(host.nova))

    def start(self) -> Dict[str, Any]:
        """Start everything; return what ``sandbox env`` prints.

        :raises SandboxError: a service did not become ready.
        """
        self._progress("Keystone, Swift, Glance" + (", XAPI hosts" if self._plan.hosts else ""))
        self._start_storage()
        self._wait_for_storage()
        offered: List[Dict[str, Any]] = []
        if self._plan.hosts:
            self._progress("Nova")
            self.start_nova(self._plan.hosts)
            for host in self._plan.hosts:
                offered = flavors.ensure(self._plan.keystone_url, host.region)
        regions = [self._describe(host) for host in self._plan.hosts]
        return environment.describe(self._layout, self._plan, regions, offered)

    def _start_storage(self) -> None:
        layout, plan, python = self._layout, self._plan, Path(self._plan.cloud_python)
        control.start(layout, [
            keystone.service(python, layout.of(keystone.NAME), plan.ports[keystone.NAME]),
            *(hosts.service(layout.of(host.xapi), host, plan.ports[host.xapi])
              for host in plan.hosts),
            *swift.services(python, layout.of("swift")),
            glance.service(python, layout.of(glance.NAME), plan.ports[glance.NAME]),
            network.service(plan.ports[network.NAME]),
        ])

    def _wait_for_storage(self) -> None:
        plan = self._plan
        self._wait(keystone.NAME, "/v3")
        keystone.Registrar(plan.keystone_url).catalog(self._catalog())
        for kind in swift.BACKENDS:
            self._wait(swift.backend(kind))
        self._wait(swift.PROXY, "/healthcheck")
        storage.set_up(plan.keystone_url, plan.container_prefix)
        self._wait(glance.NAME, "/healthcheck")
        self._wait(network.NAME)
        for host in plan.hosts:
            control.wait_announced(self._layout, host.xapi, PATIENCE)

    def start_nova(self, chosen: List[Host]) -> None:
        """Configure and start the Nova of these hosts' regions, and wait for its compute nodes."""
        layout, plan, python = self._layout, self._plan, Path(self._plan.nova_python)
        registrar = keystone.Registrar(plan.keystone_url)
        options = nova.handler_options(plan, registrar)
        for host in chosen:
            nova.write_config(layout.of(host.nova), plan, host, nova.paste_config(python), options)
        control.start(layout, [nova.service(python, layout.of(host.nova), host)
                               for host in chosen])
        for host in chosen:
            control.wait_announced(layout, host.nova, PATIENCE)
            self._wait(host.nova)

    def _wait(self, name: str, path: Optional[str] = None) -> None:
        control.wait(self._layout, name,
                     lambda: control.answers(self._plan.ports[name], path), PATIENCE)

    def _regions(self) -> List[str]:
        return [host.region for host in self._plan.hosts] or ["RegionOne"]

    def _catalog(self) -> List[keystone.Endpoint]:
        plan = self._plan
        # Keystone, Swift, Glance and the network are the same in all regions.
        shared = [
            ("identity", plan.keystone_url),
            ("object-store", swift.account_url(plan.ports[swift.PROXY])),
            ("image", plan.glance_url),
            ("network", plan.url(network.NAME)),
        ]
        entries = [keystone.Endpoint(kind, region, url)
                   for region in self._regions() for kind, url in shared]
        for host in plan.hosts:
            entries += nova.endpoints(plan, host)
        return entries

    def _describe(self, host: Host) -> Dict[str, Any]:
        plan = self._plan
        announced = control.announced(self._layout, host.xapi) or {}
        return {
            "name": host.region,
            "nova_url": plan.url(host.nova, "/v2.1"),
            "placement_url": plan.url(host.placement),
            "host": host.name,
            "host_uuid": announced.get("host_uuid"),
            "sr_uuid": announced.get("sr_uuid"),
            "sr_type": host.sr_type,
            "iso_sr_uuid": announced.get("iso_sr_uuid"),
            "xapi_url": plan.url(host.xapi),
            "xapi_user": nova.XAPI_USER,
            "xapi_password": nova.XAPI_PASSWORD,
            "nova_conf": str(self._layout.of(host.nova) / "nova.conf"),
            "image_handler": host.image_handler,
            "cache_images": host.cache_images,
        }
