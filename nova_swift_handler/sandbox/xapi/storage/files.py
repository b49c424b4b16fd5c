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

"""Positioned file I/O that is whole or fails with the error XAPI would report."""

from __future__ import annotations

import os

from nova_swift_handler.sandbox.xapi.storage import errors


def open_file(path: str, create: bool = False) -> int:
    """Return a descriptor for reading and writing."""
    flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
    if create:
        flags |= os.O_CREAT | os.O_TRUNC
    return os.open(path, flags, 0o600)


def read(fd: int, length: int, offset: int) -> bytes:
    """Return exactly ``length`` bytes at ``offset``."""
    try:
        data = os.pread(fd, length, offset)
        if len(data) == length:
            return data
        pieces = [data]
        done = len(data)
        while done < length:
            data = os.pread(fd, length - done, offset + done)
            if not data:
                raise errors.io_error()
            pieces.append(data)
            done += len(data)
        return b"".join(pieces)
    except OSError as exc:
        raise errors.io_error() from exc


def write(fd: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset``; a full host disk is VDI_IO_ERROR too."""
    try:
        done = os.pwrite(fd, data, offset)
        while done < len(data):
            done += os.pwrite(fd, memoryview(data)[done:], offset + done)
    except OSError as exc:
        raise errors.io_error() from exc
