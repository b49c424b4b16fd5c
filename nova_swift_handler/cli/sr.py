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

"""``swift-vhd sr list|show|chain``: what lies on a host's storage repositories."""

from __future__ import annotations

import argparse
from typing import Any, Dict, Iterable, Optional, Tuple
from typing import List as ListOf

from nova_swift_handler import exceptions, outline
from nova_swift_handler.cli import base, given
from nova_swift_handler.cli.columns import Blank, Bytes
from nova_swift_handler.xapi import collectable, holders, repository, sizes, tree
from nova_swift_handler.xapi.session import Session

Table = Tuple[Tuple[str, ...], ListOf[Any]]


def add_sr(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names an SR."""
    parser.add_argument("sr", type=given.name, metavar="SR", nargs="?",
                        help="Its uuid or name; the pool's default SR if it is left out.")


class List(base.Lister):
    """List the SRs that hold VHDs, or with --iso those for ISO images."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--iso", action="store_true", help="List the SRs for ISO images.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        with Session(self.xapi_settings()) as session:
            found = repository.every(session, parsed_args.iso)
        return (("UUID", "Name", "Type", "Layout", "Size", "Free", "Allocated"),
                [(each.uuid, each.name, each.type, Blank(each.layout), Bytes(each.physical_size),
                  Bytes(each.free), Bytes(each.virtual_allocation)) for each in found])


class Show(base.ShowOne):
    """Show one SR, its free space measured now, and what its chains are like."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_sr(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[Any, ...]]:
        """Do it."""
        with Session(self.xapi_settings()) as session:
            ref = repository.find(session, parsed_args.sr)
            where = (repository.measure if repository.read(session, ref).layout
                     else repository.read)(session, ref)
            forest = tree.read(session, ref)
        vdis = list(forest.vdis.values())
        left = collectable.work(forest, where)
        values = {
            "uuid": where.uuid, "name": where.name, "type": where.type, "layout": where.layout,
            "shared": where.shared, "size": Bytes(where.physical_size),
            "taken": Bytes(where.physical_utilisation), "free": Bytes(where.free),
            "allocated": Bytes(where.virtual_allocation),
            "disks": sum(vdi.managed and not vdi.is_a_snapshot for vdi in vdis),
            "snapshots": sum(vdi.managed and vdi.is_a_snapshot for vdi in vdis),
            "base_copies": sum(not vdi.managed for vdi in vdis),
            "deepest_chain": max((forest.depth(vdi.uuid) for vdi in vdis), default=0),
            "to_coalesce": sum(work.hindrance is None for work in left),
            "hindered": sum(work.hindrance is not None for work in left),
            "collector": collectable.switched_off(where) or "on",
        }
        return tuple(values), tuple(values.values())


class Chain(base.Lister):
    """Draw the VHDs of an SR as trees: each below the one that it hangs on.

    A VHD that holds only what differs from the one above it in the drawing is its child.  Base
    copies are what snapshots and clones share.  "Collector" is what the SR's garbage collector
    can still do to a VHD: delete it, merge it into its parent, or (leaf-coalesce) its parent into
    it.  Sizes are as of the SR's last scan.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_sr(parser)
        parser.add_argument("--vdi", type=given.name, metavar="VDI",
                            help="Only the tree of this VDI; the SR need not be named then.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        with Session(self.xapi_settings()) as session:
            if parsed_args.vdi is not None and parsed_args.sr is None:
                ref = tree.chain(session, parsed_args.vdi)[0].sr_ref
            else:
                ref = repository.find(session, parsed_args.sr)
            where, forest = repository.read(session, ref), tree.read(session, ref)
            held = holders.of(session, forest)
        roots = forest.roots()
        if parsed_args.vdi is not None:
            roots = _tree_of(forest, parsed_args.vdi, where)
        work = {each.vdi.uuid: each for each in collectable.work(forest, where)}
        below: Dict[Optional[str], ListOf[tree.Vdi]] = {None: roots}
        for uuid in forest.vdis:
            below[uuid] = forest.children(uuid)
        drawn = parsed_args.formatter == "table"
        columns = ("Name", "Kind", "Virtual Size", "Taken", "VM", "Collector")
        rows: ListOf[Tuple[Any, ...]] = []
        for vdi, lead, _depth in outline.outline(below, lambda each: each.uuid):
            todo = work.get(vdi.uuid)
            vms = held.get(vdi.uuid, [])
            common = (forest.depth(vdi.uuid), vdi.name, _kind(vdi), Bytes(vdi.virtual_size),
                      Bytes(vdi.utilisation))
            if drawn:
                rows.append((lead + vdi.uuid, *common, _names(vms), _task(todo)))
            else:
                need = _snapshot(vdi, where, vms)
                rows.append((
                    vdi.uuid, vdi.parent, *common, [vm._asdict() for vm in vms],
                    todo and todo.action, todo and todo.hindrance,
                    need and need.least, need and need.most))
        if drawn:
            return ("VDI", "Depth", *columns), rows
        return (("UUID", "Parent", "Depth", *columns, "Hindrance", "Snapshot Takes At Least",
                 "Snapshot Takes At Most"), rows)


def _tree_of(forest: tree.Forest, uuid: str, where: repository.Repository) -> ListOf[tree.Vdi]:
    chain = forest.chain(uuid)
    if not chain:
        raise exceptions.RecordMissing(f"looking up VDI {uuid} failed: it is not on {where}",
                                       "UUID_INVALID", ("VDI", uuid))
    return chain[-1:]


def _kind(vdi: tree.Vdi) -> str:
    kind = "base copy" if not vdi.managed else "snapshot" if vdi.is_a_snapshot else "disk"
    return kind + (", raw" if vdi.raw else "")


def _names(vms: Iterable[holders.Holder]) -> str:
    return ", ".join("%s%s" % (vm.name or vm.uuid, "" if vm.attached else " (not attached)")
                     for vm in vms)


def _task(todo: Optional[collectable.Work]) -> str:
    if todo is None:
        return ""
    return todo.action + (", but " + todo.hindrance.partition(" (")[0] if todo.hindrance else "")


def _snapshot(vdi: tree.Vdi, where: repository.Repository,
              vms: Iterable[holders.Holder]) -> Optional[sizes.Need]:
    """Return what a snapshot of it would take; None if there can be none."""
    if not vdi.managed or vdi.raw or where.layout is None:
        return None
    return sizes.to_snapshot(where.layout, vdi.virtual_size, vdi.utilisation,
                             any(vm.attached for vm in vms), vdi.is_a_snapshot)
