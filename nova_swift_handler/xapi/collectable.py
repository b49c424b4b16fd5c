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

"""What an SR's garbage collector can still do, from its records alone.

After SM's ``cleanup.py``: it deletes base copies that nothing needs, merges a base copy into its
parent where it is the parent's only child, and a disk or snapshot into its parent likewise
(leaf-coalesce).  A parent of two is never merged: it is what a kept snapshot or clone rests on.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from nova_swift_handler.xapi import repository, tree

PRUNE = "delete"
MERGE = "merge"
LEAF = "leaf-coalesce"

_SWITCHES = ("gc", "coalesce")


class Work(NamedTuple):
    """A VHD that the collector can remove.

    :ivar action: :data:`PRUNE`, :data:`MERGE` or :data:`LEAF`.
    :ivar vdi: the VHD that goes: what is merged, or for a leaf, what takes its uuid.
    :ivar into: uuid of the parent that gets its data; None where it is only deleted.
    :ivar hindrance: why it will not be done as things are, and what to do; None if it will.
    """

    action: str
    vdi: tree.Vdi
    into: Optional[str]
    hindrance: Optional[str]

    @property
    def vanishing(self) -> str:
        """The uuid that will be gone: a leaf's data live on under its own."""
        return self.into if self.action == LEAF and self.into else self.vdi.uuid


def switched_off(where: repository.Repository) -> Optional[str]:
    """Tell how an SR's collector is switched off as a whole; None if it is not."""
    for switch in _SWITCHES:
        if where.other_config.get(switch) == "false":
            return (f"the SR's garbage collector is switched off (other_config {switch}=false);"
                    f" xe sr-param-remove uuid={where.uuid} param-name=other-config"
                    f" param-key={switch} switches it on")
    return None


def work(forest: tree.Forest, where: repository.Repository) -> List[Work]:
    """Return what is left to do now; when it is done, more may come within reach."""
    off = switched_off(where)
    found = []
    for vdi in sorted(forest.vdis.values(), key=lambda each: each.uuid):
        only = vdi.parent in forest.vdis and len(forest.children(str(vdi.parent))) == 1
        if not vdi.managed and not any(each.managed for each in forest.below(vdi.uuid)):
            found.append(Work(PRUNE, vdi, None, off))
        elif vdi.raw or not only:
            continue
        elif not vdi.managed:
            found.append(Work(MERGE, vdi, vdi.parent, off or _room(vdi)))
        elif not forest.children(vdi.uuid) and not vdi.fixed:
            found.append(Work(LEAF, vdi, vdi.parent, off or _leaf(vdi, where) or _room(vdi)))
    return found


def _leaf(vdi: tree.Vdi, where: repository.Repository) -> Optional[str]:
    if where.other_config.get("leaf-coalesce") == "false":
        return ("leaf-coalescing is switched off for the SR (other_config leaf-coalesce=false);"
                f" xe sr-param-remove uuid={where.uuid} param-name=other-config"
                " param-key=leaf-coalesce switches it on")
    if vdi.other_config.get("leaf-coalesce") == "false":
        return ("leaf-coalescing is switched off for it (other_config leaf-coalesce=false);"
                f" xe vdi-param-remove uuid={vdi.uuid} param-name=other-config"
                " param-key=leaf-coalesce switches it on")
    return None


def _room(vdi: tree.Vdi) -> Optional[str]:
    if vdi.no_space:
        return ("the SR has no room to coalesce it (sm_config gc_no_space); free or add space on"
                " the SR, e.g. delete snapshots, then coalesce again")
    return None
