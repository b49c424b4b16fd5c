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

"""Store a VHD file as a point, as ``swift-vhd template create`` does, without Glance.

Takes a pickle of (services, path, container, image id, volume id, share of the disk at which the
process kills itself, or None).
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import Any, Dict

from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import FileSource


def main() -> None:
    """Do it."""
    (services, path, container, image_id, volume_id,
     end) = pickle.load(sys.stdin.buffer)  # noqa: S301  (the bench's own)

    def listen(event: Dict[str, Any]) -> None:
        if end is not None and event["done"] >= end * event["total"]:
            os.kill(os.getpid(), signal.SIGKILL)

    subject = Subject(image_id, "template", volume_id, "project", "2026-01-01T00:00:00Z", {})
    with snapshot.stored(services, services.account(), subject, FileSource(path), container,
                         Report(listen), for_glance=True):
        pass


if __name__ == "__main__":
    main()
