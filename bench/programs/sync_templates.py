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

"""Bring Glance in step with the templates; the services and their addresses come pickled.

Prints how many requests each service was asked, as JSON.
"""

from __future__ import annotations

import collections
import json
import pickle
import sys
import threading
from typing import Any, Dict
from urllib import parse

import requests.adapters

from nova_swift_handler.catalog.point import TEMPLATE
from nova_swift_handler.images import sync
from nova_swift_handler.transfer.jobs import Services


def main() -> None:
    services: Services
    addresses: Dict[str, str]
    services, addresses = pickle.load(sys.stdin.buffer)  # noqa: S301  (of the bench itself)
    names = {parse.urlsplit(address).netloc: name for name, address in addresses.items()}
    counted: Dict[str, int] = collections.Counter()
    lock = threading.Lock()
    send = requests.adapters.HTTPAdapter.send

    def counting(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        with lock:
            counted[names.get(parse.urlsplit(request.url).netloc, "others")] += 1
        return send(self, request, *args, **kwargs)

    requests.adapters.HTTPAdapter.send = counting  # type: ignore[method-assign]
    done = sync.sync(services, TEMPLATE, dry_run=False, delete_lost=False, force=False,
                     progress=lambda done, total: None)
    failed = [str(step.error) for step in done if step.error is not None]
    print(json.dumps({"steps": len(done), "failed": failed, "requests": counted}))


if __name__ == "__main__":
    main()
