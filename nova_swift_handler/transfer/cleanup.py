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

"""Take back what a transfer process that was killed may have left."""

from __future__ import annotations

import contextlib
from typing import Any, Dict

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.transfer.jobs import CleanUpJob, DestroyJob
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import errors, marked
from nova_swift_handler.xapi.session import Session


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
    if job.vdi_uuid is not None and job.services.xapi is not None:
        with Session(job.services.xapi) as session:
            _forget_tasks(session, "exporting VDI %s" % job.vdi_uuid)
    return {"removed": removed}


def destroy(job: DestroyJob, report: Report) -> Dict[str, Any]:
    """Do *job*; return how many VDIs there were.

    :raises XapiError: the last VDI that could not be destroyed.
    """
    failure = None
    assert job.services.xapi is not None
    with Session(job.services.xapi) as session:
        for uuid in job.vdi_uuids:
            try:
                disks.destroy_vdi(session, uuid)
                _forget_tasks(session, "importing into VDI %s" % uuid)
            except exceptions.XapiError as error:
                failure = error
        if failure is not None:
            raise failure
        if not job.vdi_uuids:
            return {"destroyed": marked.destroy(session, job.transfer_id, job.sr_ref)}
    return {"destroyed": len(job.vdi_uuids)}


def _forget_tasks(session: Session, doing: str) -> None:
    """Remove XAPI's tasks for a transfer whose end nobody waited for.

    :param doing: what their labels end with, see ``xapi.task.Task``.
    """
    label = "%s: %s" % (session.settings.originator, doing)
    for task in session.call("task.get_by_name_label", label):
        try:
            session.call("task.destroy", task)
        except exceptions.XapiError as error:
            if error.code not in errors.ABSENT:
                raise
