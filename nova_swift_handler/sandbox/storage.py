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

"""What an operator does once in Swift: ``swift-vhd setup``, and a key for TempURLs."""

from __future__ import annotations

import subprocess
import sys

from keystoneauth1 import adapter

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import handler, identity, ini, keystone, scripts
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.plan import STORAGE_REGION, Plan

TEMPURL_KEY = "sandbox-tempurl-key"


def config_file(layout: Layout) -> str:
    """Return the path of a configuration for ``swift-vhd``, without anything of Nova."""
    return str(layout.root / "swift-vhd.conf")


def set_up(layout: Layout, plan: Plan) -> None:
    """Make the containers and set their rights; Keystone and Swift must be running.

    :raises SandboxError: ``swift-vhd setup`` failed.
    """
    region = plan.hosts[0].region if plan.hosts else STORAGE_REGION
    ini.write(layout.root / "swift-vhd.conf", {"swift_vhd": handler.options(plan, region)})
    account = adapter.Adapter(
        keystone.user_session(plan.keystone_url, identity.HANDLER_USER),
        service_type="object-store")
    account.post("", headers={"X-Account-Meta-Temp-URL-Key": TEMPURL_KEY})
    done = subprocess.run(
        [sys.executable, "-m", "nova_swift_handler.cli.app", "--config-file",
         config_file(layout), "setup"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env=scripts.base_environment())
    if done.returncode != 0:
        raise SandboxError("swift-vhd setup failed in the sandbox: "
                           + done.stdout.decode(errors="replace"))
