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

"""A file that has its name when all of it is there, and leaves nothing however its writer ends.

Where the file system can (``O_TMPFILE``: ext4, XFS, Btrfs and tmpfs; not NFS), the file has no
name at all until then, so nothing is left of a process that is killed.  Two cases remain in which
it has one of its own for a while, beginning with ``PREFIX``: from its beginning on other file
systems, and for the moment between a link and a rename where it is to replace a file, since a
link cannot.  Who is killed there leaves that, and the next file written into the directory
removes it: whether its writer lives is told by a lock that the kernel lets go of with the process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import stat
import tempfile
from typing import Iterator, Tuple, Union

from nova_swift_handler import exceptions

LOG = logging.getLogger(__name__)

PREFIX, SUFFIX = ".swift_vhd-", ".part"


@contextlib.contextmanager
def written(path: str, force: bool = False) -> Iterator[int]:
    """Give the descriptor of a new file; it becomes *path* when the context is left well.

    At any moment *path* is what it was before, or the new file and all of it.  The file is its
    user's alone to read.

    :param force: replace a file that is there.
    :raises NameRefused: there is a file, or what is there is none.
    :raises TransferFailed: it cannot be written, also if the caller's block raises OSError.
    """
    check_free(path, force)
    directory = os.path.dirname(path) or "."
    try:
        remove_abandoned(directory)
        descriptor, staged = _open(directory)
        try:
            yield descriptor
            check_free(path, force)
            if not staged:
                staged = _link(descriptor, path, directory, force)
            if staged:
                os.replace(staged, path)
                staged = ""
        finally:
            if staged:
                os.unlink(staged)
            os.close(descriptor)
    except OSError as error:
        raise exceptions.TransferFailed(
            "%s cannot be written: %s; nothing of it is left"
            % (path, error.strerror or error)) from error


def check_free(path: str, force: bool) -> None:
    """Refuse a name that is not free.

    :param force: it may be that of a file.
    :raises NameRefused: it is not, or it is that of something else.
    """
    if not os.path.lexists(path):
        return
    if not os.path.isfile(path):
        raise exceptions.NameRefused("%s cannot be written: it is there, and no file; name a "
                                     "file" % path)
    if not force:
        raise exceptions.NameRefused("%s cannot be written: it is there; name another file, or "
                                     "say --force to replace it" % path)


def check_room(path: str, needed: int) -> None:
    """Refuse a file for which there is no room.

    :param needed: bytes that will be written.
    :raises TransferFailed: the file system has fewer.
    """
    free = shutil.disk_usage(os.path.dirname(path) or ".").free
    if needed > free:
        raise exceptions.TransferFailed(
            "%s cannot be written: it takes %d bytes, and there are %d free; make room, or name a "
            "file elsewhere" % (path, needed, free))


def write(descriptor: int, data: Union[bytes, memoryview], position: int) -> None:
    """Write all of *data* into a file at byte *position*."""
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.pwrite(descriptor, view[done:], position + done)


def remove_abandoned(directory: str) -> int:
    """Remove what killed writers of this user left in *directory*; return how many files."""
    removed = 0
    names = []
    with contextlib.suppress(PermissionError):  # who may write there need not be let to read
        names = os.listdir(directory)
    for path in (os.path.join(directory, name) for name in names
                 if name.startswith(PREFIX) and name.endswith(SUFFIX)):
        try:
            removed += _remove_abandoned(path)
        except OSError as error:
            LOG.warning("%s, which a killed process left, could not be removed: %s", path, error)
    return removed


def _remove_abandoned(path: str) -> bool:
    there = os.lstat(path)
    if not stat.S_ISREG(there.st_mode) or there.st_uid != os.geteuid():
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB) or not _is(path, descriptor):
            return False
        LOG.warning("Removing %s, which a killed process left", path)
        os.unlink(path)
        return True
    finally:
        os.close(descriptor)


def _open(directory: str) -> Tuple[int, str]:
    """Return a new file's descriptor, locked, and its name; an empty one if it has none."""
    descriptor = _open_nameless(directory)
    if descriptor >= 0:
        _lock(descriptor, fcntl.LOCK_EX)
        return descriptor, ""
    while True:
        descriptor, path = tempfile.mkstemp(SUFFIX, PREFIX, directory)
        # Until it is locked, another process may take it for an abandoned one.
        _lock(descriptor, fcntl.LOCK_EX)
        if _is(path, descriptor):
            return descriptor, path
        os.close(descriptor)


def _open_nameless(directory: str) -> int:
    """Return the descriptor of a file without a name; -1 if there cannot be one here."""
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError as error:
        # Kernels and file systems that do not know the flag take it for O_DIRECTORY.
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return -1
        raise
    if os.path.exists(_name_of(descriptor)):  # needed to give it a name
        return descriptor
    os.close(descriptor)
    return -1


def _link(descriptor: int, path: str, directory: str, force: bool) -> str:
    """Name a file that has no name *path*; or return its name if it is to replace a file."""
    try:
        _link_as(descriptor, path, directory)
        return ""
    except FileExistsError:
        check_free(path, force)
    while True:
        staged = tempfile.mktemp(  # noqa: S306  (linking takes no name that somebody else has)
            SUFFIX, PREFIX, directory)
        with contextlib.suppress(FileExistsError):
            _link_as(descriptor, staged, directory)
            return staged


def _link_as(descriptor: int, path: str, directory: str) -> None:
    # What /proc has is a symbolic link, and Python follows one only if it is given a directory.
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.link(_name_of(descriptor), path, src_dir_fd=place, follow_symlinks=True)
    finally:
        os.close(place)


def _name_of(descriptor: int) -> str:
    return "/proc/self/fd/%d" % descriptor


def _lock(descriptor: int, how: int) -> bool:
    """Lock a file; tell whether it could be: some file systems know no locks."""
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        return False
    return True


def _is(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
