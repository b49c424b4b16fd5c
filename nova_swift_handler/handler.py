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

"""The two verbs that Nova's XenAPI driver calls, and nothing else.

The contract is that of ``nova.virt.xenapi.image.vdi_stream.VdiStreamStore`` in Nova 18 to 21.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Dict, List, Optional

import eventlet
import nova.conf
from nova import exception as nova_exception
from nova import objects
from nova import utils as nova_utils
from nova.compute import task_states
from nova.image import glance as nova_glance
from nova.virt.xenapi import vm_utils

from nova_swift_handler import exceptions
from nova_swift_handler.conf import settings
from nova_swift_handler.glance.settings import UserToken
from nova_swift_handler.nova_plugin import signatures
from nova_swift_handler.telemetry import metrics, notifier
from nova_swift_handler.telemetry.watch import BOOT, SNAPSHOT, Watch
from nova_swift_handler.transfer import jobs, process
from nova_swift_handler.xapi import beforehand
from nova_swift_handler.xapi.marked import MARK

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_PATIENCE = 30.0
"""Seconds that Glance has to say whether an image is still there: Nova itself sets no limit, and
the transfer stands still meanwhile."""

_BAD_IMAGE = (exceptions.VhdError, exceptions.ImageUnsupported, exceptions.ImageCorrupt)


class SwiftVhdHandler:
    """Keeps instances' disks in Swift."""

    def __init__(self) -> None:
        # A nova-compute that was killed together with its transfers, as by a power failure, has
        # left their VDIs; so may have a boot whose host failed.
        self._reaped = False

    def upload_image(self, context: Any, session: Any, instance: Any, image_id: str,
                     vdi_uuids: List[str]) -> None:
        """Store the snapshot whose chain is *vdi_uuids*, leaf first, as image *image_id*.

        :raises nova.exception.ImageNotFound: the image was deleted meanwhile.
        :raises nova.exception.CouldNotUploadImage: it failed, and there is no point of it.
        """
        job: Optional[jobs.SnapshotJob] = None
        try:
            with _watched(SNAPSHOT, context, instance, image_id, vdi_uuids[0]) as watch:
                job = jobs.SnapshotJob(
                    services=_services(context), user=_user(context), image_id=image_id,
                    vdi_uuid=vdi_uuids[0], volume_id=instance["uuid"],
                    properties=_image_properties(instance),
                    origin={"instance": instance["uuid"], "instance_name": instance["name"],
                            "host": CONF.host, "vdi": vdi_uuids[0]},
                    base_image_id=instance["image_ref"] or None)
                _warn_of_depth(job, len(vdi_uuids))
                result = process.run(job, watch.listen, lambda: _check_image(context, image_id))
                watch.result(result)
        except exceptions.SwiftVhdError as error:
            if (isinstance(error, exceptions.ImageUnavailable)
                    and not isinstance(error, exceptions.AccessRefused)):
                # Nova takes this for the user's wish.  For a refusal it must not: createBackup
                # would count the empty image as a backup and delete a good one for it.
                LOG.warning("Snapshot of instance %s: %s", instance["uuid"], error)
                raise nova_exception.ImageNotFound(image_id=image_id) from error
            LOG.error("Snapshot of instance %s as image %s failed: %s", instance["uuid"],
                      image_id, error)
            if job is not None and isinstance(error, exceptions.TransferFailed):
                _clean_up(job)
            raise nova_exception.CouldNotUploadImage(
                "Could not upload image %s: %s" % (image_id, error)) from error
        LOG.info("Stored instance %s as image %s: disk of %d bytes, %d blocks in %d segments; "
                 "compared with %s, %d blocks (%d bytes) were sent; registered by %s",
                 instance["uuid"], image_id, result["virtual_size"], result["blocks"],
                 result["segments"], result["parent"] or "nothing", result["sent_blocks"],
                 result["sent_bytes"], result["registration"])

    def download_image(self, context: Any, session: Any, instance: Any,
                       image_id: str) -> Dict[str, Dict[str, str]]:
        """Make a VDI of image *image_id* on the SR that Nova chooses.

        :returns: ``{"root": {"uuid": <uuid of the VDI>}}``
        :raises nova.exception.ImageNotFound: Glance does not give the user this image.
        :raises nova.exception.ImageUnacceptable: the image is no whole disk, or Nova demands a
            signature that it has not.
        :raises nova.exception.CouldNotFetchImage: it failed; no VDI is left of it.
        :raises nova.exception.InstanceNotFound: the instance was deleted meanwhile.
        """
        job: Optional[jobs.BootJob] = None
        made: List[str] = []

        def listen(event: Dict[str, Any]) -> None:
            if event["event"] == "vdi":
                made.append(event["uuid"])
            watch.listen(event)

        try:
            with _watched(BOOT, context, instance, image_id) as watch:
                job = jobs.BootJob(
                    services=_services(context), user=_user(context), image_id=image_id,
                    sr_ref=vm_utils.safe_find_sr(session), name_label=instance["name"],
                    description="root", transfer_id=jobs.transfer_id(CONF.host),
                    other_config={"nova_disk_type": "root",
                                  "nova_instance_uuid": instance["uuid"]},
                    reap=not self._reaped, signature=signatures.demanded(context, image_id))
                result = process.run(job, listen, lambda: _check_instance(context, instance))
                self._reaped = True
                watch.result(result)
        except nova_exception.InstanceNotFound:
            if job is not None and made:
                # The transfer destroys what it has not yet handed over; it may just have.
                _destroy(job, made)
            raise
        except exceptions.ImageUnavailable as error:
            LOG.warning("Boot of instance %s: %s", instance["uuid"], error)
            raise nova_exception.ImageNotFound(image_id=image_id) from error
        except _BAD_IMAGE as error:
            # No other host would fare better, so Nova shall not try one.
            LOG.warning("Boot of instance %s from image %s: %s", instance["uuid"], image_id, error)
            raise nova_exception.ImageUnacceptable(
                image_id=image_id, reason=str(error)) from error
        except exceptions.SwiftVhdError as error:
            LOG.error("Fetching image %s for instance %s failed: %s", image_id,
                      instance["uuid"], error)
            self._reaped = False
            if job is not None and isinstance(error, exceptions.TransferFailed):
                _destroy(job, made)
            raise nova_exception.CouldNotFetchImage(
                "Could not fetch image %s: %s" % (image_id, error)) from error
        LOG.info("Made VDI %s of %d bytes for instance %s of image %s, out of %s",
                 result["vdi_uuid"], result["virtual_size"], instance["uuid"], image_id,
                 result["source"])
        return {"root": {"uuid": result["vdi_uuid"]}}


def _watched(kind: str, context: Any, instance: Any, image_id: str,
             vdi_uuid: Optional[str] = None) -> Watch:
    """Return what tells monitoring of a transfer."""
    monitor = settings.monitor(CONF)

    def notify(priority: str, event: str, payload: Dict[str, Any]) -> None:
        if monitor.notify:
            notifier.notify(context, CONF.host, priority, "%s.%s" % (notifier.PREFIX, event),
                            payload)

    return Watch(kind, {
        "host": CONF.host, "instance_uuid": instance["uuid"], "image_id": image_id,
        "project_id": instance.get("project_id"), "user_id": getattr(context, "user_id", None),
        "vdi_uuid": vdi_uuid}, notify, metrics.Metrics(
            monitor.metrics_directory, "nova-compute", CONF.host), monitor.notify_interval)


def _services(context: Any) -> jobs.Services:
    glance = settings.glance(CONF)
    if not CONF.swift_vhd.glance_api_servers:
        glance = dataclasses.replace(glance, endpoints=tuple(_endpoints(context)))
    return jobs.Services(
        credentials=settings.credentials(CONF), store=settings.store(CONF),
        transfer=settings.transfer(CONF), xapi=settings.xapi(CONF), glance=glance)


def _endpoints(context: Any) -> List[str]:
    """Return the addresses of Glance that Nova itself would use, in its order."""
    servers = nova_glance.get_api_servers(context)
    found: List[str] = []
    # An endless iterator that goes round the addresses; one round is what is wanted.
    for server in servers:
        if server in found:
            return found
        found.append(server)
    return found


def _user(context: Any) -> UserToken:
    return UserToken(token=context.auth_token, user_id=context.user_id,
                     project_id=context.project_id, request_id=context.global_id)


def _check_image(context: Any, image_id: str) -> None:
    """Raise if the image of a snapshot was deleted meanwhile: nobody wants the snapshot any more.

    Whatever else Glance says, its token having expired among it, is no reason to give up.
    """
    try:
        with eventlet.Timeout(_PATIENCE, False):  # raises nothing
            nova_glance.API().get(context, image_id)
    except nova_exception.ImageNotFound as error:
        raise exceptions.ImageUnavailable("image %s was deleted meanwhile" % image_id) from error
    except Exception:
        LOG.debug("Could not ask whether image %s is still there", image_id, exc_info=True)


def _check_instance(context: Any, instance: Any) -> None:
    """Raise if the instance that is being booted is to be deleted.

    Nova deletes it when the boot has ended, and not before.
    """
    try:
        found = objects.Instance.get_by_uuid(context, instance["uuid"], expected_attrs=[])
    except nova_exception.InstanceNotFound:
        raise
    except Exception:
        LOG.debug("Could not ask whether instance %s is still wanted", instance["uuid"],
                  exc_info=True)
        return
    if found.task_state == task_states.DELETING:
        LOG.info("Instance %s is to be deleted: its image is not fetched any further",
                 instance["uuid"])
        raise nova_exception.InstanceNotFound(instance_id=instance["uuid"])


def _image_properties(instance: Any) -> Dict[str, str]:
    """Return the properties that stock handlers set on an instance's snapshot."""
    auto_disk_config = str(instance["auto_disk_config"])
    if nova_utils.is_auto_disk_config_disabled(
            nova_utils.get_auto_disk_config_from_instance(instance)):
        auto_disk_config = "disabled"
    os_type = instance.get("os_type") or CONF.xenserver.default_os_type
    return {"os_type": os_type, "auto_disk_config": auto_disk_config}


def _warn_of_depth(job: jobs.SnapshotJob, depth: int) -> None:
    assert job.services.xapi is not None
    beforehand.warn_of_depth("snapshot of instance %s" % job.volume_id, depth,
                             job.services.xapi.chain_depth_warning)


def _clean_up(job: jobs.SnapshotJob) -> None:
    """Remove what a transfer process that died may have made visible, the image included."""
    try:
        process.run(jobs.CleanUpJob(job.services, job.user, job.image_id, job.volume_id,
                                    job.vdi_uuid))
    except exceptions.SwiftVhdError as error:
        LOG.error("What a killed transfer left of image %s was not removed: %s", job.image_id,
                  error)


def _destroy(job: jobs.BootJob, vdi_uuids: List[str]) -> None:
    """Destroy what a transfer process that died, or is unwanted, had made, told of or not."""
    try:
        process.run(jobs.DestroyJob(job.services, tuple(vdi_uuids), job.sr_ref, job.transfer_id))
    except exceptions.SwiftVhdError as error:
        LOG.error("What a killed transfer left half written could not be destroyed; destroy by "
                  "hand %s: %s", ", ".join("VDI " + uuid for uuid in vdi_uuids)
                  or "a VDI with %s = %s in its other_config, if there is one"
                  % (MARK, job.transfer_id), error)
