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

import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List

from nova_swift_handler.sandbox import (
    control,
    databases,
    environment,
    flavors,
    glance,
    handler,
    hosts,
    keystone,
    network,
    nova,
    storage,
    swift,
)
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.plan import STORAGE_REGION, Host, Plan
from nova_swift_handler.sandbox.service import Service

Progress = Callable[[str], None]

# What a service answers once it serves; of the others the open port is enough.
_HEALTH = {keystone.NAME: "/v3", swift.PROXY: "/healthcheck", glance.NAME: "/healthcheck"}


class Startup:
    """Starts the services of one plan; the supervisor must be running from :meth:`storage` on."""

    def __init__(self, layout: Layout, plan: Plan, progress: Progress) -> None:
        self._layout = layout
        self._plan = plan
        self._progress = progress

    def prepare(self, new: bool) -> None:
        """Write configuration; for a new sandbox, databases and rings too."""
        layout, plan, python = self._layout, self._plan, Path(self._plan.cloud_python)
        layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if new:
            self._install_databases()
        keystone.write_config(layout.of(keystone.NAME))
        swift.write_config(layout.of("swift"), plan.ports, plan.keystone_url, plan.slo)
        if new:
            subprocess.run(swift.ring_command(python, layout.of("swift"), plan.ports), check=True)
        glance.write_config(
            layout.of(glance.NAME), glance.paste_config(python), plan.ports[glance.NAME],
            plan.keystone_url, self._region_names()[0], plan.images_container)

    def _install_databases(self) -> None:
        layout, plan = self._layout, self._plan
        names = [keystone.NAME, glance.NAME, *(host.nova for host in plan.hosts)]
        for name in names:
            # What is there is from a start that did not get far enough to be remembered.
            shutil.rmtree(layout.of(name), ignore_errors=True)
        self._progress("databases")
        databases.install(layout, plan)

    def start(self) -> Dict[str, Any]:
        """Start everything; return what ``sandbox env`` prints.

        :raises SandboxError: a service did not become ready.
        """
        plan, services = self._plan, self.services()
        self._progress("Keystone, Swift, Glance" + (", XAPI hosts" if plan.hosts else ""))
        last = [host.nova for host in plan.hosts]
        first = [name for name in services if name not in last]
        control.start(self._layout, [services[name] for name in first])
        self.wait(keystone.NAME)
        keystone.Registrar(plan.keystone_url).catalog(self._catalog())
        self.wait(swift.PROXY, *(swift.backend(kind) for kind in swift.BACKENDS))
        self._progress("containers")
        storage.set_up(self._layout, plan)
        self.wait(*first)
        offered: List[Dict[str, Any]] = []
        if plan.hosts:
            self._progress("Nova")
            self.configure_nova()
            control.start(self._layout, [services[name] for name in last])
            self.wait(*last)
            for host in plan.hosts:
                offered = flavors.ensure(plan.keystone_url, host.region)
        return environment.describe(self._layout, plan, self.regions(), offered)

    def regions(self) -> List[Dict[str, Any]]:
        """Return what ``sandbox env`` prints of the regions and their hosts."""
        return [self._describe(host) for host in self._plan.hosts]

    def services(self) -> Dict[str, Service]:
        """Return every process of the plan, by name."""
        layout, plan, python = self._layout, self._plan, Path(self._plan.cloud_python)
        services = [
            keystone.service(python, layout.of(keystone.NAME), plan.ports[keystone.NAME]),
            *(hosts.service(layout.of(name), [host for host in plan.hosts if host.xapi == name],
                            plan.ports[name])
              for name in dict.fromkeys(host.xapi for host in plan.hosts)),
            *swift.services(python, layout.of("swift")),
            glance.service(python, layout.of(glance.NAME), plan.ports[glance.NAME]),
            network.service(plan.ports[network.NAME]),
            *(nova.service(Path(plan.nova_python), layout.of(host.nova), host)
              for host in plan.hosts),
        ]
        return {service.name: service for service in services}

    def configure_nova(self) -> None:
        """Write the configuration of all regions' Novas."""
        plan, python = self._plan, Path(self._plan.nova_python)
        for host in plan.hosts:
            nova.write_config(self._layout.of(host.nova), plan, host, nova.paste_config(python),
                              handler.options(plan, host.region))

    def wait(self, *names: str) -> None:
        """Wait until these services serve, as far as one can tell from outside.

        :raises SandboxError: one did not.
        """
        announcing = {name for host in self._plan.hosts for name in (host.xapi, host.nova)}
        for name in names:
            if name in announcing:
                control.wait_announced(self._layout, name, control.PATIENCE)
            if name in self._plan.ports:
                port, path = self._plan.ports[name], _HEALTH.get(name)
                control.wait(self._layout, name, lambda port=port, path=path:  # type: ignore[misc]
                             control.answers(port, path), control.PATIENCE)

    def _region_names(self) -> List[str]:
        return [host.region for host in self._plan.hosts] or [STORAGE_REGION]

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
                   for region in self._region_names() for kind, url in shared]
        for host in plan.hosts:
            entries += nova.endpoints(plan, host)
        return entries

    def _describe(self, host: Host) -> Dict[str, Any]:
        plan = self._plan
        pool = control.announced(self._layout, host.xapi) or {}
        announced: Dict[str, Any] = next((each for each in pool.get("hosts", ())
                          if each["address"] == host.address), {})
        return {
            "name": host.region,
            "nova_url": plan.url(host.nova, "/v2.1"),
            "placement_url": plan.url(host.placement),
            "host": host.name,
            "host_uuid": announced.get("host_uuid"),
            "sr_uuid": announced.get("sr_uuid"),
            "sr_type": host.sr_type,
            "iso_sr_uuid": announced.get("iso_sr_uuid"),
            "shared_sr_uuid": pool.get("shared_sr_uuid"),
            "xapi_url": plan.xapi_url(host),
            "pool_master": host.master or host.name,
            "xapi_user": nova.XAPI_USER,
            "xapi_password": nova.XAPI_PASSWORD,
            "nova_conf": str(self._layout.of(host.nova) / "nova.conf"),
            "image_handler": host.image_handler,
            "cache_images": host.cache_images,
        }
