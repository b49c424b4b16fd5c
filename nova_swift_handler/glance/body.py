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

"""Bytes on their way into Glance, counted and hashed so that they can be compared there."""

from __future__ import annotations

import abc
import hashlib
from typing import Any, BinaryIO, Iterator, Optional

from nova_swift_handler import exceptions

_CHUNK = 1 << 20


class Body(abc.ABC):
    """What an upload sends, made while it is iterated over; nothing is staged.  One pass only.

    :ivar sent: bytes yielded so far.
    :ivar failure: what went wrong with the source, if anything did; also raised.
    """

    def __init__(self, source: BinaryIO, length: int) -> None:
        """Wrap *source*, from which exactly *length* bytes can be read."""
        self.sent = 0
        self.failure: Optional[BaseException] = None
        self._source = source
        self._length = length
        try:
            self._md5: Any = hashlib.md5()  # noqa: S324  (what Glance calls checksum)
        except ValueError:  # pragma: no cover  (FIPS)
            self._md5 = None

    @property
    def md5(self) -> Optional[str]:
        """The md5 of what was yielded, as Glance's checksum; None where Python refuses md5."""
        return self._md5.hexdigest() if self._md5 is not None else None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces():
                self.sent += len(piece)
                if self._md5 is not None:
                    self._md5.update(piece)
                yield piece
        except GeneratorExit:
            raise
        except BaseException as exc:
            self.failure = exc
            raise

    @abc.abstractmethod
    def _pieces(self) -> Iterator[bytes]:
        """Yield what is to be sent."""

    def _read(self) -> Iterator[bytes]:
        """Yield the source's bytes, all of them."""
        left = self._length
        while left:
            piece = self._source.read(min(left, _CHUNK))
            if not piece:
                raise exceptions.StoreCorrupt(
                    f"Sending a disk to Glance: it ended {left} bytes short of {self._length}.")
            left -= len(piece)
            yield piece


class Plain(Body):
    """The bytes as they are."""

    def _pieces(self) -> Iterator[bytes]:
        return self._read()
