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

"""What a catalogue has that is not here, or not as it is there, and what to do about each."""

from __future__ import annotations

import dataclasses
from typing import Dict, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.glance import image as glance_image
from nova_swift_handler.images import steps
from nova_swift_handler.images.catalogue import Entry

PULL, REPLACE, ADOPT, REFUSE, LEAVE = "pull", "replace", "adopt", "refused", "left alone"

SOURCE, SOURCE_SHA256 = "source", "source_sha256"
"""Keys of ``<name>.properties``: the catalogue it is from, and the digest that had."""


@dataclasses.dataclass
class Step(steps.Step):
    """What is to be done about an entry.

    :ivar old: the properties of what has its name here.
    """

    entry: Optional[Entry] = None
    old: Optional[Dict[str, str]] = None


def plan(entry: Entry, known: Optional[Dict[str, str]], source: str,
         former: Optional[str]) -> Optional[Step]:
    """Return what is to be done about *entry*; None if nothing is.

    :param known: the properties of what has its name here.
    :param source: the catalogue.
    :param former: where the same catalogue was before.
    """
    step = Step(PULL, entry.name, "", "there is none of this name here", entry=entry, old=known)
    if known is None:
        return step
    step.id = known.get("id", "")
    if SOURCE not in known or known[SOURCE] not in (source, former):
        step.action, step.why = REFUSE, "the name is taken by something else"
        step.error = exceptions.NameRefused(
            "%s %r is not taken from %s: what is called so here is %s; rename that (`swift-vhd %s "
            "set --name`) or delete it%s" % (
                entry.kind, entry.name, source, "from " + known[SOURCE] if SOURCE in known
                else "this cloud's own", entry.kind, ", or, if that is the same catalogue at its "
                "former address, say --moved-from" if SOURCE in known else ""))
        return step
    if known.get(SOURCE_SHA256) == entry.sha256:
        if known[SOURCE] == source:
            return None
        step.action, step.why = ADOPT, "taken from there when it was elsewhere"
        return step
    step.action, step.why = REPLACE, "the catalogue has another version"
    return step


def check_properties(entry: Entry) -> None:
    """Refuse properties that would be something else of an image.

    :raises CatalogueInvalid: one would.
    """
    wrong = [key for key in entry.attributes.properties
             if key in glance_image.BASE or key.startswith("os_glance")]
    if wrong:
        raise exceptions.CatalogueInvalid(
            "the catalogue's entry %r sets %s, which is no property of one's own choice"
            % (entry.name, ", ".join(repr(key) for key in sorted(wrong))))

