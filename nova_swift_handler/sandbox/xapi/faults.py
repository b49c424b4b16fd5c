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

"""Faults that tests and demonstrations switch on by name.

Every fault but ``hang`` takes ``times`` (how often it strikes; None, the default, until cleared).
Those of the data path also take ``direction`` ("import", "export"; None both) where it
makes sense and ``vdi`` (the uuid of the only disk they strike; None any).
"""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any, Dict, List, Mapping, Optional


@dataclasses.dataclass(frozen=True)
class Kind:
    """A fault that exists: what it does, and its arguments with their defaults."""

    doc: str
    args: Mapping[str, Any]


_DISK = {"vdi": None, "times": None}

KINDS: Dict[str, Kind] = {
    "export_cut": Kind(
        "Drop an export's connection after this many body bytes; reset=true sends an RST. The"
        " task fails, no text is added.", {"after": 0, "reset": False, **_DISK}),
    "import_cut": Kind(
        "Drop an import's connection after this many body bytes were read; the task fails, what"
        " was written stays.", {"after": 0, "reset": False, **_DISK}),
    "task_fail_after_200": Kind(
        "Move all data, then fail the task with this error. An import also answers the 400 and"
        " 500 that XAPI adds; an export ends as if all were well.",
        {"direction": None, "code": "VDI_IO_ERROR", "params": ["Device I/O errors"], **_DISK}),
    "export_garbage": Kind(
        "Fail an export inside the data: after this many body bytes (None: after the last) the"
        " text of a 500 response follows in the body.", {"after": None, **_DISK}),
    "sr_full": Kind(
        "The SR has no space: create, snapshot, clone and resize fail with the SR type's error,"
        " an import fails after this many bytes.", {"after": 0, "sr": None, "times": None}),
    "slow": Kind(
        "Sleep this many seconds for each MiB moved; VDI.copy is direction \"copy\".",
        {"seconds_per_mib": 0.1, "direction": None, **_DISK}),
    "rate": Kind(
        "Move at most this many bytes a second on each connection; time in which the client did"
        " not take or give any is lost.",
        {"bytes_per_second": 10 << 20, "direction": None, **_DISK}),
    "vdi_create_fail": Kind(
        "VDI.create fails with this error.",
        {"code": "SR_BACKEND_FAILURE_78",
         "params": ["", "VDI Creation failed [opterr=error 5]", ""], "times": None}),
    "vdi_create_slow": Kind(
        "VDI.create takes this many seconds longer, the SR showing that it is under way.",
        {"seconds": 1.0, "times": None}),
    "login_fail": Kind(
        "Logins fail with this error.",
        {"code": "SESSION_AUTHENTICATION_FAILED",
         "params": ["root", "Authentication failure"], "times": None}),
    "rpc_fail": Kind(
        "Calls of this method (\"VDI.snapshot\") fail with this error, before they do anything.",
        {"method": "", "code": "INTERNAL_ERROR", "params": ["injected"], "times": None}),
    "answer_lost": Kind(
        "Calls of this method are carried out, and the connection is dropped without an answer.",
        {"method": "", "times": None}),
    "hang": Kind(
        "Stop moving bytes after this many (direction import or export), or never answer calls"
        " of this method (direction rpc), until the fault is cleared.",
        {"direction": "export", "after": 0, "method": None, "vdi": None}),
    "vbd_linger": Kind(
        "Leave the dom0 VBD attached this many seconds after a transfer whose connection"
        " dropped.", {"seconds": 1.0, **_DISK}),
}


class UnknownFault(ValueError):
    """No such fault, or it lacks such an argument."""


class Faults:
    """The faults that are on.  Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._active: Dict[str, Dict[str, Any]] = {}

    def set(self, name: str, **args: Any) -> None:
        """Switch a fault on, replacing one of the same name.  Raises UnknownFault."""
        if name not in KINDS:
            raise UnknownFault("no fault %r; there are %s" % (name, ", ".join(sorted(KINDS))))
        unknown = set(args) - set(KINDS[name].args)
        if unknown:
            raise UnknownFault("fault %s takes no %s" % (name, ", ".join(sorted(unknown))))
        with self._changed:
            self._active[name] = {**KINDS[name].args, **args}
            self._changed.notify_all()

    def clear(self, name: Optional[str] = None) -> None:
        """Switch one fault off, or all."""
        with self._changed:
            if name is None:
                self._active.clear()
            else:
                self._active.pop(name, None)
            self._changed.notify_all()

    def active(self) -> Dict[str, Dict[str, Any]]:
        with self._changed:
            return {name: dict(args) for name, args in self._active.items()}

    def strike(self, name: str, **context: Any) -> Optional[Dict[str, Any]]:
        """The arguments of a fault that is on and meant for this context; counts ``times`` down.

        An argument that is None, or that the context does not name, matches everything.
        """
        with self._changed:
            args = self._active.get(name)
            if args is None or not _matches(args, context):
                return None
            if args.get("times") is not None:
                args["times"] -= 1
                if args["times"] <= 0:
                    del self._active[name]
                    self._changed.notify_all()
            return dict(args)

    def wait_while(self, name: str, seconds: Optional[float] = None) -> bool:
        """Wait until the fault is off; False when ``seconds`` ran out first."""
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while name in self._active:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
        return True


def _matches(args: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    return all(args.get(key) in (None, value) for key, value in context.items())


def describe() -> List[Dict[str, Any]]:
    """Every fault there is, for people."""
    return [{"name": name, "doc": kind.doc, "args": dict(kind.args)}
            for name, kind in sorted(KINDS.items())]
