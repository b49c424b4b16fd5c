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

"""``point.json``s that were read before, in a file on this machine.

They never change, and listings tell the MD5 of each: what is kept here is believed only where its
own is the same.  So who reads all points day after day reads the new ones alone.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from types import TracebackType
from typing import Any, Optional, Set, Type

from nova_swift_handler.store.account import Account, as_json
from nova_swift_handler.store.etag import md5

LOG = logging.getLogger(__name__)


class Remembered:
    """The file, a context; may be shared by threads.

    A file that cannot be used is told of, and left alone.  When the context is left, what was not
    asked for is forgotten.

    :param path: made if it is not there, for its user alone to read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._asked: Set[str] = set()
        self._file: Optional[sqlite3.Connection] = None

    def __enter__(self) -> Remembered:
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._file = sqlite3.connect(self._path, check_same_thread=False)
            self._file.execute("CREATE TABLE IF NOT EXISTS swift_vhd_points "
                               "(etag TEXT PRIMARY KEY, body BLOB NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self._file is None:
            return
        try:
            if kind is None:
                gone = {etag for etag, in self._file.execute("SELECT etag FROM swift_vhd_points")}
                self._file.executemany("DELETE FROM swift_vhd_points WHERE etag = ?",
                                       [(etag,) for etag in gone - self._asked])
            self._file.commit()
        except sqlite3.Error as failure:
            self._give_up(failure)
        else:
            self._file.close()

    def get_json(self, account: Account, container: str, name: str, etag: str) -> Any:
        """Return the value of an object that holds JSON and never changes.

        :param etag: its MD5, as the container lists it.
        :raises StoreError: as Account.get_json.
        """
        body = self._get(etag)
        if body is None:
            body = account.get(container, name)
            self._keep(body)
        return as_json(container, name, body)

    def _get(self, etag: str) -> Optional[bytes]:
        with self._lock:
            self._asked.add(etag)
            try:
                row = self._file and self._file.execute(
                    "SELECT body FROM swift_vhd_points WHERE etag = ?", (etag,)).fetchone()
                body = bytes(row[0]) if row else None
            except (sqlite3.Error, TypeError) as error:
                self._give_up(error)
                return None
        return body if body is not None and md5(body).hexdigest() == etag else None

    def _keep(self, body: bytes) -> None:
        etag = md5(body).hexdigest()
        with self._lock:
            self._asked.add(etag)
            try:
                if self._file is not None:
                    self._file.execute("INSERT OR REPLACE INTO swift_vhd_points VALUES (?, ?)",
                                       (etag, body))
            except sqlite3.Error as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        LOG.warning("Going on without the cache %s: %s", self._path, error)
        if self._file is not None:
            self._file.close()
            self._file = None
