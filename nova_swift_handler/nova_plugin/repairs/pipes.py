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

"""The pipes between the green threads of os_xenapi's image streams.

They are unbuffered, so a read returns what happens to be in the pipe.  ``tarfile``, which reads
the VHD from one of them, takes a short read for the end of the data; its error dies in a green
thread, and what was written until then is delivered to Glance as a complete image, or the stream
never ends.  (Writes are complete: eventlet's raw files repeat them.)
"""

from __future__ import annotations

from typing import Any, Callable, Tuple

NAME = "pipes of vdi_remote_stream"
_MARK = "_nova_swift_handler"
_TURNS = 20
"""Turns of eventlet's loop; enough for a read that does not wait to have returned."""


class _Switch:
    """Whether to repair; asked for every pipe, since the configuration may be parsed later."""

    wanted: Callable[[], bool] = staticmethod(lambda: True)


def only_if(wanted: Callable[[], bool]) -> None:
    """Let *wanted* decide, each time a pipe is made, whether it is a repaired one."""
    _Switch.wanted = staticmethod(wanted)


class FullReads:
    """A pipe's reading end whose ``read`` returns all that was asked for, short at the end only.

    Everything else is the pipe's own.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        """Return *size* bytes, fewer at the end of the data only; all there are if negative."""
        pieces = []
        left = size
        while left != 0:
            piece = self._raw.read(left)
            if not piece:
                break
            pieces.append(piece)
            if size > 0:
                left -= len(piece)
        return b"".join(pieces)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def is_broken() -> bool:
    """Ask a pipe for more than is in it, and see whether it waits for the rest."""
    import eventlet
    from os_xenapi.client import utils

    if _is_ours(utils.create_pipe):
        return False
    reader, writer = utils.create_pipe()
    try:
        writer.write(b"ab")
        reading = eventlet.spawn(reader.read, 4)
        for _turn in range(_TURNS):
            eventlet.sleep(0)
        writer.write(b"cd")
        writer.close()
        return bool(reading.wait() != b"abcd")
    finally:
        reader.close()


def apply() -> None:
    """Wrap the function that makes the pipes."""
    from os_xenapi.client import utils

    utils.create_pipe = _repaired(utils.create_pipe)


def in_force() -> bool:
    """Return whether pipes made from now on are repaired."""
    from os_xenapi.client import utils

    return _is_ours(utils.create_pipe) and _Switch.wanted()


def _is_ours(function: Any) -> bool:
    return getattr(function, _MARK, False)


def _repaired(original: Callable[[], Tuple[Any, Any]]) -> Callable[[], Tuple[Any, Any]]:
    def create_pipe() -> Tuple[Any, Any]:
        reader, writer = original()
        return (FullReads(reader) if _Switch.wanted() else reader), writer

    setattr(create_pipe, _MARK, True)
    return create_pipe
