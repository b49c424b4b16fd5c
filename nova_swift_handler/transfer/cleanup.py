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
import logging
from typing import Any, Dict

from keystoneauth1 import session as ks_session

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import deletion, intent, names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import CleanUpJob, DestroyJob
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import errors, marked
from nova_swift_handler.xapi.session import Session

LOG = logging.getLogger(__name__)


def run(job: CleanUpJob, report: Report) -> Dict[str, Any]:
    """Do *job*; return how many objects of the point were still there.

    Segments stay: nothing names them, and they may serve the volume's next snapshot.

    :raises OutcomeUnknown: Glance does not delete the image, so the point was kept.
    """
    try:
        return {"removed": _remove_point(job)}
    finally:
        _forget_export(job)


def _remove_point(job: CleanUpJob) -> int:
    """Remove the point, as far as it came, then the upload's announcement."""
    ours = job.services.credentials.session()
    _delete_image(job, ours)
    account = job.services.account(ours)
    containers = job.services.containers
    container = containers.volume(job.volume_id)
    removed = 0
    with contextlib.suppress(exceptions.ObjectMissing):  # killed before it made the container
        removed = _delete_point(job, account, container)
        for upload in intent.under_way(account, container):
            if upload["image_id"] == job.image_id:
                account.delete(container, upload["name"])
    return removed


def _delete_point(job: CleanUpJob, account: Account, container: str) -> int:
    containers = job.services.containers
    with contextlib.suppress(exceptions.ObjectMissing):
        # Complete: the volume's next point may have been compared with it already.
        point = Point.parse(account.get_json(
            container, names.of_point(job.image_id, names.POINT)))
        abilities = probe.abilities(account, containers.index)
        return deletion.delete(account, containers, abilities, point).removed
    below = list(account.listing(container, names.of_point(job.image_id, "")))
    for row in below:
        account.delete(container, row["name"])
    return len(below)


def _forget_export(job: CleanUpJob) -> None:
    if job.vdi_uuid is None or job.services.xapi is None:
        return
    try:
        with Session(job.services.xapi) as session:
            _forget_tasks(session, "exporting VDI %s" % job.vdi_uuid)
    except exceptions.XapiError as error:
        LOG.warning("The XAPI task for exporting VDI %s is left behind: %s", job.vdi_uuid, error)


def _delete_image(job: CleanUpJob, ours: ks_session.Session) -> None:
    """See to it that Glance has no active image of the bytes that are to go, nor will have.

    It may have been told of their location or sent a part of them in the very moment in which
    the process died.  A location that reaches Glance after the image was deleted, or that is being
    worked on then, finds no image any more.
    """
    try:
        job.services.images(job.user, ours).delete(job.image_id)
    except exceptions.GlanceError as error:
        raise exceptions.OutcomeUnknown(
            "image %s may be active, or become so, and could not be deleted (%s), so its disk is "
            "kept in Swift. Delete the image." % (job.image_id, error)) from error


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
