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

"""Run a job in a transfer process and wait for it.

Safe under eventlet's monkey patching as without: this end only reads a socket, so nova-compute's
event loop goes on while the other process hashes and copies.
"""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
import socket
import subprocess
import sys
import time
from typing import Any, Callable, ContextManager, Dict, Iterator, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.transfer.budget import LOOK, Budget
from nova_swift_handler.transfer.jobs import BootJob, Job, SnapshotJob

LOG = logging.getLogger(__name__)

_LEAVE = 30.0
"""Seconds to wait for a process to end once its job is over or no longer wanted."""

Listener = Callable[[Dict[str, Any]], None]

_budget: Optional[Budget] = None

_LARGE = (SnapshotJob, BootJob)
"""Jobs that wait for their turn; those that clean up do not."""


def run(job: Job, listener: Listener = lambda event: None,
        check: Callable[[], None] = lambda: None) -> Dict[str, Any]:
    """Do *job* in a process of its own; return its result.

    :param listener: called with each ``progress``, ``vdi`` and ``counts`` event.
    :param check: called every few seconds, also while the job waits for its turn; raises when
        the job is no longer wanted, which ends it.
    :raises SwiftVhdError: the job's own error.
    :raises TransferFailed: the process died.
    """
    with _turn(job, check):
        ours, theirs = socket.socketpair()
        with ours:
            process = _start(theirs)
            try:
                # Not sendall under a lock: the job is small, the other end reads at once.
                with contextlib.suppress(ConnectionError):  # it died: that is told below
                    ours.sendall(pickle.dumps((LOG.getEffectiveLevel(), job)))
                return _listen(ours, listener, check, process)
            finally:
                # Closing the socket is what tells the process that it is no longer wanted.
                ours.close()
                _wait(process, _LEAVE)


def _turn(job: Job, check: Callable[[], None]) -> ContextManager[None]:
    # Made at first use, when eventlet has patched threading, or never will.
    global _budget
    if not isinstance(job, _LARGE):
        return contextlib.nullcontext()
    if _budget is None:
        _budget = Budget()
    limit = job.services.transfer.max_concurrent
    if _budget.waiting:
        LOG.info("%d transfers wait for their turn; max_concurrent_transfers in [swift_vhd] "
                 "allows %d at a time", _budget.waiting + 1, limit)
    return _budget.turn(limit, check)


def _start(theirs: socket.socket) -> subprocess.Popen[bytes]:
    with theirs:
        return subprocess.Popen(
            [sys.executable, "-m", "nova_swift_handler.transfer", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _listen(ours: socket.socket, listener: Listener, check: Callable[[], None],
            process: subprocess.Popen[bytes]) -> Dict[str, Any]:
    for line in _lines(ours, check):
        event = json.loads(line.decode("utf-8"))
        kind = event["event"]
        if kind == "result":
            return dict(event["value"])
        if kind == "error":
            raise _error(event)
        if kind == "log":
            logging.getLogger(event["name"]).log(event["level"], "%s", event["text"])
        else:
            listener(event)
    status = _wait(process, _LEAVE)
    raise exceptions.TransferFailed(
        "the transfer process %d ended without a result (%s); look for a reason in the kernel's "
        "log if it was killed, else in this service's standard error" % (
            process.pid, "still running" if status is None else "exit status %d" % status))


def _lines(ours: socket.socket, check: Callable[[], None]) -> Iterator[bytes]:
    left = b""
    due = time.monotonic() + LOOK
    ours.settimeout(LOOK)
    while True:
        try:
            data = ours.recv(65536)
        except socket.timeout:
            data = None
        except ConnectionError:
            data = b""  # it died with the job unread
        if data is not None:
            if not data:
                return
            *lines, left = (left + data).split(b"\n")
            yield from lines
        # After what was said: a job that has ended needs no asking.
        if time.monotonic() >= due:
            check()
            due = time.monotonic() + LOOK


def _error(event: Dict[str, Any]) -> exceptions.SwiftVhdError:
    kind = getattr(exceptions, event["type"], exceptions.TransferFailed)
    if issubclass(kind, exceptions.XapiError):
        return kind(event["message"], event["code"], event["params"])
    return kind(event["message"])


def _wait(process: subprocess.Popen[bytes], seconds: float) -> Optional[int]:
    # Popen.wait may block the event loop; polling does not.
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    return process.poll()
