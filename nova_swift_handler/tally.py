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

"""What this process has asked of others, counted.

A transfer process does one job and a command one thing, so what a process has counted is what
that has cost; who wants to tell others reads it at the end, or now and then.  Counting takes a
lock and an addition: nothing beside a request.
"""

from __future__ import annotations

import threading
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import requests

REQUESTS = "swift_vhd_requests_total"
RETRIES = "swift_vhd_retries_total"
BYTES = "swift_vhd_bytes_total"

SWIFT, GLANCE, KEYSTONE, XAPI = "swift", "glance", "keystone", "xapi"
SENT, RECEIVED = "sent", "received"

Key = Tuple[str, Tuple[Tuple[str, str], ...]]
"""A name, and labels with their values, sorted."""


def key(name: str, labels: Mapping[str, str]) -> Key:
    """Return what counts under *name* and *labels* are kept under."""
    return name, tuple(sorted(labels.items()))


class Tally:
    """Counts; may be shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Dict[Key, float] = {}

    def request(self, service: str, verb: str) -> None:
        """Count a request that is about to be sent."""
        self._add(REQUESTS, 1, service=service, verb=verb)

    def retry(self, service: str) -> None:
        """Count a request that failed and is about to be sent again."""
        self._add(RETRIES, 1, service=service)

    def moved(self, service: str, direction: str, count: int) -> None:
        """Count bytes that were sent to a service, or received from it."""
        self._add(BYTES, count, service=service, direction=direction)

    def _add(self, name: str, value: float, **labels: str) -> None:
        counted = key(name, labels)
        with self._lock:
            self._counts[counted] = self._counts.get(counted, 0) + value

    def counts(self) -> Dict[Key, float]:
        """Return all counts so far."""
        with self._lock:
            return dict(self._counts)


TALLY = Tally()
"""This process's."""


def as_json(counts: Mapping[Key, float]) -> List[Any]:
    """Return counts as a value for JSON."""
    return [[name, dict(labels), value] for (name, labels), value in counts.items()]


def parse(value: List[Any]) -> Dict[Key, float]:
    """Return the counts of a value that :func:`as_json` made."""
    return {key(name, labels): count for name, labels, count in value}


def watch(session: requests.Session, service: str, others: Mapping[str, str]) -> None:
    """Count the requests that *session* sends from now on, and the bytes of their bodies.

    :param others: services by what URLs begin with; all else is for *service*.
    """
    for prefix, adapter in list(session.adapters.items()):
        session.mount(prefix, _Counting(adapter, service, others))


class _Counting(requests.adapters.BaseAdapter):
    """Sends by another adapter, and counts."""

    def __init__(self, adapter: requests.adapters.BaseAdapter, service: str,
                 others: Mapping[str, str]) -> None:
        super().__init__()
        self._adapter = adapter
        self._service = service
        self._others = others

    def send(self, request: requests.PreparedRequest, *args: Any,
             **kwargs: Any) -> requests.Response:
        """Send a request."""
        url = request.url or ""
        service = next((each for prefix, each in self._others.items() if url.startswith(prefix)),
                       self._service)
        TALLY.request(service, request.method or "")
        body: Any = request.body
        if isinstance(body, (bytes, str)):
            TALLY.moved(service, SENT, len(body))
        elif body is not None and not hasattr(body, "read"):
            request.body = _counted(body, service)
        return self._adapter.send(request, *args, **kwargs)

    def close(self) -> None:
        """Close the other adapter's connections."""
        self._adapter.close()


def _counted(body: Any, service: str) -> Iterator[Any]:
    for piece in body:
        TALLY.moved(service, SENT, len(piece))
        yield piece
