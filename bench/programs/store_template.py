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

"""Store a VHD file as a template, as ``swift-vhd template create`` does; print its image's id.

Takes a pickle of (services, name, path).
"""

from __future__ import annotations

import pickle
import sys

from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.images import template
from nova_swift_handler.transfer.sources import formats


def main() -> None:
    """Do it."""
    services, name, path = pickle.load(sys.stdin.buffer)  # noqa: S301  (the bench's own)
    made = template.create(services, name, formats.opened([path], None, services.transfer),
                           attributes=Attributes("public"), progress=lambda done, total: None)
    sys.stdout.write(made["id"] + "\n")


if __name__ == "__main__":
    main()
