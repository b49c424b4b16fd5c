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

"""Nova's plugin for a guest's console log: there is no guest, so it is one line long."""

from __future__ import annotations

import base64
import zlib
from typing import Callable, Dict, Mapping

from nova_swift_handler.sandbox.xapi.plugins.base import Plugin, PluginError, required


class Console(Plugin):
    def plain(self) -> Dict[str, Callable[[Mapping[str, str]], str]]:
        return {"get_console_log": self._get_console_log}

    def _get_console_log(self, args: Mapping[str, str]) -> str:
        """zlib-compressed, base64."""
        domid = required(args, "dom_id")
        db = self.pool.db
        names = [db.get("VM", vm, "name_label") for vm in db.refs("VM")
                 if str(db.get("VM", vm, "domid")) == domid]
        if not names:
            raise PluginError("Error reading console: no domain %s" % domid)
        line = "%s: simulated guest, no console output\n" % names[0]
        return base64.b64encode(zlib.compress(line.encode("utf-8"))).decode("ascii")
