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

"""A transfer that nova-compute has under way, as notifications and metrics tell of it."""

from __future__ import annotations

import functools
import logging
import time
from types import TracebackType
from typing import Any, Callable, Dict, Mapping, Optional, Type, TypeVar, cast

from nova_swift_handler import exceptions, tally
from nova_swift_handler.telemetry import metrics
from nova_swift_handler.vhd import constants

LOG = logging.getLogger(__name__)

SNAPSHOT, BOOT = "snapshot", "boot"

_WRITE_EVERY = 15.0
"""Seconds between two writings of what a transfer has counted so far."""

_FROM_RESULT = ("virtual_size", "blocks", "segments", "sent_blocks", "parent", "registration",
                "source", "vdi_uuid")

Notify = Callable[[str, str, Dict[str, Any]], None]
"""Takes a priority, a type such as ``snapshot.start``, and a payload."""

F = TypeVar("F", bound=Callable[..., None])


def _harmless(method: F) -> F:
    """Make *method* raise nothing: what it tells is worth less than what it tells of."""
    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            method(*args, **kwargs)
        except Exception:
            LOG.warning("A transfer could not be told of", exc_info=True)

    return cast(F, guarded)


class Watch:
    """One transfer, from entry to exit of the context; an exception that leaves it is its failure.

    :param kind: ``SNAPSHOT`` or ``BOOT``.
    :param facts: of the payload: what is known from the beginning.
    :param interval: seconds between two notifications of progress; 0 sends none.
    """

    def __init__(self, kind: str, facts: Mapping[str, Optional[str]], notify: Notify,
                 kept: metrics.Metrics, interval: float) -> None:
        self._kind = kind
        self._notify = notify
        self._metrics = kept
        self._interval = interval
        self._payload: Dict[str, Any] = {
            "transfer": kind, **facts, "seconds": 0.0, "done_bytes": 0, "total_bytes": None,
            "read_bytes": 0, "sent_bytes": 0, "requests": 0, "retries": 0,
            **dict.fromkeys(_FROM_RESULT), "shared_blocks": None, "shared_bytes": None,
            "error_type": None, "error": None, "vdi_uuid": facts.get("vdi_uuid")}
        self._begun = self._told = self._written_at = time.monotonic()
        self._counts: Dict[tally.Key, float] = {}
        self._written: Dict[tally.Key, float] = {}

    def __enter__(self) -> Watch:
        self._begin()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._end(error)

    @_harmless
    def _begin(self) -> None:
        self._tell("start")

    @_harmless
    def listen(self, event: Dict[str, Any]) -> None:
        """Take an event of the transfer process."""
        now = time.monotonic()
        if event["event"] == "counts":
            self._counts = tally.parse(event["counts"])
            if now - self._written_at >= _WRITE_EVERY:
                self._write({})
        elif event["event"] == "progress":
            self._payload.update(done_bytes=event["done"], total_bytes=event["total"])
            if self._interval and now - self._told >= self._interval:
                self._tell("progress")

    @_harmless
    def result(self, result: Mapping[str, Any]) -> None:
        """Take what the transfer gives back."""
        self._payload.update({name: result[name] for name in _FROM_RESULT if name in result})
        if "sent_blocks" in result:
            # Blocks that were sent again, their segment having been lost, count once.
            shared = max(0, result["blocks"] - result["sent_blocks"])
            self._payload.update(shared_blocks=shared,
                                 shared_bytes=shared * constants.BLOCK_SIZE)

    @_harmless
    def _end(self, error: Optional[BaseException]) -> None:
        outcome = "success"
        if error is None:
            # Progress is told of now and then; what has ended is done.
            self._payload["done_bytes"] = self._payload["total_bytes"]
        else:
            outcome = type(error).__name__
            # Only what we say ourselves is known to hold no secrets.
            self._payload.update(error_type=outcome, error=str(error) if isinstance(
                error, exceptions.SwiftVhdError) else "")
        self._tell("end" if error is None else "error")
        counted = {tally.key(metrics.TRANSFERS, {"transfer": self._kind, "result": outcome}): 1.0,
                   tally.key(metrics.SECONDS, {"transfer": self._kind}): self._payload["seconds"]}
        if error is None and self._payload["shared_blocks"] is not None:
            shared = self._payload["shared_blocks"]
            for how, blocks in (("shared", shared), ("sent", self._payload["blocks"] - shared)):
                counted[tally.key(metrics.BLOCKS, {"how": how})] = blocks
        self._write(counted)

    def _write(self, more: Mapping[tally.Key, float]) -> None:
        """Add to the metrics what was counted since the last time, and *more*."""
        self._written_at = time.monotonic()
        news = {each: value - self._written.get(each, 0)
                for each, value in self._counts.items()}
        self._metrics.write({**news, **more}, {})
        self._written = self._counts

    def _tell(self, what: str) -> None:
        self._told = time.monotonic()
        # Disks come from one side and go to the other: the host's, or Swift's and Glance's.
        ours = (tally.SWIFT, tally.GLANCE)
        source, sink = (((tally.XAPI,), ours) if self._kind == SNAPSHOT
                        else (ours, (tally.XAPI,)))
        self._payload.update(
            seconds=round(self._told - self._begun, 3),
            read_bytes=self._sum(tally.BYTES, source, direction=tally.RECEIVED),
            sent_bytes=self._sum(tally.BYTES, sink, direction=tally.SENT),
            requests=self._sum(tally.REQUESTS), retries=self._sum(tally.RETRIES))
        self._notify("error" if what == "error" else "info", "%s.%s" % (self._kind, what),
                     dict(self._payload))

    def _sum(self, name: str, services: Any = None, **wanted: str) -> int:
        return int(sum(value for (each, labels), value in self._counts.items()
                       if each == name and set(wanted.items()) <= set(labels)
                       and (services is None or dict(labels)["service"] in services)))
