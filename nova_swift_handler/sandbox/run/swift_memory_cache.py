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

"""A paste filter that gives Swift's proxy a cache in its own memory, instead of memcached.

Right only as long as there is one proxy process.
"""

import json
import threading
import time
from typing import Any, Callable, Dict, List


class MemoryCache:
    """The part of Swift's MemcacheRing that its middleware uses."""

    def __init__(self) -> None:
        self._entries: Dict[str, Any] = {}
        self._lock = threading.Lock()

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        value, expires = self._entries.get(key, (None, 0))
        if expires and expires < time.time():
            self._entries.pop(key, None)
            return None
        return value

    def set(self, key: str, value: Any, serialize: bool = True, time: float = 0,
            min_compress_len: int = 0, raise_on_error: bool = False) -> bool:
        if serialize:
            value = json.loads(json.dumps(value))  # a copy, of the types that memcached gives
        self._entries[key] = (value, _deadline(time))
        return True

    def incr(self, key: str, delta: int = 1, time: float = 0, **_: Any) -> int:
        with self._lock:
            count = max(0, int(self.get(key) or 0) + int(delta))
            self._entries[key] = (count, _deadline(time))
        return count

    def decr(self, key: str, delta: int = 1, time: float = 0, **_: Any) -> int:
        return self.incr(key, -delta, time)

    def delete(self, key: str, server_key: Any = None) -> None:
        self._entries.pop(key, None)

    def set_multi(self, mapping: Dict[str, Any], server_key: Any, serialize: bool = True,
                  time: float = 0, min_compress_len: int = 0,
                  raise_on_error: bool = False) -> None:
        for key, value in mapping.items():
            self.set(key, value, serialize, time)

    def get_multi(self, keys: List[str], server_key: Any,
                  raise_on_error: bool = False) -> List[Any]:
        return [self.get(key) for key in keys]


def _deadline(seconds: float) -> float:
    return time.time() + seconds if seconds else 0


def filter_factory(global_conf: Any, **local_conf: Any) -> Callable[[Any], Any]:
    cache = MemoryCache()

    def wrap(application: Any) -> Any:
        def call(environ: Dict[str, Any], start_response: Any) -> Any:
            environ["swift.cache"] = cache
            return application(environ, start_response)
        return call
    return wrap
