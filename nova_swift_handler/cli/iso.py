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

"""``swift-vhd iso``: CD images."""

from __future__ import annotations

import argparse
from typing import Tuple

from nova_swift_handler.catalog.names import Containers
from nova_swift_handler.cli import progress, services, stored
from nova_swift_handler.transfer import iso


class Create(stored.Create):
    """Store an ISO 9660 file and register it in Glance."""

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[str, ...]]:
        """Do it."""
        with progress.bar(parsed_args.name) as shown:
            return self.show(iso.create(
                services.of(self), parsed_args.name, parsed_args.path,
                visibility=parsed_args.visibility,
                image_properties=dict(parsed_args.properties), progress=shown))


class List(stored.Listing):
    """List the ISOs."""

    columns = ("name", "id", "size", "created_at")

    def container(self, names: Containers) -> str:
        """Return the container that is listed."""
        return names.isos
