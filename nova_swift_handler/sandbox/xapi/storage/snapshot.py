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

"""Snapshots and clones as SM makes them (FileVDI._snapshot, LVHDVDI._snapshot).

The leaf's file becomes the hidden base copy under a new uuid; two empty differencing files take
its place: one with the leaf's old uuid, one for the new disk.  Children hang on the first VHD up
the chain that is not both differencing and empty (vhd-util-snapshot.c), so an untouched leaf
leaves no base copy behind.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from nova_swift_handler.sandbox.xapi.storage import errors, sizes
from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from nova_swift_handler.sandbox.xapi.storage.layout import Parent
from nova_swift_handler.sandbox.xapi.storage.repository import Entry
from nova_swift_handler.sandbox.xapi.storage.vhdfile import VhdFile

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.storage.vhdsr import VhdRepository


def double(
    repo: VhdRepository, uuid: str, new_uuid: Optional[str], base_uuid: str,
    clone: Optional[bool], attached: bool,
) -> List[str]:
    """Snapshot ``uuid``; return the uuids made or changed.  The structure is owned.

    ``new_uuid`` and ``clone`` None: SM's "internal" snapshot, which makes no new disk.
    """
    leaf = repo.entry(uuid)
    _check(repo, leaf, [new_uuid, base_uuid], clone)
    lengths = repo.snapshot_lengths(leaf, clone, attached or leaf.attached)
    target = _target(repo, leaf)
    keep_base = target is leaf
    image = repo.image(target.uuid)
    parent = image.identity()
    if keep_base:
        parent = Parent(repo.file_name(base_uuid), parent.uuid, parent.time)
    repo.shrink(leaf)
    used_before = os.stat(repo.path(leaf.name)).st_size
    repo.write_journal({
        "operation": "snapshot", "leaf": uuid, "base": base_uuid, "new": new_uuid or ""})
    fresh = leaf.name + ".fresh"
    made = []
    try:
        if new_uuid is not None:
            _make(repo, repo.file_name(new_uuid), leaf, lengths[1], parent)
            made.append(repo.file_name(new_uuid))
        _make(repo, fresh, leaf, lengths[0], parent)
    except StorageError as exc:
        for name in made:
            repo.reserve(-os.stat(repo.path(name)).st_size)
            os.unlink(repo.path(name))
        repo.write_journal(None)
        repo.grow_again(leaf)
        raise errors.backend_failure(81, "VDI clone failed error 28") from exc
    repo.drop_image(uuid)
    if keep_base:
        repo.rename(leaf.name, repo.file_name(base_uuid))
    repo.rename(fresh, leaf.name)
    return _record(repo, leaf, target, new_uuid, base_uuid, clone, used_before)


def _check(
    repo: VhdRepository, leaf: Entry, new: List[Optional[str]], clone: Optional[bool]
) -> None:
    if leaf.raw:
        raise StorageError("NOT_IMPLEMENTED", ["VDI.clone" if clone else "VDI.snapshot"])
    if leaf.hidden:
        raise errors.backend_failure(82, "hidden VDI")
    if any(uuid in repo.entries for uuid in new):
        raise errors.backend_failure(43)
    if len(repo.lineage(leaf.uuid)) >= sizes.MAX_CHAIN:
        raise errors.backend_failure(109)


def _target(repo: VhdRepository, leaf: Entry) -> Entry:
    """Return the node the children will hang on."""
    for entry in repo.lineage(leaf.uuid):
        image = repo.image(entry.uuid)
        if not (image.differencing and image.empty):
            return entry
    raise errors.backend_failure(46, "no root")


def _make(
    repo: VhdRepository, name: str, leaf: Entry, volume: Optional[int], parent: Parent
) -> None:
    repo.make_vhd(name, leaf.virtual_size, volume, parent)


def _record(
    repo: VhdRepository, leaf: Entry, target: Entry, new_uuid: Optional[str], base_uuid: str,
    clone: Optional[bool], used_before: int,
) -> List[str]:
    """Bring entries and records in line with the files."""
    made = [leaf.uuid]
    if target is leaf:
        name = repo.file_name(base_uuid)
        base = Entry(base_uuid, name, False, leaf.virtual_size, used_before, leaf.parent)
        repo.entries[base_uuid] = base
        repo.image(base_uuid).set_hidden(True)
        base.hidden = True
        leaf.parent = base_uuid
        made.append(base_uuid)
    else:
        leaf.parent = target.uuid
    if repo.fixed:
        leaf.utilisation = os.stat(repo.path(leaf.name)).st_size
    if new_uuid is not None:
        name = repo.file_name(new_uuid)
        length = os.stat(repo.path(name)).st_size
        # FileVDI reports the size of the file it found, not of the one it made
        new = Entry(new_uuid, name, False, leaf.virtual_size,
                    length if repo.fixed else used_before, leaf.parent)
        repo.entries[new_uuid] = new
        config = _inherited(repo.records.get(leaf.uuid, {})) if repo.fixed else {}
        repo.records[new_uuid] = {"sm_config": config, "snapshot": not clone}
        made.append(new_uuid)
    repo.write_journal(None)
    return made


def _inherited(record: Mapping[str, Any]) -> Dict[str, str]:
    skipped = ("type", "vdi_type", "vhd-parent", "paused", "relinking", "activating")
    return {
        key: value for key, value in record.get("sm_config", {}).items()
        if key not in skipped and not key.startswith("host_")}


def undo(repo: VhdRepository, journal: Mapping[str, str]) -> None:
    """Undo a snapshot a killed process left half done; nobody has seen its result."""
    names = [repo.file_name(journal["leaf"]) + ".fresh"]
    if journal["new"]:
        names.append(repo.file_name(journal["new"]))
    base = repo.path(repo.file_name(journal["base"]))
    leaf = repo.path(repo.file_name(journal["leaf"]))
    for path in map(repo.path, names):
        if os.path.exists(path):
            os.unlink(path)
    if os.path.exists(base):
        os.replace(base, leaf)
        image = VhdFile(leaf, repo.fixed)
        image.set_hidden(False)
        image.close()
