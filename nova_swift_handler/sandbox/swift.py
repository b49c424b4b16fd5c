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

"""Swift: one replica on one device, each server a process, Keystone before it."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Dict, List, Mapping

from nova_swift_handler.sandbox import identity, ini, scripts
from nova_swift_handler.sandbox.ports import LOOPBACK
from nova_swift_handler.sandbox.service import Service

PROXY = "swift-proxy"
EXPIRER = "swift-object-expirer"
UPDATER = "swift-container-updater"
BACKENDS = ["account", "container", "object"]
DEVICE = "d1"
# Seconds between two looks for objects whose X-Delete-At has come, and between two rounds in which
# accounts learn of their containers: without these the expirer's own containers stay unknown.
EXPIRER_INTERVAL = 15
UPDATER_INTERVAL = 5

# However busy the machine is.  There is no object-updater: a listing that was not told of an
# object within the time never is.  And a server that was too slow ten times would be left out for
# a minute.
_PATIENCE: Dict[str, ini.Value] = {
    "conn_timeout": 30, "node_timeout": 120, "container_update_timeout": 120,
    "error_suppression_limit": 10 ** 6}

# The first is the default.  The second is there so that the option storage_policy can be tried.
STORAGE_POLICIES = ["standard", "archive"]

# What static large objects can do: all that Swift's can, or stitch whole objects only, and ignore
# the rest in silence, as Ceph's gateway does.
SLO_FULL = "full"
SLO_WHOLE = "whole"
SLO_KINDS = [SLO_FULL, SLO_WHOLE]

# The order is Swift's own (etc/proxy-server.conf-sample).
_PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging memory-cache listing_formats bulk tempurl "
    "authtoken keystoneauth copy container-quotas account-quotas {slo} dlo versioned_writes "
    "symlink proxy-logging proxy-server")

_MIDDLEWARE: Dict[str, Dict[str, ini.Value]] = {
    "catch_errors": {}, "gatekeeper": {}, "healthcheck": {}, "listing_formats": {}, "bulk": {},
    "copy": {}, "slo": {}, "dlo": {}, "symlink": {}, "tempurl": {},
    "proxy-logging": {"access_log_level": "INFO"},
    "container-quotas": {}, "account-quotas": {},
    "versioned_writes": {"allow_versioned_writes": True, "allow_object_versioning": True},
}


def backend(kind: str) -> str:
    """Return the service's name of a backend server."""
    return f"swift-{kind}"


def ports_needed() -> List[str]:
    """Return the names of the services that listen."""
    return [PROXY, *(backend(kind) for kind in BACKENDS)]


def write_config(directory: Path, ports: Mapping[str, int], keystone_url: str,
                 slo: str) -> None:
    """Write the servers' configuration and what their rings are built from.

    :param slo: one of :data:`SLO_KINDS`.
    """
    for area in ("srv", "recon"):
        (directory / area).mkdir(parents=True, exist_ok=True)
    (directory / "srv" / DEVICE).mkdir(exist_ok=True)
    ini.write(directory / "swift.conf", {
        # Placement of data depends on these: they are the same for every sandbox.
        "swift-hash": {"swift_hash_path_prefix": "sandbox", "swift_hash_path_suffix": "sandbox"},
        **{f"storage-policy:{index}": {"name": name, "default": index == 0}
           for index, name in enumerate(STORAGE_POLICIES)},
    })
    for kind in BACKENDS:
        ini.write(directory / f"{kind}.conf", {
            "DEFAULT": {
                **_common(directory), "bind_ip": LOOPBACK, "bind_port": ports[backend(kind)],
                "devices": directory / "srv", "mount_check": False, "disable_fallocate": True,
                "log_level": "WARNING"},
            "pipeline:main": {"pipeline": f"{kind}-server"},
            f"app:{kind}-server": {"use": f"egg:swift#{kind}"},
            **({"container-updater": {"interval": UPDATER_INTERVAL, "concurrency": 1,
                                      "account_suppression_time": 1}}
               if kind == "container" else {}),
        })
    ini.write(directory / "proxy.conf", _proxy(directory, ports[PROXY], keystone_url, slo))
    ini.write(directory / "object-expirer.conf", {
        "DEFAULT": {**_common(directory), "log_level": "INFO"},
        "object-expirer": {"interval": EXPIRER_INTERVAL},
        "pipeline:main": {"pipeline": "catch_errors proxy-server"},
        "app:proxy-server": {"use": "egg:swift#proxy"},
        "filter:catch_errors": {"use": "egg:swift#catch_errors"},
    })


def _common(directory: Path) -> Dict[str, ini.Value]:
    # workers = 0: the server is one process, without a parent that forks it.
    return {"swift_dir": directory, "user": getpass.getuser(), "workers": 0,
            "recon_cache_path": directory / "recon", **_PATIENCE}


def _proxy(directory: Path, port: int, keystone_url: str, slo: str) -> ini.Sections:
    filters: ini.Sections = {
        f"filter:{name}": {"use": f"egg:swift#{name.replace('-', '_')}", **options}
        for name, options in _MIDDLEWARE.items()}
    return {
        "DEFAULT": {**_common(directory), "bind_ip": LOOPBACK, "bind_port": port,
                    "log_level": "INFO"},
        "pipeline:main": {"pipeline": _PIPELINE.format(
            slo="slo" if slo == SLO_FULL else "whole-objects slo")},
        "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": True,
                             "allow_account_management": True},
        **filters,
        "filter:memory-cache": {"paste.filter_factory": "swift_memory_cache:filter_factory"},
        "filter:whole-objects": {
            "paste.filter_factory": "swift_whole_objects:filter_factory"},
        "filter:authtoken": {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
            "www_authenticate_uri": keystone_url,
            **identity.password_options(identity.BY_NAME["swift"], keystone_url),
            "delay_auth_decision": True,
            "service_token_roles_required": True,
        },
        "filter:keystoneauth": {
            "use": "egg:swift#keystoneauth", "reseller_prefix": "AUTH",
            "operator_roles": identity.SWIFT_OPERATOR_ROLES},
    }


def ring_command(python: Path, directory: Path, ports: Mapping[str, int]) -> List[str]:
    """Return the command that builds the rings."""
    named = [f"{kind}={ports[backend(kind)]}" for kind in BACKENDS]
    return [str(python), str(scripts.DIRECTORY / "swift_rings.py"), str(directory), LOOPBACK,
            DEVICE, str(len(STORAGE_POLICIES)), *named]


def services(python: Path, directory: Path) -> List[Service]:
    """Return Swift's processes."""
    def server(name: str, kind: str, config: str) -> Service:
        return Service(name, [str(python), str(scripts.DIRECTORY / "swift_server.py"), kind,
                              str(directory / config)])

    return [
        *(server(backend(kind), f"{kind}-server", f"{kind}.conf") for kind in BACKENDS),
        server(PROXY, "proxy-server", "proxy.conf"),
        server(UPDATER, "container-updater", "container.conf"),
        server(EXPIRER, "object-expirer", "object-expirer.conf"),
    ]


def account_url(proxy_port: int) -> str:
    """Return the catalog's URL of a project's account."""
    return f"http://{LOOPBACK}:{proxy_port}/v1/AUTH_%(tenant_id)s"
