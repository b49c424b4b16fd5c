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

"""Run one of Swift's processes: ``swift_server.py KIND CONFIG``.

As Swift's own commands do, but for two things: the storage policies are read from this sandbox's
swift.conf from the start, and the port is not shared (eventlet listens with SO_REUSEPORT).
"""

import functools
import importlib
import os
import sys

import eventlet
from swift.common import daemon, storage_policy, utils, wsgi
from swift.obj import server as object_server

DAEMONS = {
    "container-updater": ("swift.container.updater", "ContainerUpdater"),
    "object-expirer": ("swift.obj.expirer", "ObjectExpirer"),
}


def main():
    kind, config = sys.argv[1:]
    utils.set_swift_dir(os.path.dirname(config))
    storage_policy.reload_storage_policies()
    # verbose: logs go to standard error, for there is no syslog.
    if kind in DAEMONS:
        module, name = DAEMONS[kind]
        daemon.run_daemon(getattr(importlib.import_module(module), name), config, verbose=True)
        return 0
    wsgi.listen = functools.partial(eventlet.listen, reuse_port=False)
    options = {}
    if kind == "object-server":
        options["global_conf_callback"] = object_server.global_conf_callback
    return wsgi.run_wsgi(config, kind, verbose=True, **options)


if __name__ == "__main__":
    sys.exit(main())
