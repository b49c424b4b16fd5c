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

"""A program: the image streams of os_xenapi, as Nova's stock vdi_remote_stream uses them.

    python stream_images.py URL PASSWORD SR_UUID VDI_UUID OUTPUT

Exports VDI_UUID to the gzipped tar OUTPUT, imports that into a new disk of the SR, and prints the
new disk's uuid.  os_xenapi is as it is installed, but for the repairs of what is broken in it.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402
from typing import Any, Dict  # noqa: E402

from os_xenapi.client import image  # noqa: E402
from os_xenapi.client import session as os_xenapi_session  # noqa: E402

from nova_swift_handler.nova_plugin.repairs import pipes, plugin_calls, urls  # noqa: E402


def main(url: str, password: str, sr_uuid: str, vdi_uuid: str, output: str) -> None:
    for repair in (plugin_calls, urls, pipes):
        if repair.is_broken():
            repair.apply()
    session = os_xenapi_session.XenAPISession(url, "root", password)
    instance: Dict[str, Any] = {"name": "instance", "uuid": "u"}
    with open(output, "wb") as target:
        for piece in image.stream_from_vdis(None, session, instance, url, [vdi_uuid]):
            target.write(piece)
    sr_ref = session.SR.get_by_uuid(sr_uuid)
    with open(output, "rb") as source:
        vdis = image.stream_to_vdis(None, session, instance, url, sr_ref, source)
    print(vdis["root"]["uuid"])


if __name__ == "__main__":
    main(*sys.argv[1:])
