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
"""Temporary directories that outlive no process for long, however it ends.

A process that is killed removes nothing, so the next one does.  Whether a directory's process
lives is told by a lock in it that the kernel lets go of with the process: a pid may be anybody's
by now, and a shared file system has pids of several hosts.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import stat
import tempfile
from types import TracebackType
from typing import Optional, Type

LOG = logging.getLogger(__name__)

PREFIX = "swift_vhd-staging-"
_MADE = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}")  # as tempfile.mkdtemp names them
_LOCK = "lock"


class LockedDirectory:
    """A private directory, removed when the context is left.

    :ivar path: where it is.
    """

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self._lock = -1
        self.path = ""

    def __enter__(self) -> LockedDirectory:
        while self._lock < 0:
            # Until it is locked, another process may take it for an abandoned one.
            self.path = tempfile.mkdtemp(prefix=PREFIX, dir=self._parent)
            try:
                self._lock = _lock(self.path, fcntl.LOCK_EX)
            except OSError:
                shutil.rmtree(self.path, ignore_errors=True)
                raise
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        _remove(self.path, self._lock)
        self._lock = -1


def remove_abandoned(parent: str) -> int:
    """Remove the directories in *parent* whose processes have died; return how many.

    Only this user's own, and only what looks as they do: in a directory such as ``/var/tmp``
    anybody may make some of this name.
    """
    removed = 0
    try:
        for name in os.listdir(parent):
            path = os.path.join(parent, name)
            if not _MADE.fullmatch(name) or not _is_own_directory(path) or not _is_ours(path):
                continue
            lock = _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock >= 0:
                LOG.warning("Removing %s, which a killed transfer left", path)
                _remove(path, lock)
                removed += 1
    except OSError as error:
        LOG.warning("What killed transfers left in %s could not be removed: %s", parent, error)
    return removed


def _is_own_directory(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False  # gone meanwhile
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _is_ours(path: str) -> bool:
    """Tell whether a directory has a lock, or nothing: it gets one first."""
    try:
        held = os.listdir(path)
    except FileNotFoundError:
        return False
    return not held or _LOCK in held


def _lock(path: str, how: int) -> int:
    """Return a descriptor that holds the lock of directory *path*; -1 if it cannot be had."""
    name = os.path.join(path, _LOCK)
    try:
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return -1  # the directory is gone
    try:
        fcntl.flock(lock, how)
        there = os.stat(name)
        if os.path.samestat(there, os.fstat(lock)):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass  # somebody has it, or had it and removed it
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return -1


def _remove(path: str, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)
