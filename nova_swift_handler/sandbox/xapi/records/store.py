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

"""Where records rest: one SQLite file, every change written through at once."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Dict, Iterator, Tuple


class Store:
    """Keeps ``(class, ref) -> stored fields``.  Its user serialises the calls."""

    def __init__(self, path: str):
        """Open or make the file ``path``."""
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A killed process loses nothing; a power cut may, and this is a sandbox.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS records (class TEXT, ref TEXT, body TEXT,"
            " PRIMARY KEY (class, ref))")

    def load(self) -> Iterator[Tuple[str, str, Dict[str, Any]]]:
        """Yield class, ref and fields of every record, oldest first."""
        for cls, ref, body in self._db.execute(
                "SELECT class, ref, body FROM records ORDER BY rowid"):
            yield cls, ref, json.loads(body)

    def put(self, cls: str, ref: str, values: Dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO records (class, ref, body) VALUES (?, ?, ?)"
            " ON CONFLICT (class, ref) DO UPDATE SET body = excluded.body",
            (cls, ref, json.dumps(values)))

    def drop(self, cls: str, ref: str) -> None:
        self._db.execute("DELETE FROM records WHERE class = ? AND ref = ?", (cls, ref))

    def close(self) -> None:
        self._db.close()
