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

"""``swift-vhd sr coalesce``: make chains of VHDs on a storage repository shorter."""

from __future__ import annotations

import argparse
from typing import Any, List, Tuple

from nova_swift_handler.cli import base, ending, given, progress
from nova_swift_handler.cli.sr import add_sr
from nova_swift_handler.transfer import leftovers
from nova_swift_handler.xapi import coalescing, copying, leaf, marked, repository, tree
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi.session import Session

Row = Tuple[str, str, str]


class Coalesce(base.Lister):
    """Make an SR's chains of VHDs shorter.

    Without options the SR's own garbage collector is started, by a scan, and does what it can;
    what rests on a kept snapshot or clone stays.  VDIs other than those that are named are not
    touched by anything else.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        add_sr(parser)
        parser.add_argument("--wait", action="store_true",
                            help="Wait until the collector has done all that it can, and tell "
                                 "what it cannot do and why. It may take 300 seconds to begin.")
        parser.add_argument("--vdi", action="append", default=[], type=given.name, metavar="VDI",
                            help="Wait for the chain of this VDI only. Can be repeated.")
        parser.add_argument("--patience", type=float, default=coalescing.PATIENCE,
                            metavar="SECONDS",
                            help="Give up waiting when nothing has changed for so long (default: "
                                 "%(default)g).")
        parser.add_argument("--leaf", action="append", default=[], type=given.name, metavar="VM",
                            help="Merge the leaves of this VM's disks at once, by SM's plugin "
                                 "coalesce-leaf. A running VM is SUSPENDED meanwhile. LVM SRs "
                                 "only. Can be repeated.")
        parser.add_argument("--flatten", action="append", default=[], type=given.name,
                            metavar="VDI",
                            help="Copy this VDI to a new one that has no chain, and show its "
                                 "uuid. The VDI itself stays as it is: attach the copy instead, "
                                 "then destroy it. No VM may be writing to it. Can be repeated.")
        parser.add_argument("--to", type=given.name, metavar="SR",
                            help="Make flat copies on this SR, not on that of the VDI.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Row]]:
        """Do it."""
        rows: List[Row] = []
        with ending.terminable(), Session(self.xapi_settings()) as session:
            for vdi in parsed_args.flatten:
                rows.append(("flatten", vdi, "VDI " + _flatten(session, vdi, parsed_args.to)))
            for vm in parsed_args.leaf:
                rows.append(("leaf", vm, "done" if leaf.coalesce(session, vm)
                             else "nothing to coalesce"))
            if not rows or parsed_args.wait or parsed_args.sr or parsed_args.vdi:
                rows += _collect(session, parsed_args)
        return ("Action", "Of", "Result"), rows


def _flatten(session: Session, vdi: str, to: Any) -> str:
    where = (str(disks.get_record(session, vdi)["SR"]) if to is None
             else repository.find(session, to))
    with leftovers.transfer(session, where) as transfer:
        with progress.bar(f"Copying {vdi}") as shown:
            made = copying.copy(session, vdi, transfer, where, progress=shown)
        marked.release(session, made)
    return made


def _collect(session: Session, parsed_args: argparse.Namespace) -> List[Row]:
    if parsed_args.vdi and not parsed_args.sr:
        ref = tree.chain(session, parsed_args.vdi[0])[0].sr_ref
    else:
        ref = repository.find(session, parsed_args.sr)
    where = repository.read(session, ref)
    if not (parsed_args.wait or parsed_args.vdi):
        coalescing.start(session, ref)
        return [("collect", where.uuid, "started")]
    with progress.bar(f"Coalescing {where.name}", unit=" VHDs") as shown:
        outcome = coalescing.watch(session, ref, shown, parsed_args.patience,
                                   parsed_args.vdi or None)
    return [("collect", where.uuid, f"{outcome.removed} VHDs removed"),
            *((work.action, work.vdi.uuid, "not done: " + str(work.hindrance))
              for work in outcome.left)]
