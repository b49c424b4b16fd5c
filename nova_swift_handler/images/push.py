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

"""ISOs that are stored go to an ISO SR of a host, checked there byte by byte."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names, properties
from nova_swift_handler.images import steps
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import leftovers
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.xapi import isos
from nova_swift_handler.xapi.isos import Iso, Kept
from nova_swift_handler.xapi.repository import Repository
from nova_swift_handler.xapi.session import Session

LOG = logging.getLogger(__name__)

PUSH, REPLACE, RENAME, REMOVE, SPARE, KEEP, REFUSE = (
    "push", "replace", "rename", "remove", "not removed", "in place", "refused")

_PIECE = 1024 * 1024
_CHECKSUM = "sha256:"

Progress = Callable[[int, int], None]


@dataclasses.dataclass
class Step(steps.Step):
    """What is to be done about an ISO.

    :ivar iso: what is stored; None if nothing is any more.
    :ivar vdis: those that are to go, of what was pushed before.
    :ivar vdi: uuid of the VDI that holds the ISO.
    """

    iso: Optional[Iso] = None
    vdis: Tuple[Kept, ...] = ()
    vdi: str = ""


def push(services: Services, name: str, sr: str, progress: Progress) -> Dict[str, str]:
    """Put one ISO on an ISO SR, unless it is there; return what there is to say of it.

    :param sr: the SR's uuid or name.
    :raises NotThere: no ISO is called so, or there is no such SR.
    :raises NameRefused: something else on the SR is called so.
    :raises ImageUnsupported: the SR is none for ISOs.
    :raises XapiError: the SR is full, or fails; then nothing is left on it.
    """
    account = services.account()
    values = properties.read(account, services.containers.isos, name)
    if values is None:
        raise exceptions.NotThere(
            "no ISO is called %r; `swift-vhd iso list` shows those that there are" % name)
    stored = {each.get("id", "") for each in properties.each(account, services.containers.isos)}
    with _reached(services, sr) as (session, where, transfer):
        [step] = _plan(isos.held(session, where), [_iso(values)], stored)
        if step.error is not None:
            raise step.error
        _do(session, where, transfer, services, account, step, progress)
    return {"name": name, "id": values["id"], "vdi": step.vdi, "sr": where.uuid,
            "size": values["size"], "sha256": values["checksum"][len(_CHECKSUM):],
            "action": step.action}


def sync(services: Services, sr: str, *, delete: bool, dry_run: bool,
         progress: Progress) -> List[Step]:
    """Bring an ISO SR in step with the ISOs that are stored; return what was, or is to be, done.

    What was not put there from here is never touched.

    :param delete: remove what was put there and is stored no more.
    :raises NotThere: there is no such SR.
    :raises ImageUnsupported: it is none for ISOs.
    """
    account = services.account()
    stored, damaged = [], []
    for values in properties.each(account, services.containers.isos):
        try:
            stored.append(_iso(values))
        except exceptions.PointInvalid as error:
            damaged.append(Step(REFUSE, values.get("name", ""), values.get("id", ""),
                                "its properties are damaged", error))
    with _reached(services, sr) as (session, where, transfer):
        held = isos.held(session, where)
        known = {(step.id, step.name) for step in damaged} | {
            (iso.image_id, iso.name) for iso in stored}
        ids = {image_id for image_id, _name in known}
        planned = _plan(held, stored, ids) + damaged + _gone(held, known, delete)
        if not dry_run:
            total = 2 * sum(step.iso.size for step in planned
                            if step.iso and step.action in (PUSH, REPLACE))
            done = 0
            for step in planned:
                base = done

                def shown(now: int, _of: int, base: int = base) -> None:
                    progress(base + now, total)

                steps.carry_out([step], lambda each: _do(
                    session, where, transfer, services, account, each, shown), workers=1)
                done += 2 * step.iso.size if step.iso else 0
    return [step for step in planned if step.action != KEEP]


@contextlib.contextmanager
def _reached(services: Services, sr: str) -> Iterator[Tuple[Session, Repository, str]]:
    """Give a session, the ISO SR and this transfer's id; what killed transfers left there goes."""
    assert services.xapi is not None
    with Session(services.xapi) as session:
        where = isos.find(session, sr)
        with leftovers.transfer(session, where.ref) as transfer:
            yield session, where, transfer


def _iso(values: Dict[str, str]) -> Iso:
    try:
        checksum = values["checksum"]
        if not checksum.startswith(_CHECKSUM):
            raise ValueError("checksum=%s" % checksum)
        return Iso(values["name"], values["id"], int(values["size"]), checksum[len(_CHECKSUM):])
    except (KeyError, ValueError) as error:
        raise exceptions.PointInvalid(
            "the properties of ISO %r are damaged: %r; store it again"
            % (values.get("name"), error)) from error


def _plan(held: List[Kept], wanted: List[Iso], ids: Set[str]) -> List[Step]:
    """Return what is to be done about the ISOs that are *wanted*.

    :param ids: image ids of all that are stored: a VDI that is one of those stays what it is,
        though the name it has there may be another's by now.
    """
    planned = []
    for iso in wanted:
        ours = tuple(kept for kept in held if kept.image_id == iso.image_id
                     or (kept.image_id is not None and kept.image_id not in ids
                         and kept.name == iso.name))
        good = [kept for kept in ours if kept.sha256 == iso.sha256]
        foreign = [kept for kept in held if kept.image_id is None and kept.name == iso.name]
        step = Step(PUSH, iso.name, iso.image_id, "not on the SR", iso=iso)
        if good:
            step.vdi = good[0].uuid
            step.vdis = tuple(kept for kept in ours if kept != good[0])
            step.action, step.why = KEEP, "is there"
            if good[0].name != iso.name:
                step.action, step.why = RENAME, "is called %r there" % good[0].name
            elif step.vdis:
                step.action, step.why = REPLACE, "is there, and %d older" % len(step.vdis)
        elif foreign:
            step.action, step.why = REFUSE, "VDI %s is called so" % foreign[0].uuid
            step.error = exceptions.NameRefused(
                "ISO %r is not put on the SR: VDI %s there is called so, and was not put there "
                "by this program; rename that VDI or the ISO" % (iso.name, foreign[0].uuid))
        elif ours:
            step.action, step.vdis = REPLACE, ours
            step.why = "another is stored under this name by now"
        planned.append(step)
    return planned


def _gone(held: List[Kept], known: Set[Tuple[str, str]], delete: bool) -> List[Step]:
    """Return what is to be done about what was pushed and is stored no more.

    :param known: image ids and names of what is stored.
    """
    ids, called = {each[0] for each in known}, {each[1] for each in known}
    return [Step(REMOVE if delete else SPARE, kept.name, kept.image_id,
                 "is stored no more" + ("" if delete else "; --delete removes it"), vdis=(kept,))
            for kept in held if kept.image_id is not None and kept.image_id not in ids
            and kept.name not in called]


def _do(session: Session, where: Repository, transfer: str, services: Services,
        account: Account, step: Step, progress: Progress) -> None:
    if step.action == SPARE:
        return
    if step.iso is not None and not step.vdi:
        iso = step.iso
        where = isos.find(session, where.uuid)  # how much room there is by now
        step.vdi = isos.put(session, where, iso, transfer, _bytes(services, account, iso),
                            lambda passed: progress(passed, 2 * iso.size))
    elif step.action == RENAME:
        isos.name(session, step.vdi, step.name)
    for kept in step.vdis:  # what they were replaced by is complete
        isos.remove(session, kept)


def _bytes(services: Services, account: Account, iso: Iso) -> Iterator[bytes]:
    """Yield a stored ISO's bytes.

    :raises StoreCorrupt: they are not those that were stored.
    """
    digest: Any = hashlib.sha256()
    with contextlib.closing(account.open(
            services.containers.isos, names.of_point(iso.image_id, names.ISO_VIEW))) as stream:
        while True:
            piece = stream.read(_PIECE)
            if not piece:
                break
            digest.update(piece)
            yield piece
    if digest.hexdigest() != iso.sha256:
        raise exceptions.StoreCorrupt(
            "ISO %r is not what was stored: its SHA-256 is %s, not %s; store it again"
            % (iso.name, digest.hexdigest(), iso.sha256))
