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


class MemoryCache:
    """The part of Swift's MemcacheRing that its middleware uses."""

    def __init__(self):
        self._entries = {}
        self._lock = threading.Lock()

    def get(self, key, raise_on_error=False):
        value, expires = self._entries.get(key, (None, 0))
        if expires and expires < time.time():
            self._entries.pop(key, None)
            return None
        return value

    def set(self, key, value, serialize=True, time=0, min_compress_len=0, raise_on_error=False):
        if serialize:
            value = json.loads(json.dumps(value))  # a copy, of the types that memcached gives
        self._entries[key] = (value, _deadline(time))
        return True

    def incr(self, key, delta=1, time=0, **_):
        with self._lock:
            count = max(0, int(self.get(key) or 0) + int(delta))
            self._entries[key] = (count, _deadline(time))
        return count

    def decr(self, key, delta=1, time=0, **_):
        return self.incr(key, -delta, time)

    def delete(self, key, server_key=None):
        self._entries.pop(key, None)

    def set_multi(self, mapping, server_key, serialize=True, time=0, min_compress_len=0,
                  raise_on_error=False):
        for key, value in mapping.items():
            self.set(key, value, serialize, time)

    def get_multi(self, keys, server_key, raise_on_error=False):
        return [self.get(key) for key in keys]


def _deadline(seconds):
    return time.time() + seconds if seconds else 0


def filter_factory(global_conf, **local_conf):
    cache = MemoryCache()

    def wrap(application):
        def call(environ, start_response):
            environ["swift.cache"] = cache
            return application(environ, start_response)
        return call
    return wrap
