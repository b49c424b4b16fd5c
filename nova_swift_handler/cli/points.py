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

"""``swift-vhd snapshot list|show|chain|raw``: what is stored."""

from __future__ import annotations

import argparse
from typing import Any, Dict, List, Tuple

from nova_swift_handler.catalog import lookup, names, places, raw, readable, summary, tree, views
from nova_swift_handler.catalog.audit import record
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.cli import base, given, services
from nova_swift_handler.cli.columns import Bytes, moment, typed
from nova_swift_handler.cli.images import Images
from nova_swift_handler.store import probe

Table = Tuple[Tuple[str, ...], List[Any]]


class Points(base.Lister):
    """List the points of one volume, or of all."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--volume", type=given.name, metavar="VOLUME",
                            help="Only this volume: the uuid of a Nova instance, or of a VDI that "
                                 "Nova does not run.")
        parser.add_argument("--glance", action="store_true",
                            help="Ask Glance for the images' names and status.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        reached = services.of(self)
        account, containers = reached.account(), reached.containers
        images = Images(reached, parsed_args.glance, many=True)
        if parsed_args.volume:
            container = places.volume(account, containers, parsed_args.volume)
            points, findings = readable.points(account, container)
            readable.tell(findings)
            found = {container: [summary.of_point(point) for point in points]}
        else:
            found = summary.of_containers(account, containers,
                                          places.volumes(account, containers))
        columns: Tuple[str, ...] = ("ID", "Volume", "Kind", "Sequence", "Stored At",
                                    "Virtual Size", "Sent Bytes", "Parent")
        rows = []
        for container, entries in found.items():
            for point in entries:
                row: Tuple[Any, ...] = (
                    point.image_id, places.volume_of(containers, container), point.kind,
                    point.sequence, moment(point.stored_at), Bytes(point.virtual_size),
                    Bytes(point.stored), point.parent)
                if parsed_args.glance:
                    image = images.get(point.image_id)
                    row += (image.name if image else None, image.status if image else "missing")
                rows.append(row)
        return columns + (("Image Name", "Image Status") if parsed_args.glance else ()), rows


class _OfPoint(base.ShowOne):
    """Shows something about one point."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("id", type=given.name, metavar="ID",
                            help="Id of the point's Glance image.")
        return parser


class Show(_OfPoint):
    """Show all that is recorded about a point."""

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[Any, ...]]:
        """Do it."""
        reached = services.of(self)
        account = reached.account()
        point = places.wanted(account, reached.containers, parsed_args.id)
        values: Dict[str, Any] = {
            name: typed(name, value) for name, value in point.as_json().items()
            if name not in ("regions", "segments")}
        values["regions"] = len(point.regions)
        values["segments"] = len(point.segments)
        values["delta_parent"] = views.parent_of(account, point.container, point.image_id)
        last = record.read(account, point.container).get(point.image_id)
        values["last_verified"] = last and record.said(last)
        return tuple(values), tuple(values.values())


class Chain(base.Lister):
    """Draw the tree of a volume: each point below the one that its delta.vhd refers to.

    A delta.vhd without a parent is a whole disk.  Every point can be restored by itself, whatever
    becomes of the others: the tree is that of the delta.vhd files, for whoever downloads those.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("volume", type=given.name, metavar="VOLUME",
                            help="The uuid of a Nova instance, or of a VDI that Nova does not "
                                 "run.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        reached = services.of(self)
        account = reached.account()
        nodes = tree.tree(account, places.volume(account, reached.containers,
                                                 parsed_args.volume))
        columns = ("Sequence", "Stored At", "Virtual Size", "Disk Size", "Delta Size",
                   "Sent Bytes")
        drawn = parsed_args.formatter == "table"
        rows = []
        for node in nodes:
            first = (node.lead + node.point.image_id,) if drawn else (
                node.point.image_id, node.parent, node.depth)
            rows.append((*first, *_sizes(node.point, node.delta_size)))
        return (("Point",) if drawn else ("ID", "Parent", "Depth")) + columns, rows


def _sizes(point: Point, delta_size: Any) -> Tuple[Any, ...]:
    return (point.sequence, moment(point.stored_at), Bytes(point.virtual_size),
            Bytes(point.vhd_size), Bytes(delta_size), Bytes(point.sent_bytes))


class Raw(_OfPoint):
    """Publish a point's disk as a raw one in Swift: disk.raw beside disk.vhd; no data is copied.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[Any, ...]]:
        """Do it."""
        reached = services.of(self)
        account, containers = reached.account(), reached.containers
        point = places.wanted(account, containers, parsed_args.id)
        blocks, stored = lookup.blocks(account, point)
        put = raw.publish(account, probe.abilities(account, containers.index), point, blocks,
                          stored)
        return ("container", "object", "size"), (
            point.container, names.of_point(point.image_id, names.RAW_VIEW), Bytes(put.size))
