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

"""Take back what a transfer process that was killed may have left of a point."""

from __future__ import annotations

import contextlib
from typing import Any, Dict

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.transfer.jobs import CleanUpJob
from nova_swift_handler.transfer.report import Report


def run(job: CleanUpJob, report: Report) -> Dict[str, Any]:
    """Do *job*: first what makes the point visible goes, then the rest.

    Segments stay: nothing names them, and they may serve the volume's next snapshot.
    """
    account = job.services.account()
    containers = job.services.containers
    account.delete(containers.images, job.image_id)
    account.delete(containers.index, job.image_id)
    container = containers.volume(job.volume_id)
    account.delete(container, names.of_point(job.image_id, names.POINT))
    removed = 0
    with contextlib.suppress(exceptions.ObjectMissing):  # killed before it made the container
        for row in list(account.listing(container, names.of_point(job.image_id, ""))):
            account.delete(container, row["name"])
            removed += 1
    return {"removed": removed}
