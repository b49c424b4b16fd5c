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

"""The transfer process: does one job, with native threads, and ends.

Started by :mod:`nova_swift_handler.transfer.process` with the number of a socket.  The job comes
in on it, events go out, one JSON object a line.  When the other end closes, the job is given up:
whoever wanted it is gone.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import socket
import sys
import threading
from typing import Any, Callable, Dict

from nova_swift_handler import exceptions, tally
from nova_swift_handler.files import tempdir
from nova_swift_handler.transfer import boot, cleanup, jobs, snapshot
from nova_swift_handler.transfer.report import Report

LOG = logging.getLogger(__name__)

_RUNNERS: Dict[type, Callable[[Any, Report], Dict[str, Any]]] = {
    jobs.SnapshotJob: snapshot.run,
    jobs.BootJob: boot.run,
    jobs.CleanUpJob: cleanup.run,
    jobs.DestroyJob: cleanup.destroy,
}

_GRACE = 600
"""Seconds a job that is to stop may take to clean up."""


class _Forward(logging.Handler):
    """Hands log records to the process that has the log."""

    def __init__(self, send: Callable[[Dict[str, Any]], None]) -> None:
        super().__init__()
        self._send_event = send

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        self._send_event({"event": "log", "level": record.levelno, "name": record.name,
                          "text": text})


class _Channel:
    """This end of the socket."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)  # eventlet made it non-blocking, which is inherited
        self._file = self._socket.makefile("rb")
        self._lock = threading.Lock()

    def receive(self) -> Any:
        return pickle.load(self._file)  # noqa: S301  (written by our own parent process)

    def send(self, event: Dict[str, Any]) -> None:
        data = json.dumps(event).encode("utf-8") + b"\n"
        try:
            with self._lock:
                self._socket.sendall(data)
        except OSError:
            pass  # the other end is gone; whoever watches it makes the job stop

    def report(self, event: Dict[str, Any]) -> None:
        """Send *event*, and before it what the job has counted so far."""
        self.send({"event": "counts", "counts": tally.as_json(tally.TALLY.counts())})
        self.send(event)

    def watch(self, report: Report) -> None:
        """Stop the job when the other end closes."""
        while self._file.read(1):
            pass
        report.desert()
        # A thread stuck in a system call must not keep a cleaned-up process alive for ever.
        threading.Timer(_GRACE, os._exit, (1,)).start()


def _set_up_logging(channel: _Channel, level: int) -> None:
    ours = logging.getLogger("nova_swift_handler")
    ours.setLevel(level)
    ours.addHandler(_Forward(channel.send))
    logging.getLogger().addHandler(logging.NullHandler())
    # These log requests with their headers, tokens included, at DEBUG.
    for name in ("swiftclient", "keystoneauth", "urllib3", "glanceclient"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _limit(job: Any, report: Report) -> None:
    seconds = job.services.transfer.timeout
    if seconds and isinstance(job, (jobs.SnapshotJob, jobs.BootJob)):
        threading.Timer(seconds, report.stop, [
            "it is not done after %g s, which is transfer_timeout in [swift_vhd]" % seconds
        ]).start()


def _failure(error: BaseException) -> Dict[str, Any]:
    if not isinstance(error, exceptions.SwiftVhdError):
        LOG.error("Unexpected failure of a transfer", exc_info=error)
        error = exceptions.TransferFailed("the transfer failed unexpectedly: %s: %s"
                                          % (type(error).__name__, error))
    # The other end knows the package's own errors, not what a module derives from them.
    known = next(kind.__name__ for kind in type(error).__mro__
                 if getattr(exceptions, kind.__name__, None) is kind)
    return {"event": "error", "type": known, "message": str(error),
            "code": getattr(error, "code", ""), "params": list(getattr(error, "params", ()))}


def main() -> int:
    """Do the one job of this process."""
    channel = _Channel(int(sys.argv[1]))
    level, job = channel.receive()
    _set_up_logging(channel, level)
    # For connections whose library sets no limit, as requests before 2.32 for chunked bodies.
    socket.setdefaulttimeout(job.services.transfer.idle_timeout)
    report = Report(channel.report)
    signal.signal(signal.SIGTERM, lambda _number, _frame: report.stop(
        "its process was told to end"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=channel.watch, args=(report,), daemon=True).start()
    _limit(job, report)
    tempdir.remove_abandoned(job.services.transfer.staging_dir)
    try:
        event = {"event": "result", "value": _RUNNERS[type(job)](job, report)}
    except Exception as error:  # noqa: BLE001  (told to the parent, whatever it is)
        event = _failure(error)
    channel.report(event)
    # Threads that still wait for a peer hold nothing that matters any more.
    sys.stderr.flush()
    os._exit(0 if event["event"] == "result" else 1)

