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

"""What a command that brings one place in step with another is going to do, and what came of it.
"""

from __future__ import annotations

import dataclasses
import logging
from concurrent import futures
from typing import Callable, List, Optional, Sequence, TypeVar

from nova_swift_handler import exceptions

LOG = logging.getLogger(__name__)

_WORKERS = 4


@dataclasses.dataclass
class Step:
    """One thing that is to be done, or that cannot.

    :ivar action: what is done, in a word or two.
    :ivar name: of the template or ISO.
    :ivar id: of its image, or of the VDI.
    :ivar why: why it is done, or what came of it.
    :ivar error: why it cannot be done, or failed.
    """

    action: str
    name: str
    id: str
    why: str
    error: Optional[exceptions.SwiftVhdError] = None


S = TypeVar("S", bound=Step)


def carry_out(steps: Sequence[S], act: Callable[[S], None],
              progress: Callable[[int, int], None] = lambda done, total: None,
              workers: int = _WORKERS) -> None:
    """Do *act* with each step that has no error yet; what fails is noted, and the rest is done.

    When this is interrupted, what has begun is brought to its end, and nothing else begun.

    :param act: called in threads, so many at a time; by the caller's own if only one.
    :param progress: called with how many steps are done, and how many there are.
    """
    todo = [step for step in steps if step.error is None]

    def once(step: S) -> None:
        try:
            act(step)
        except exceptions.SwiftVhdError as error:
            LOG.debug("%s %s", step.action, step.name, exc_info=error)
            step.error = error

    if workers == 1:
        for done, step in enumerate(todo, 1):
            once(step)
            progress(done, len(todo))
        return
    with futures.ThreadPoolExecutor(workers) as pool:
        begun = [pool.submit(once, step) for step in todo]
        try:
            for done, future in enumerate(futures.as_completed(begun), 1):
                future.result()
                progress(done, len(todo))
        finally:
            for future in begun:
                future.cancel()


def failures(steps: Sequence[S]) -> List[exceptions.SwiftVhdError]:
    """Return the errors among *steps*."""
    return [step.error for step in steps if step.error is not None]
