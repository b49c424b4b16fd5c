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

"""An ISO that is stored becomes a file."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import Callable, Mapping

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.files import newfile
from nova_swift_handler.store.account import Account

_PIECE = 1024 * 1024


def to_file(account: Account, container: str, values: Mapping[str, str], path: str, *,
            force: bool = False,
            progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Write an ISO into the file *path*; return its size in bytes.

    The file is there when all of it is proven and on the disk, and not before, see ``newfile``.

    :param values: its properties.
    :param force: replace a file that is there.
    :raises NameRefused: there is a file, or what is there is none.
    :raises TransferFailed: the file cannot be written.
    :raises StoreError: Swift did not deliver; StoreCorrupt if it delivered something else.
    """
    newfile.check_free(path, force)
    name = names.of_point(values["id"], names.ISO_VIEW)
    digest, done = hashlib.sha256(), 0
    with newfile.written(path, force) as descriptor, contextlib.closing(
            account.open(container, name)) as stream:
        newfile.check_room(path, stream.length)
        piece = stream.read(_PIECE)
        while piece:
            newfile.write(descriptor, piece, done)
            digest.update(piece)
            done += len(piece)
            progress(done, stream.length)
            piece = stream.read(_PIECE)
        check(values, done, digest.hexdigest(), "%s/%s" % (container, name))
        os.fsync(descriptor)
    return done


def check(values: Mapping[str, str], size: int, sha256: str, what: str) -> None:
    """Compare an ISO's bytes with what its properties say.

    :raises StoreCorrupt: they differ.
    """
    wanted = values.get("checksum", ""), values.get("size", "")
    if wanted != ("sha256:" + sha256, str(size)):
        raise exceptions.StoreCorrupt(
            "%s has %d bytes with the checksum sha256:%s, its properties say %s bytes and %s: one "
            "of the two was damaged or changed; store the ISO again" % (
                what, size, sha256, wanted[1] or "no", wanted[0] or "no checksum"))
