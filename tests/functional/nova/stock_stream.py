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

"""Store and fetch a disk with os_xenapi's own image streams, as vdi_remote_stream does.

A program of its own because os_xenapi's streams want eventlet's green modules.  Arguments: URL and
password of a simulated host, and a file for the image.  Prints one line of JSON.
"""

import json
import sys

import nova.monkey_patch  # noqa: F401

from nova_swift_handler.nova_plugin import activation
from nova_swift_handler.sandbox.xapi import control

MIB = 2 ** 20
INSTANCE = {"name": "instance-1", "uuid": "6a1f7a34-0c4e-4b07-a4c6-0d9a7c3a0b11"}


def main(url, password, path):
    activation.enable()
    from os_xenapi.client import image, session

    xapi = session.XenAPISession(url, "root", password)
    guest = control.Control(url)
    sr_ref = xapi.pool.get_default_SR(xapi.pool.get_all()[0])
    source = xapi.VDI.get_uuid(xapi.VDI.create({
        "name_label": "source", "name_description": "", "SR": sr_ref,
        "virtual_size": str(256 * MIB), "type": "User", "sharable": False, "read_only": False,
        "other_config": {}, "sm_config": {}, "xenstore_data": {}, "tags": []}))
    guest.guest_pattern(source, "seed", ranges=[[at * MIB, 3 * MIB] for at in range(0, 48, 5)])
    with open(path, "wb") as target:
        for chunk in image.stream_from_vdis(None, xapi, INSTANCE, url, [source]):
            target.write(chunk)
    with open(path, "rb") as stored:
        made = image.stream_to_vdis(None, xapi, INSTANCE, url, sr_ref, stored)
    print(json.dumps({"source": guest.guest_sha256(source),
                      "fetched": guest.guest_sha256(made["root"]["uuid"])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
