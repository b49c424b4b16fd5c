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

"""A program in nova-compute's place: makes one call of the handler's, as Nova's driver does.

    python compute.py CONFIG_FILE...  < a JSON object

Nova's libraries, eventlet's patches, os_xenapi's session and the configuration are the real ones;
what is not there is Nova's API and database.  Prints ``{"result": ...}`` or ``{"error": <class>,
"message": ...}`` as JSON; the log goes to standard error.
"""

from __future__ import annotations

import nova.monkey_patch  # first, as nova.cmd does

# isort: split
import json
import logging
import sys
from typing import Any, Dict

import nova.conf
from nova import config, context, exception, objects
from os_xenapi.client import session as xenapi_session

from nova_swift_handler.handler import SwiftVhdHandler
from nova_swift_handler.nova_plugin.repairs import plugin_calls, urls


def call(request: Dict[str, Any]) -> Any:
    """Do what *request* asks for."""
    conf = nova.conf.CONF
    session = xenapi_session.XenAPISession(
        conf.xenserver.connection_url, conf.xenserver.connection_username,
        conf.xenserver.connection_password, originator="nova")
    user = context.RequestContext(
        user_id=request["user_id"], project_id=request["project_id"],
        auth_token=request["token"])
    instance = {"uuid": request["instance"], "name": "instance-1", "image_ref": "",
                "os_type": None, "auto_disk_config": False, "system_metadata": {}}
    handler = SwiftVhdHandler()
    if "vdi" in request:
        return handler.upload_image(user, session, instance, request["image"], [request["vdi"]])
    return handler.download_image(user, session, instance, request["image"])


def main() -> None:
    files = [word for path in sys.argv[1:] for word in ("--config-file", path)]
    config.parse_args(["nova-compute", *files], configure_db=False)
    objects.register_all()
    logging.getLogger().handlers = []
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, force=True)
    logging.getLogger("nova_swift_handler").setLevel(logging.DEBUG)
    plugin_calls.apply()
    urls.apply()
    try:
        answer = {"result": call(json.load(sys.stdin))}
    except exception.NovaException as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
