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

"""Swift's etags."""

from __future__ import annotations

import hashlib
import sys
from typing import Any


def md5(data: bytes) -> Any:
    """Return the running MD5 of *data*, which is what Swift's etags are."""
    # Swift's etags are MD5, and nothing here relies on them against an attacker; hosts in FIPS
    # mode want to be told so, which Python can be from 3.9 on.
    if sys.version_info >= (3, 9):
        return hashlib.md5(data, usedforsecurity=False)
    return hashlib.md5(data)  # noqa: S324
