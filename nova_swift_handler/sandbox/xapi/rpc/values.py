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

"""Types of the wire that Python has no type of its own for."""

from __future__ import annotations

import datetime

NULL = "OpaqueRef:NULL"


class DateTime(str):
    """A date as XAPI writes it, ``YYYYMMDDTHH:MM:SSZ``, always UTC."""

    __slots__ = ()


class Int32(int):
    """One of the few integers that travel as ``<i4>``; all others are 64 bits and text."""

    __slots__ = ()


EPOCH = DateTime("19700101T00:00:00Z")


def now() -> DateTime:
    moment = datetime.datetime.now(datetime.timezone.utc)
    return DateTime(moment.strftime("%Y%m%dT%H:%M:%SZ"))
