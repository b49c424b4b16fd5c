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

"""Let threads that share a SQLite database wait for one another instead of failing.

A transaction that reads first and writes then, as Keystone's login and much of Glance do, cannot
be granted the write when another one was faster: SQLite says "database is locked" at once, however
long it may wait.  If each asks for the right to write when it begins, it waits its turn.
"""

from __future__ import annotations

import functools
import sqlite3
from typing import Any


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, *args: Any) -> Any:
        # oslo.db emits this itself (oslo_db/sqlalchemy/engines.py).
        return super().execute("BEGIN IMMEDIATE" if sql == "BEGIN" else sql, *args)


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


def install() -> None:
    """Make all connections of this process wait; their ``timeout`` says how long."""
    connect = functools.partial(sqlite3.connect, factory=_Connection)
    for module in (sqlite3, sqlite3.dbapi2):
        module.connect = connect  # type: ignore[attr-defined]
