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

"""The garbage collector of SM (cleanup.py), one action a step.

In order: prune hidden nodes without visible descendants; merge one hidden node that is its
parent's only child into the parent, tallest tree first; merge one leaf that is its parent's only
child into the parent, which takes the leaf's uuid.  A leaf of 20 MiB and more gets an internal
snapshot first, so that the bulk is merged while the disk is in use.  (SM also allows larger
leaves by the storage speed it has measured; that is left out, so that steps repeat exactly.)

Data are merged block by block under the shared lock: the child still hides what changes in the
parent, and nobody else looks at the parent.  Relinking and the merge of a leaf own the structure,
as SM pauses the tapdisk for them.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Dict, FrozenSet, Mapping, Optional, Set
from uuid import uuid4

from nova_swift_handler.sandbox.xapi.storage import bitmap, sizes, snapshot
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, GcAction, StorageError
from nova_swift_handler.sandbox.xapi.storage.repository import Entry
from nova_swift_handler.sandbox.xapi.storage.vhdfile import VhdFile

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.storage.vhdsr import VhdRepository

#: VDI.LIVE_LEAF_COALESCE_MAX_SIZE
LIVE_MAX = 20 * sizes.MIB
#: CoalesceTracker.MAX_ITERATIONS
MAX_INTERNAL_SNAPSHOTS = 20
NO_SPACE = {"gc_no_space": "true"}


class Collector:
    """Collects one SR.  Steps of several threads take turns."""

    def __init__(self, repo: VhdRepository) -> None:
        self._repo = repo
        self._turn = threading.Lock()
        self._failed: Set[str] = set()
        self._internal: Dict[str, int] = {}

    def step(
        self, leaf_coalesce: Mapping[str, str], attached: FrozenSet[str]
    ) -> Optional[GcAction]:
        """Do one action; see StorageRepository.gc_step."""
        with self._turn:
            while True:
                failed = len(self._failed)
                action = (self._prune() or self._coalesce()
                          or self._leaf_coalesce(leaf_coalesce, attached))
                if action is not None:
                    return action
                if len(self._failed) == failed:
                    self._failed.clear()
                    self._internal.clear()
                    return None

    # -- prune --------------------------------------------------------------------------------

    def _prune(self) -> Optional[GcAction]:
        repo = self._repo
        with repo.structure():
            for entry in list(repo.entries.values()):
                if entry.hidden and not repo.children(entry.uuid) and not entry.attached:
                    repo.forget(entry)
                    return GcAction("prune", entry.uuid, entry.parent, [entry.uuid], [])
        return None

    # -- coalesce -----------------------------------------------------------------------------

    def _coalesce(self) -> Optional[GcAction]:
        repo = self._repo
        with repo.structure():
            node = self._pick()
            if node is None or node.parent is None:
                return None
            parent = repo.entries[node.parent]
            try:
                repo.before_coalesce(node, parent)
                self._widen(node, parent)
            except StorageError:
                self._give_up(node, parent)
                return None
            blocks = repo.image(node.uuid).allocated()
        try:
            for block in blocks:
                with repo.lock.shared():
                    self._merge_block(node, parent, block)
        except StorageError:
            with repo.structure():
                self._give_up(node, parent)
            return None
        with repo.structure():
            return self._relink(node, parent)

    def _give_up(self, node: Entry, parent: Entry) -> None:
        """Leave the parent as it is: its child still hides what was merged."""
        self._failed.add(node.uuid)
        self._repo.after_coalesce(parent)

    def _pick(self) -> Optional[Entry]:
        """Return the node to merge next: in the tallest tree, if there is space."""
        repo = self._repo
        candidates = [
            entry for entry in repo.entries.values()
            if entry.hidden and entry.uuid not in self._failed and not entry.attached
            and self._only_child(entry) and repo.children(entry.uuid)]
        candidates.sort(key=lambda entry: -self._tree_height(entry))
        for entry in candidates:
            assert entry.parent is not None
            if repo.coalesce_cost(entry, repo.entries[entry.parent]) <= repo.free:
                repo.marks.pop(entry.uuid, None)
                return entry
            repo.marks[entry.uuid] = dict(NO_SPACE)
        return None

    def _only_child(self, entry: Entry) -> bool:
        repo = self._repo
        return (entry.parent is not None and entry.parent in repo.entries
                and not repo.entries[entry.parent].attached
                and len(repo.children(entry.parent)) == 1)

    def _tree_height(self, entry: Entry) -> int:
        return self._height(self._repo.lineage(entry.uuid)[-1])

    def _height(self, entry: Entry) -> int:
        return 1 + max(map(self._height, self._repo.children(entry.uuid)), default=0)

    def _widen(self, child: Entry, parent: Entry) -> None:
        """Make the parent as large as the child."""
        if parent.virtual_size < child.virtual_size:
            self._repo.image(parent.uuid).set_size(child.virtual_size)
            parent.virtual_size = child.virtual_size

    def _merge_block(self, child: Entry, parent: Entry, block: int) -> None:
        """Write the child's written sectors of one block to the parent; the lock is held."""
        above, below = self._repo.image(child.uuid), self._repo.image(parent.uuid)
        for first, end in bitmap.runs(above.written(block)):
            below.write(block, first, above.read(block, first, end))

    def _relink(self, node: Entry, parent: Entry) -> Optional[GcAction]:
        repo = self._repo
        repo.after_coalesce(parent)
        children = repo.children(node.uuid)
        identity = repo.image(parent.uuid).identity()
        for child in children:
            repo.image(child.uuid).set_parent(identity)
            child.parent = parent.uuid
        repo.forget(node)
        return GcAction("coalesce", node.uuid, parent.uuid, [node.uuid],
                        [child.uuid for child in children])

    # -- leaf-coalesce ------------------------------------------------------------------------

    def _leaf_coalesce(
        self, switches: Mapping[str, str], attached: FrozenSet[str]
    ) -> Optional[GcAction]:
        repo = self._repo
        with repo.structure():
            leaf = self._pick_leaf(switches)
            if leaf is None or leaf.parent is None:
                return None
            parent = repo.entries[leaf.parent]
            try:
                if self._live(leaf, switches):
                    return self._merge_leaf(leaf, parent, leaf.uuid in attached)
                return self._internal_snapshot(leaf, leaf.uuid in attached)
            except StorageError:
                self._failed.add(leaf.uuid)
                repo.after_coalesce(parent)
                return None

    def _live(self, leaf: Entry, switches: Mapping[str, str]) -> bool:
        if switches.get(leaf.uuid) == "force":
            return True
        return len(self._repo.image(leaf.uuid).allocated()) * BLOCK < LIVE_MAX

    def _pick_leaf(self, switches: Mapping[str, str]) -> Optional[Entry]:
        repo = self._repo
        for entry in list(repo.entries.values()):
            if (entry.hidden or entry.uuid in self._failed or repo.children(entry.uuid)
                    or not self._only_child(entry) or switches.get(entry.uuid) == "false"):
                continue
            assert entry.parent is not None
            parent = repo.entries[entry.parent]
            needed = repo.snapshot_coalesce_cost(entry, parent)
            if needed > repo.free and self._live(entry, switches):
                needed = repo.leaf_coalesce_cost(entry, parent)
            if needed <= repo.free:
                repo.marks.pop(entry.uuid, None)
                return entry
            repo.marks[entry.uuid] = dict(NO_SPACE)
        return None

    def _internal_snapshot(self, leaf: Entry, attached: bool) -> Optional[GcAction]:
        rounds = self._internal.get(leaf.uuid, 0) + 1
        self._internal[leaf.uuid] = rounds
        if rounds > MAX_INTERNAL_SNAPSHOTS:
            self._failed.add(leaf.uuid)
            return None
        base = str(uuid4())
        snapshot.double(self._repo, leaf.uuid, None, base, None, attached)
        return GcAction("snapshot", leaf.uuid, base, [], [leaf.uuid])

    def _merge_leaf(self, leaf: Entry, parent: Entry, attached: bool) -> GcAction:
        repo = self._repo
        repo.before_leaf_coalesce(leaf, parent)
        repo.write_journal({
            "operation": "leaf-coalesce", "leaf": leaf.uuid, "parent": parent.uuid})
        try:
            self._widen(leaf, parent)
            for block in repo.image(leaf.uuid).allocated():
                self._merge_block(leaf, parent, block)
        except StorageError:
            repo.write_journal(None)
            repo.grow_again(leaf)
            raise
        repo.image(parent.uuid).set_hidden(False)
        repo.drop_image(leaf.uuid)
        repo.drop_image(parent.uuid)
        repo.rename(parent.name, leaf.name)
        del repo.entries[parent.uuid]
        repo.records.pop(parent.uuid, None)
        repo.marks.pop(parent.uuid, None)
        leaf.parent = parent.parent
        leaf.utilisation = os.stat(repo.path(leaf.name)).st_size
        repo.write_journal(None)
        repo.after_leaf_coalesce(leaf, attached or leaf.writers > 0)
        self._internal.pop(leaf.uuid, None)
        return GcAction("leaf-coalesce", leaf.uuid, parent.uuid, [parent.uuid], [leaf.uuid])


def undo(repo: VhdRepository, journal: Mapping[str, str]) -> None:
    """Finish or undo a leaf merge a killed process left: the leaf still hides what was merged."""
    path = repo.path(repo.file_name(journal["parent"]))
    if os.path.exists(path):
        image = VhdFile(path, repo.fixed)
        image.set_hidden(True)
        image.close()
