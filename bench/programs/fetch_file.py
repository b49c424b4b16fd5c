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

"""Write the disk of a point into a VHD file.

Takes a pickle of (services, image id, path).
"""

from __future__ import annotations

import pickle
import sys

from nova_swift_handler.catalog import lookup
from nova_swift_handler.transfer import restore


def main() -> None:
    """Do it."""
    services, image_id, path = pickle.load(sys.stdin.buffer)  # noqa: S301  (the bench's own)
    account = services.account()
    point = lookup.find(account, services.containers, image_id)
    assert point is not None
    restore.to_file(account, point, path, threads=services.transfer.download_threads)


if __name__ == "__main__":
    main()
