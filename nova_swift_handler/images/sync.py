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

"""Bring Glance in step with the templates, or the ISOs, that lie in their container.

The container is what is right: an image that Glance lacks is registered again, and attributes
that differ are set as ``<name>.properties`` says.  Reconciling (:mod:`.reconcile`) is the other
way round.  Nothing is deleted unless it is asked for, so it may run anywhere, as often as wanted,
and on several machines at once; see :mod:`.claim`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Set

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import inventory, names, properties
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.images import named, steps
from nova_swift_handler.images.claim import Busy
from nova_swift_handler.images.mending import Mender
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services

REGISTER, UPDATE, LOST, FORGET, REFUSE, LEAVE = (
    "register", "update", "lost", "delete", "refused", "left alone")

_TOGETHER = 50
"""Ids asked for in one request: uWSGI takes no more than 4 KiB of a request's head by default."""

_MOVING = ("saving", "uploading", "importing", "queued", "killed")


@dataclasses.dataclass
class Step(steps.Step):
    """What is to be done about a template or an ISO.

    :ivar values: its properties.
    :ivar image: what Glance has under its id.
    """

    values: Dict[str, str] = dataclasses.field(default_factory=dict)
    image: Optional[Image] = None


def sync(services: Services, kind: str, *, dry_run: bool, delete_lost: bool, force: bool,
         progress: Callable[[int, int], None]) -> List[Step]:
    """Do it; return what was, or in a dry run would be, done.  What fails is among that.

    :param kind: one of ``named.KINDS``.
    :param delete_lost: delete the images and properties of what has lost its data.
    :param force: believe a Glance that may not show the service account all images.
    :raises StoreError: Swift did not answer.
    :raises GlanceError: Glance did not, or may not show all images.
    """
    ours = services.credentials.session()
    account, images = services.account(ours), services.images(None, ours)
    if not force and not images.sees_all():
        raise exceptions.GlanceError(
            "Comparing what is stored with Glance: the service account has not the role 'admin', "
            "so images that it may not see would look as if they were missing. Give it that role, "
            "or say --force if your Glance's policies show it every image.")
    container = named.container_of(services.containers, kind)
    texts: properties.Texts = {}
    stored = properties.every(account, container, keep=not dry_run, texts=texts)
    there = inventory.complete(account, container)
    seen = _images(images, [values["id"] for values in stored.values()
                            if names.is_id(values.get("id", ""))])
    planned = []
    for name, values in stored.items():
        step = _plan(account, kind, container, name, values, there, seen, delete_lost)
        if step is not None:
            planned.append(step)
    if not dry_run:
        mender = Mender(services, ours, account, kind, texts)
        steps.carry_out(planned, lambda step: _do(mender, step), progress)
    return planned


def _images(images: ImageService, ids: List[str]) -> Dict[str, Image]:
    """Return the images that Glance has of *ids*, by id; hidden ones as well."""
    found: Dict[str, Image] = {}
    for hidden in ("false", "true"):
        wanted = [each for each in ids if each not in found]
        for start in range(0, len(wanted), _TOGETHER):
            for image in images.list(id="in:" + ",".join(wanted[start:start + _TOGETHER]),
                                     visibility="all", os_hidden=hidden):
                found[image.id] = image
    return found


def _plan(account: Account, kind: str, container: str, name: str, values: Dict[str, str],
          there: Set[str], seen: Dict[str, Image], delete_lost: bool) -> Optional[Step]:
    image_id = values.get("id", "")
    image = seen.get(image_id)
    step = Step(REGISTER, name, image_id, "Glance has no such image", values=values, image=image)
    try:
        attributes = Attributes.parse(values)
        _check(kind, container, name, values)
    except exceptions.PointInvalid as error:
        step.action, step.why, step.error = REFUSE, "properties are damaged", error
        return step
    if image_id not in there:
        if inventory.is_complete(account, container, image_id) or not presence.exists(
                account, container, properties.object_name(name)):
            return None  # it was stored, or deleted, while this was looked at
        step.action = FORGET if delete_lost else LOST
        step.why = "its data is gone from Swift" + ("" if image else ", and its image from Glance")
        if not delete_lost:
            step.why += "; --delete-lost deletes what is left"
        return step
    if image is None:
        return step
    if image.status in _MOVING:
        step.why = "its image is %s" % image.status
        return step
    changes = image.changes(attributes.image(name))
    differing = sorted({change["path"].lstrip("/") for change in changes})
    if values.get("created_at", image.created_at) != image.created_at:
        differing.append("created_at")
    if not differing:
        return None
    step.action, step.why = UPDATE, "differs: " + ", ".join(differing)
    return step


def _check(kind: str, container: str, name: str, values: Dict[str, str]) -> None:
    """See that properties say what they are about.

    :raises PointInvalid: they do not.
    """
    lacking = ("the id of an image" if not names.is_id(values.get("id", "")) else
               "a size" if kind == named.ISO and not values.get("size", "").isdecimal() else "")
    if lacking:
        raise exceptions.PointInvalid(
            "%s/%s does not say %s, so what it describes is not known; mend or delete that object"
            "%s" % (container, properties.object_name(name), lacking, " and store the ISO again"
                    if kind == named.ISO else ", and run `swift-vhd store rebuild`"))


def _do(mender: Mender, step: Step) -> None:
    act: Dict[str, Any] = {REGISTER: mender.register, UPDATE: mender.update,
                           FORGET: mender.forget}
    if step.action not in act:
        return
    try:
        step.id = act[step.action](step.name, step.values) or step.id
    except Busy as busy:
        step.action, step.why = LEAVE, str(busy)
