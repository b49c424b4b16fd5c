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

"""Let a command that is told to end (SIGTERM) take back what it has begun."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType
from typing import Iterator, Optional

from nova_swift_handler.cli import exit_codes


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise SystemExit where the program is when it is told to end; of the main thread only."""
    def end(_number: int, _frame: Optional[FrameType]) -> None:
        raise SystemExit(exit_codes.TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
