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

"""A check, what it finds, and how all of them are made."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, NamedTuple, Sequence

from nova_swift_handler import exceptions

if TYPE_CHECKING:
    from nova_swift_handler.doctor.site import Site

LOG = logging.getLogger(__name__)

OK = "ok"
WARNING = "warning"
WRONG = "wrong"
NOT_CHECKED = "not checked"
STATES = (OK, WARNING, WRONG, NOT_CHECKED)


class Finding(NamedTuple):
    """One line.

    :ivar state: one of :data:`STATES`.
    :ivar what: what was looked at.
    :ivar found: what there is to say of it.
    :ivar mend: the command or the line of configuration that puts it right; empty if nothing is
        to be done.
    """

    state: str
    what: str
    found: str
    mend: str = ""


class Row(NamedTuple):
    """A finding and the part of the installation it is about."""

    area: str
    finding: Finding


@dataclasses.dataclass(frozen=True)
class Check:
    """Something to look at.

    :ivar area: the part of the installation.
    :ivar what: what is looked at, for the line that says that it could not be.
    :ivar look: gives what it finds, one or more; what it raises means that it could not look.
    :ivar writes: whether it tries things out, with objects that it removes again.
    """

    area: str
    what: str
    look: Callable[[Site], Iterable[Finding]]
    writes: bool = False


def examine(site: Site, checks: Sequence[Check], read_only: bool = False) -> Iterator[Row]:
    """Make all *checks*, whatever becomes of each; yield what they find.

    :param read_only: leave those out that write.
    """
    for check in checks:
        if check.writes and read_only:
            yield Row(check.area, Finding(
                NOT_CHECKED, check.what, "it takes writing, and --read-only was said"))
            continue
        try:
            for finding in check.look(site):
                yield Row(check.area, finding)
        except exceptions.SwiftVhdError as error:
            yield Row(check.area, Finding(NOT_CHECKED, check.what, str(error)))
        except Exception as error:
            LOG.debug("The check of %s failed", check.what, exc_info=True)
            yield Row(check.area, Finding(
                NOT_CHECKED, check.what, "unexpected %s: %s" % (type(error).__name__, error),
                "swift-vhd --debug doctor shows where"))
