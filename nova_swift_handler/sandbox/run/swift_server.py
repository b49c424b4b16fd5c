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

"""Run one Swift server: ``swift_server.py KIND CONFIG``.

As Swift's own commands do, but for two things: the storage policies are read from this sandbox's
swift.conf from the start, and the port is not shared (eventlet listens with SO_REUSEPORT).
"""

import functools
import os
import sys

import eventlet
from swift.common import storage_policy, utils, wsgi


def main():
    kind, config = sys.argv[1:]
    utils.set_swift_dir(os.path.dirname(config))
    storage_policy.reload_storage_policies()
    wsgi.listen = functools.partial(eventlet.listen, reuse_port=False)
    # verbose: logs go to standard error, for there is no syslog.
    if kind == "object-expirer":
        from swift.common.daemon import run_daemon
        from swift.obj.expirer import ObjectExpirer
        return run_daemon(ObjectExpirer, config, verbose=True)
    options = {}
    if kind == "object":
        from swift.obj import server
        options["global_conf_callback"] = server.global_conf_callback
    return wsgi.run_wsgi(config, f"{kind}-server", verbose=True, **options)


if __name__ == "__main__":
    sys.exit(main())
