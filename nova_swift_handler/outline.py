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

"""Draw a forest as indented lines; for points in Swift and for VHDs on an SR alike."""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, Optional, Tuple, TypeVar

T = TypeVar("T")


def outline(below: Dict[Optional[str], List[T]],
            name: Callable[[T], str]) -> Iterator[Tuple[T, str, int]]:
    """Yield each node behind its parent, with what is drawn in front of it, and its depth from 0.

    What leads in a circle is drawn once, or not at all if no root leads there.

    :param below: the nodes below each by the parent's name; those below None are the roots.
    :param name: the name of a node.
    """
    left = {parent: list(nodes) for parent, nodes in below.items()}
    # By a list and not by recursion: chains are longer than Python's stack.
    waiting: List[Tuple[T, bool, str, int]] = []

    def wait(parent: Optional[str], lead: str, depth: int) -> None:
        children = left.pop(parent, [])
        waiting.extend((node, not number, lead, depth)
                       for number, node in enumerate(reversed(children)))

    wait(None, "", 0)
    while waiting:
        node, last, lead, depth = waiting.pop()
        branch = "" if not depth else "`- " if last else "|- "
        yield node, lead + branch, depth
        wait(name(node), lead + ("" if not depth else "   " if last else "|  "), depth + 1)
