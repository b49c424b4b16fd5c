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

"""A program in nova-compute's place that stores or fetches a disk with ``vdi_remote_stream``.

Nova's handler, its Glance client, eventlet's patches and os_xenapi are the real ones, but for the
repairs without which the streams end early.  Takes a JSON object; prints one.  Nova's own start
is no part of what it measures: nova-compute runs all the time.
"""

from __future__ import annotations

import nova.monkey_patch  # first, as nova.cmd does

# isort: split
import json
import os
import sys
import time
from typing import Any, Dict

import nova.conf
from nova import config, context
from nova.virt.xenapi.image import vdi_stream
from os_xenapi.client import session as xenapi_session

from bench.meter import high_water
from nova_swift_handler.nova_plugin.repairs import pipes, plugin_calls, urls


def _configure(job: Dict[str, Any]) -> None:
    config.parse_args(["nova-compute", "--config-file", os.devnull], configure_db=False)
    conf = nova.conf.CONF
    conf.set_override("api_servers", [job["glance"]], "glance")
    for name, value in {"connection_url": job["xapi"], "connection_username": "root",
                        "connection_password": job["password"],
                        "image_compression_level": job["level"],
                        "independent_compute": True}.items():
        conf.set_override(name, value, "xenserver")
    for repair in (plugin_calls, urls, pipes):
        if repair.is_broken():
            repair.apply()


def main() -> None:
    """Do it."""
    job = json.load(sys.stdin)
    _configure(job)
    session = xenapi_session.XenAPISession(job["xapi"], "root", job["password"],
                                           originator="nova")
    user = context.RequestContext(user_id=job["user_id"], project_id=job["project_id"],
                                  auth_token=job["token"])
    instance = {"uuid": job["image"], "name": "instance-1", "os_type": None,
                "auto_disk_config": False, "system_metadata": {}}
    store = vdi_stream.VdiStreamStore()
    answer: Dict[str, Any] = {}
    began, cpu = time.monotonic(), time.process_time()
    if job["vdi"]:
        store.upload_image(user, session, instance, job["image"], [job["vdi"]])
    else:
        answer["vdi"] = store.download_image(user, session, instance, job["image"])["root"]["uuid"]
    answer.update(seconds=time.monotonic() - began, cpu=time.process_time() - cpu,
                  peak=high_water(os.getpid()))
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
