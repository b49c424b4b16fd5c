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

"""Nova's plugin for xenstore: keys of running domains, in memory."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Callable, Dict, Mapping, Tuple

from nova_swift_handler.sandbox.xapi.plugins.base import Plugin, PluginError, required

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool


class XenStore(Plugin):
    def __init__(self, pool: Pool, host: Host):
        super().__init__(pool, host)
        self._lock = threading.Lock()
        self._values: Dict[Tuple[str, str], str] = {}

    def plain(self) -> Dict[str, Callable[[Mapping[str, str]], str]]:
        return {"read_record": self._read, "write_record": self._write,
                "delete_record": self._delete, "list_records": self._list}

    def _read(self, args: Mapping[str, str]) -> str:
        key = (required(args, "dom_id"), required(args, "path"))
        with self._lock:
            if key in self._values:
                return _as_json(self._values[key])
        if args.get("ignore_missing_path"):
            return _as_json("None")
        raise PluginError("xenstore-read: couldn't read path /local/domain/%s/%s" % key)

    def _write(self, args: Mapping[str, str]) -> str:
        value = required(args, "value")
        with self._lock:
            self._values[(required(args, "dom_id"), required(args, "path"))] = value
        return _as_json(value)

    def _delete(self, args: Mapping[str, str]) -> str:
        with self._lock:
            self._values.pop((required(args, "dom_id"), required(args, "path")), None)
        return _as_json("")

    def _list(self, args: Mapping[str, str]) -> str:
        prefix = required(args, "path")
        with self._lock:
            return json.dumps({
                path: value for (domid, path), value in self._values.items()
                if domid == required(args, "dom_id") and path.startswith(prefix)})


def _as_json(value: str) -> str:
    """Values written as JSON come back as they are; others get quoted (the plugin's jsonify)."""
    try:
        json.loads(value)
    except ValueError:
        return json.dumps(value)
    return value
