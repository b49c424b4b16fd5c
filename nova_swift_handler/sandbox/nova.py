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

"""Nova 21 and Placement: one process a region, unmodified, configured as an operator would.

All services of a region in one process, because separate ones want a message bus, and a broker
cannot be had from PyPI.  ``nova.conf`` is all that turns our image handler on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from nova_swift_handler.sandbox import identity, ini, keystone, scripts, template
from nova_swift_handler.sandbox.plan import Host, Plan
from nova_swift_handler.sandbox.ports import LOOPBACK
from nova_swift_handler.sandbox.service import Service

CELL_DATABASE = "nova.db"
# Nova derives it from the cell's: the mapping in its API database names no directory.
CELL0_DATABASE = f"{CELL_DATABASE}.cell0"
API_DATABASE = "nova_api.db"
PLACEMENT_DATABASE = "placement.db"
DATABASES = [CELL_DATABASE, CELL0_DATABASE, API_DATABASE, PLACEMENT_DATABASE]

XAPI_USER = "root"
XAPI_PASSWORD = "xapi-password"  # noqa: S105  (the sandbox listens on loopback, for tests)

# Seconds.  A database of Nova has one process, and waiting for itself would stop all of it.
_PATIENCE = 5

_SERVICE_USER = identity.BY_NAME["nova"]


def _basics(directory: Path) -> ini.Sections:
    return {
        "DEFAULT": {"use_stderr": True, "transport_url": "fake:/", "state_path": directory},
        "database": ini.sqlite(directory / CELL_DATABASE, _PATIENCE),
        "api_database": ini.sqlite(directory / API_DATABASE, _PATIENCE),
        "oslo_concurrency": {"lock_path": directory / "locks"},
    }


def write_config(directory: Path, plan: Plan, host: Host, paste_config: Path,
                 handler_options: Dict[str, ini.Value]) -> Path:
    """Write nova.conf and placement.conf; the databases lie beside them.

    :param paste_config: the api-paste.ini that came with Nova.
    :param handler_options: the section [swift_vhd].
    """
    auth = identity.password_options(_SERVICE_USER, plan.keystone_url)
    client = {**auth, "region_name": host.region, "valid_interfaces": "internal"}
    token_check: Dict[str, ini.Value] = {
        "www_authenticate_uri": plan.keystone_url, **auth, "service_token_roles_required": True,
        "interface": "internal"}  # old releases ask for "admin", which the catalog has not
    basics = _basics(directory)
    ini.write(directory / "placement.conf", {
        "DEFAULT": basics["DEFAULT"],
        "placement_database": ini.sqlite(directory / PLACEMENT_DATABASE, _PATIENCE),
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": {
            **token_check,
            **identity.password_options(identity.BY_NAME["placement"], plan.keystone_url)},
    })
    return ini.write(directory / "nova.conf", {
        **basics,
        "DEFAULT": {
            **basics["DEFAULT"],
            "host": f"nova-{host.name}",
            "my_ip": LOOPBACK,
            "compute_driver": "xenapi.XenAPIDriver",
            "enabled_apis": "osapi_compute",
            "osapi_compute_listen": LOOPBACK,
            "osapi_compute_listen_port": plan.ports[host.nova],
            "osapi_compute_workers": 1,
            # Not Nova's: where the process that runs all of it serves Placement.
            "sandbox_placement_listen": LOOPBACK,
            "sandbox_placement_port": plan.ports[host.placement],
            # There are no networks, and no guest that takes an injected file.
            "flat_injected": False,
            "heal_instance_info_cache_interval": -1,
            "graceful_shutdown_timeout": 3,
            # There is no other host in the region.
            "allow_resize_to_same_host": True,
            # After a longer stop the scheduler takes a host for dead until its next report.
            "report_interval": 3,
            # Each request is logged by Placement and API already, and neutronclient warns at each.
            "default_log_levels": ["neutronclient=ERROR", "nova.placement.wsgi.server=WARNING",
                                   "oslo_messaging.rpc.client=ERROR", "stevedore=CRITICAL",
                                   "urllib3=WARNING", "keystoneauth=WARNING"],
        },
        "api": {"auth_strategy": "keystone"},
        "wsgi": {"api_paste_config": paste_config},
        "keystone_authtoken": token_check,
        "service_user": {"send_service_user_token": True, **auth},
        "placement": client,
        "neutron": client,
        "glance": {"region_name": host.region, "valid_interfaces": "internal"},
        # In the process's memory, by the one backend that dogpile finds without pkg_resources:
        # that overlooks distributions with a dot in their name which today's tools installed.
        "cache": {"enabled": True, "backend": "dogpile.cache.memory"},
        "vnc": {"enabled": False},
        "xenserver": {
            "connection_url": plan.xapi_url(host),
            "connection_username": XAPI_USER,
            "connection_password": XAPI_PASSWORD,
            # A pool's default SR is the one its hosts share; a region has its host's own.
            **({"sr_matching_filter": "other-config:i18n-key=local-storage"}
               if plan.in_pool(host) else {}),
            "image_handler": host.image_handler,
            "cache_images": host.cache_images,
            # nova-compute runs beside the host, not in a VM on it.
            "independent_compute": True,
            "check_host": False,
            "disable_agent": True,
            # A snapshot waits until XAPI has coalesced: look often.
            "vhd_coalesce_poll_interval": 0.5,
            "vhd_coalesce_max_attempts": 120,
        },
        "swift_vhd": handler_options,
    })


def paste_config(python: Path) -> Path:
    """Return where Nova's wheel put its api-paste.ini."""
    return python.parent.parent / "etc" / "nova" / "api-paste.ini"


def service(python: Path, directory: Path, host: Host) -> Service:
    """Return the process that is the whole Nova of a host's region."""
    return Service(
        host.nova,
        [str(python), str(scripts.DIRECTORY / "nova_all_in_one.py"),
         str(directory / "nova.conf"), str(directory / "placement.conf")],
        wave=1, keep_output=True)


def endpoints(plan: Plan, host: Host) -> List[keystone.Endpoint]:
    """Return what the service catalog holds of a region's Nova."""
    return [
        keystone.Endpoint("compute", host.region, plan.url(host.nova, "/v2.1")),
        keystone.Endpoint("placement", host.region, plan.url(host.placement)),
    ]


def build_databases(python: Path, directory: Path) -> None:
    """Make new databases in a directory; none of them names it."""
    ini.write(directory / "nova.conf", _basics(directory))
    ini.write(directory / "placement.conf", {
        "placement_database": ini.sqlite(directory / PLACEMENT_DATABASE, _PATIENCE)})
    manage = [str(python.parent / "nova-manage"), "--config-file", str(directory / "nova.conf")]
    # Nova fills in what stands in braces from [database] connection, the path without its slash.
    connection, query = "sqlite:////{path}", "?{query}"
    template.run([
        [*manage, "api_db", "sync"],
        [*manage, "cell_v2", "map_cell0", "--database_connection", f"{connection}.cell0{query}"],
        [*manage, "db", "sync"],
        [*manage, "cell_v2", "create_cell", "--name", "cell1", "--transport-url", "fake:/",
         "--database_connection", f"{connection}{query}"],
        [str(python.parent / "placement-manage"), "--config-file",
         str(directory / "placement.conf"), "db", "sync"],
    ], directory / "build.log")
