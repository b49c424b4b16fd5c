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

"""Glance, with its images in Swift, set up the safe way.

Its Swift user owns nothing: it may write one container and read those whose ACL names it.  So
deleting an image in Glance cannot delete a segment that others use.  Locations, which carry that
user's key, are shown to nobody.  Policies are Glance's defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import List

from nova_swift_handler.sandbox import identity, ini, scripts
from nova_swift_handler.sandbox.ports import LOOPBACK
from nova_swift_handler.sandbox.service import Service

NAME = "glance"
DATABASE = "glance.db"
# The store's name in Glance.  Registering locations needs a store without a
# swift_store_config_file: Glance finds the store of a location by its URL's prefix.
STORE = "swift"


def store_user() -> str:
    """Return ``swift_store_user``: project and user, as in locations."""
    user = identity.GLANCE_STORE_USER
    return f"{user.project}:{user.name}"


def write_config(directory: Path, paste_config: Path, port: int, keystone_url: str,
                 region: str, container: str) -> Path:
    """Write glance-api.conf; the database and the staging area lie beside it.

    :param paste_config: the glance-api-paste.ini that came with Glance.
    :param region: whose Swift endpoint it takes from the catalog.
    :param container: where it keeps images; it does not make the container.
    """
    for area in ("staging", "tasks"):
        (directory / area).mkdir(parents=True, exist_ok=True)
    return ini.write(directory / "glance-api.conf", {
        "DEFAULT": {
            "use_stderr": True,
            "enabled_backends": f"{STORE}:swift",
            "show_multiple_locations": False,
            "show_image_direct_url": False,
            # Else Glance reads every image whole, in the background, whose location is added.
            "do_secure_hash": False,
            "worker_self_reference_url": f"http://{LOOPBACK}:{port}",
            "transport_url": "fake:/",
        },
        "paste_deploy": {"flavor": "keystone", "config_file": paste_config},
        "database": ini.sqlite(directory / DATABASE),
        "glance_store": {"default_backend": STORE},
        STORE: {
            "swift_store_auth_version": 3,
            "swift_store_auth_address": keystone_url,
            "swift_store_user": store_user(),
            "swift_store_key": identity.GLANCE_STORE_USER.password,
            "swift_store_user_domain_id": identity.DOMAIN_ID,
            "swift_store_project_domain_id": identity.DOMAIN_ID,
            "swift_store_region": region,
            "swift_store_container": container,
            "swift_store_create_container_on_put": False,
        },
        "os_glance_staging_store": {"filesystem_store_datadir": directory / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": directory / "tasks"},
        "keystone_authtoken": {
            "www_authenticate_uri": keystone_url,
            **identity.password_options(identity.BY_NAME["glance"], keystone_url),
            "service_token_roles_required": True,
        },
        "oslo_concurrency": {"lock_path": directory / "locks"},
    })


def paste_config(python: Path) -> Path:
    """Return where Glance's wheel put its glance-api-paste.ini."""
    return python.parent.parent / "etc" / "glance" / "glance-api-paste.ini"


def service(python: Path, directory: Path, port: int) -> Service:
    """Return the process that serves Glance."""
    return scripts.wsgi_service(
        NAME, python, "glance.wsgi.api:application", port,
        {"OS_GLANCE_CONFIG_DIR": str(directory)})


def prepare_commands(python: Path, directory: Path) -> List[List[str]]:
    """Return the commands that make a new database."""
    return [[str(python.parent / "glance-manage"), "--config-file",
             str(directory / "glance-api.conf"), "db_sync"]]
