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
import os
import sys
from typing import Any

import eventlet
from swift.common import daemon, storage_policy, utils, wsgi
from swift.container.updater import ContainerUpdater
from swift.obj import server as object_server
from swift.obj.expirer import ObjectExpirer


class Updater(ContainerUpdater):
    """A container updater that sweeps in its own process.

    Swift's forks one for each sweep, which costs more than a second of CPU: eventlet looks at
    every object in memory when it patches a process.
    """

    def run_forever(self, *args: Any, **kwargs: Any) -> None:
        utils.eventlet_monkey_patch()
        self.no_changes = self.successes = self.failures = 0
        while True:
            for path in self.get_paths():
                self.container_sweep(path)
            eventlet.sleep(self.interval)


DAEMONS = {"container-updater": Updater, "object-expirer": ObjectExpirer}


def main() -> int:
    kind, config = sys.argv[1:]
    utils.set_swift_dir(os.path.dirname(config))
    storage_policy.reload_storage_policies()
    # verbose: logs go to standard error, for there is no syslog.
    if kind in DAEMONS:
        daemon.run_daemon(DAEMONS[kind], config, section_name=kind, verbose=True)
        return 0
    wsgi.listen = functools.partial(eventlet.listen, reuse_port=False)
    options = {}
    if kind == "object-server":
        options["global_conf_callback"] = object_server.global_conf_callback
    return wsgi.run_wsgi(config, kind, verbose=True, **options)


if __name__ == "__main__":
    sys.exit(main())
