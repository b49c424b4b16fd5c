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

"""A program: Nova's real XenAPIDriver boots an instance from an ISO image of a real Glance.

    python boot_iso.py [--in-a-domu] < a JSON object

The object has ``url`` and ``password`` of a XAPI, ``glance``, and ``token``, ``user_id`` and
``project_id`` of a user, and ``image``, the id of an image.  Nova, os_xenapi and what they
speak to Glance are as they are installed.

Nova writes an ISO into its VDI from the VM that nova-compute runs in: it plugs the VDI into that
(``nova.virt.xenapi.vm_utils.vdi_attached``) and writes to the block device.  Where it runs
elsewhere (``independent_compute``) there is no such VM, and Nova says so beforehand.  With
``--in-a-domu`` it believes to run in one, and that one function is replaced: what Nova writes to
the device goes into a file, and from there into the VDI by XAPI.  All else is Nova's own.

Prints what it saw as JSON.
"""

from __future__ import annotations

import nova.monkey_patch  # first, as nova.cmd does

# isort: split
import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from typing import Any, Dict, Iterator

import nova.conf
from nova import context, exception, objects
from nova.image import glance
from nova.network import model as network_model
from nova.virt.xenapi import driver as xenapi_driver
from nova.virt.xenapi import vm_utils

from nova_swift_handler.nova_plugin.repairs import plugin_calls, urls
from nova_swift_handler.sandbox.xapi.control import Control
from tests.functional.simulator import nova_driver

_WRITE = """
import sys
from nova_swift_handler.xapi.import_ import import_disk
from nova_swift_handler.xapi.session import Session
from nova_swift_handler.xapi.settings import XapiSettings
url, password, uuid, path = sys.argv[1:]
data = open(path, "rb").read()
with Session(XapiSettings(url, "root", password)) as session:
    import_disk(session, uuid, len(data), [data], "raw")
"""


def in_a_domu(request: Dict[str, Any]) -> Any:
    """Return what stands for ``vdi_attached``."""
    @contextlib.contextmanager
    def attached(session: Any, vdi_ref: str, read_only: bool = False,
                 dom0: bool = False) -> Iterator[str]:
        uuid = session.call_xenapi("VDI.get_uuid", vdi_ref)
        with tempfile.NamedTemporaryFile() as device:
            yield device.name
            # In a process that eventlet has not patched.
            subprocess.run([sys.executable, "-c", _WRITE, request["url"], request["password"],
                            uuid, device.name], check=True)

    return attached


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--in-a-domu", action="store_true")
    options = parser.parse_args()
    request = json.load(sys.stdin)
    nova_driver.configure(argparse.Namespace(
        url=request["url"], password=request["password"], no_cow=False, cache="none"))
    nova.conf.CONF.set_override("api_servers", [request["glance"]], "glance")
    for repair in (plugin_calls, urls):
        if repair.is_broken():
            repair.apply()
    nova_driver.without_conductor()
    if options.in_a_domu:
        nova.conf.CONF.set_override("independent_compute", False, "xenserver")
        vm_utils.vdi_attached = in_a_domu(request)
    control = Control(request["url"])
    driver = xenapi_driver.XenAPIDriver(nova_driver.Virt())
    driver.init_host("h1")
    user = context.RequestContext(
        request["user_id"], request["project_id"], auth_token=request["token"])
    image = objects.ImageMeta.from_image_ref(user, glance.API(), request["image"])
    instance = nova_driver.make_instance(user, 1, request["image"], 0)
    control.calls(clear=True)
    seen: Dict[str, Any] = {}
    try:
        driver.spawn(user, instance, image, [], None, {},
                     network_model.NetworkInfo([]), None)
    except exception.NovaException as error:
        seen.update(error=type(error).__name__, message=str(error))
    seen.update(calls=control.calls(clear=True), state=control.state(),
                disks=control.vm_disks(instance.name) if "error" not in seen else [])
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
