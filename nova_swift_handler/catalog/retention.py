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

"""Which points of a volume to keep: pure, no I/O.

Rules as those of other backup tools: the newest so many, and of the newest so many days, weeks
and months that have points at all the newest point each.  A point that any rule wants is kept.
Days, weeks (ISO 8601, from Monday) and months are those of UTC.

A point whose image was deleted, or is not active (yet), takes no other one's place: nobody can
restore it from Glance, and it may be gone in a moment.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from nova_swift_handler import exceptions


class Dated(NamedTuple):
    """A point as the rules see it.

    :ivar volume: points of different volumes do not count for each other.
    :ivar stored: when it was stored, by the cluster's clock, in UTC.
    :ivar sequence: its number in the volume, which decides between equal times.
    """

    image_id: str
    volume: str
    stored: datetime.datetime
    sequence: int


class Known(NamedTuple):
    """What Glance says of a point's image.

    :ivar visibility: ``private``, ``shared``, ``community`` or ``public``.
    :ivar status: ``active``, ``queued`` and so on.
    """

    protected: bool
    visibility: str
    status: str = "active"

    @property
    def complete(self) -> bool:
        """Whether it has its bytes, and will not lose them by itself."""
        return self.status in ("active", "deactivated")


@dataclasses.dataclass(frozen=True)
class Policy:
    """How many points to keep; 0 is a rule that keeps none.

    :raises ConfigError: there is no rule, so nothing would be kept, or one is negative.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    def __post_init__(self) -> None:
        rules = dataclasses.astuple(self)
        if min(rules) < 0 or not any(rules):
            raise exceptions.ConfigError(
                "a policy must keep something: give at least one of --keep-last, --keep-daily, "
                "--keep-weekly and --keep-monthly, none of them below 0")


class Verdict(NamedTuple):
    """What is to become of a point.

    :ivar why: the rules that keep it, or what else does; for one that goes, why it may.
    """

    point: Dated
    keep: bool
    why: str


def kept(points: Iterable[Dated], policy: Policy) -> Dict[str, List[str]]:
    """Return the image ids of the points of *one* volume that *policy* keeps, and the rules."""
    rules: List[Tuple[str, int, Callable[[Dated], Any]]] = [
        ("last", policy.last, lambda point: point.image_id),
        ("daily", policy.daily, lambda point: point.stored.date()),
        ("weekly", policy.weekly, lambda point: tuple(point.stored.isocalendar())[:2]),
        ("monthly", policy.monthly, lambda point: (point.stored.year, point.stored.month)),
    ]
    newest_first = sorted(points, key=lambda point: (
        point.stored, point.sequence, point.image_id), reverse=True)
    result: Dict[str, List[str]] = {}
    for rule, count, period in rules:
        seen: Set[Any] = set()
        for point in newest_first:
            if len(seen) < count and period(point) not in seen:
                seen.add(period(point))
                result.setdefault(point.image_id, []).append(rule)
    return result


def plan(points: Iterable[Dated], policy: Policy, images: Mapping[str, Optional[Known]],
         with_images: bool) -> List[Verdict]:
    """Return what is to become of each point, volume by volume, newest first.

    :param images: what Glance says of each image; None of one that it has no more.  One that is
        not among them is kept: it is not known.
    :param with_images: whether points may go whose image Glance still has.  Of these, protected
        images and those that others than the owner may see stay all the same.
    """
    volumes: Dict[str, List[Dated]] = {}
    for point in points:
        volumes.setdefault(point.volume, []).append(point)
    result = []
    for volume in sorted(volumes):
        wanted = kept(volumes[volume], policy)
        for image_id, rules in kept([point for point in volumes[volume]
                                     if _counts(point.image_id, images)], policy).items():
            wanted.setdefault(image_id, rules)
        for point in sorted(volumes[volume], key=lambda point: (
                point.stored, point.sequence, point.image_id), reverse=True):
            if point.image_id in wanted:
                result.append(Verdict(point, True, ", ".join(wanted[point.image_id])))
            else:
                reason = _held(point.image_id, images, with_images)
                result.append(Verdict(point, bool(reason), reason or "no rule keeps it"))
    return result


def _counts(image_id: str, images: Mapping[str, Optional[Known]]) -> bool:
    """Tell whether a point may take another's place; one whose image is not known may."""
    if image_id not in images:
        return True
    image = images[image_id]
    return image is not None and image.complete


def _held(image_id: str, images: Mapping[str, Optional[Known]], with_images: bool) -> str:
    if image_id not in images:
        return "what Glance says of its image is not known"
    image = images[image_id]
    if image is None:
        return ""
    if not image.complete:
        return "its image is not active but %s" % image.status
    if image.protected:
        return "its image is protected"
    if image.visibility != "private":
        return "its image is not private but %s" % image.visibility
    return "" if with_images else "Glance still has its image"
