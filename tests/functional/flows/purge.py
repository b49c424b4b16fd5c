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

"""A program: Nova's own purge of cached images, as its tools/xenserver/destroy_cached_images.py.

    python purge.py NOVA_CONF [--all] [--keep-days N]

Prints the uuids of what it destroyed as JSON.
"""

from __future__ import annotations

import nova.monkey_patch

# isort: split
import argparse
import json

import nova.conf
from nova import config
from nova.virt.xenapi import vm_utils
from os_xenapi.client import session as xenapi_session

from nova_swift_handler.conf import opts
from nova_swift_handler.nova_plugin.repairs import plugin_calls, urls


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--keep-days", type=int, default=0)
    arguments = parser.parse_args()
    opts.register(nova.conf.CONF)
    config.parse_args(["nova", "--config-file", arguments.config], configure_db=False)
    plugin_calls.apply()
    urls.apply()
    own = nova.conf.CONF.xenserver
    session = xenapi_session.XenAPISession(
        own.connection_url, own.connection_username, own.connection_password, originator="nova")
    destroyed = vm_utils.destroy_cached_images(
        session, vm_utils.safe_find_sr(session), all_cached=arguments.all,
        keep_days=arguments.keep_days)
    print(json.dumps(sorted(destroyed)), flush=True)


if __name__ == "__main__":
    main()
