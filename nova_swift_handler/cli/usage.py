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

"""``swift-vhd store probe|usage``: what the cluster can do, and why space is used."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from typing import Any, List, Tuple

from nova_swift_handler.catalog import places, usage
from nova_swift_handler.cli import base, given, services
from nova_swift_handler.cli.columns import Bytes
from nova_swift_handler.store import probe

LOG = logging.getLogger(__name__)


class Probe(base.ShowOne):
    """Find out by trying what the cluster's static large objects can do."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--kept", action="store_true",
                            help="Show what was found before, if the cluster is the same.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[Any, ...]]:
        """Do it."""
        reached = services.of(self)
        account, index = reached.account(), reached.containers.index
        found = (probe.abilities if parsed_args.kept else probe.probe)(account, index)
        values = {**found.as_json(), "views": (
            "shared: points are stitched of single blocks and of regions in common"
            if found.shares_blocks else
            "whole: points are stitched of whole segments, the cluster having no ranges")}
        words = list(values.pop("found"))
        values["found"] = "\n".join(words) if parsed_args.formatter == "table" else words
        return tuple(values), tuple(values.values())


class Usage(base.Lister):
    """Tell why space is used.

    By volume: the bytes of the disks as if each point had its own (Logical), and what Swift holds
    for them, before replication (Stored): segments that points name (Data), their tables
    (Regions), heads and records (Views), what stitches them (Manifests), the ends of uploads
    (Closings), anything else (Other), what no point names (Unused), and of that what Swift is
    about to delete (Condemned).  By point: what deleting it would free once swept (Freed).
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--volume", type=given.name, metavar="VOLUME",
                            help="The points of this volume, one by one.")
        parser.add_argument("--points", action="store_true", help="All points, one by one.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        reached = services.of(self)
        containers = reached.containers
        account = reached.account()
        only = (places.volume(account, containers, parsed_args.volume) if parsed_args.volume
                else None)
        found = usage.usage(account, places.everywhere(account, containers))
        for each in found:
            for problem in each.unreadable:
                LOG.warning("%s/%s cannot be read, so what only it names counts as unused: %s; %s",
                            problem.container, problem.name, problem.problem, problem.what_to_do)
        found = [each for each in found if only in (None, each.container)]
        if parsed_args.volume or parsed_args.points:
            return ("ID", "Volume", "Sequence", "Virtual Size", "Logical", "Freed", "Shared"), [
                (each.point.image_id, places.volume_of(containers, each.point.container),
                 each.point.sequence, Bytes(each.point.virtual_size), Bytes(each.logical),
                 Bytes(each.freed), Bytes(each.shared))
                for one in found for each in one.points]
        kinds = [field.name for field in dataclasses.fields(usage.ContainerUsage)
                 if field.type == "int"]
        rows = [(places.volume_of(containers, each.container), len(each.points),
                 *(Bytes(getattr(each, kind)) for kind in kinds)) for each in found]
        rows.append(("(all)", sum(len(each.points) for each in found),
                     *(Bytes(sum(getattr(each, kind) for each in found)) for kind in kinds)))
        return ("Volume", "Points", *(kind.title() for kind in kinds)), rows
