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

"""Take templates and ISOs out of another cloud's catalogue: store and register them here.

What the catalogue says is checked on the way: sizes, and the SHA-256 of every file, before
anything is registered.  Who offers it decides what this cloud boots all the same, so take it by
https of somebody who is trusted.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from urllib import parse

from keystoneauth1.session import Session

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.point import TEMPLATE
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.glance.settings import IN_PLACE
from nova_swift_handler.images import (
    catalogue,
    claim,
    differences,
    entryfile,
    iso,
    named,
    steps,
    taking,
    template,
)
from nova_swift_handler.images.catalogue import Entry
from nova_swift_handler.images.differences import (
    ADOPT,
    LEAVE,
    PULL,
    REPLACE,
    SOURCE,
    SOURCE_SHA256,
    Step,
)
from nova_swift_handler.images.remote import Server
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.transfer.report import Report

LOG = logging.getLogger(__name__)

_AT_ONCE = 2
_LONGEST = 180

Progress = Callable[[int, int], None]


def sync(services: Services, kind: str, url: str, *, dry_run: bool,
         cafile: Optional[str], progress: Progress,
         moved_from: Optional[str] = None) -> List[Step]:
    """Do it; return what was, or in a dry run would be, done.  What fails is among that.

    :param kind: one of ``named.KINDS``.
    :param url: of the catalogue's index, or of the directory that it is in.
    :param cafile: certificates to verify that server's with; None is the system's.
    :param moved_from: where the same catalogue was before: what was taken there is from it.
    :raises CatalogueInvalid: that is none, or not one that this release understands.
    :raises TransferFailed: it cannot be had.
    """
    server = Server(_index(url), services.transfer.idle_timeout, cafile)
    former = moved_from and Server(_index(moved_from), services.transfer.idle_timeout).source
    offered = [entry for entry in catalogue.parse(server.small(catalogue.LARGEST), server.source)
               if entry.kind == kind]
    for entry in offered:
        differences.check_properties(entry)
    ours = services.credentials.session()
    account = services.account(ours)
    container = named.container_of(services.containers, kind)
    stored = properties.every(account, container)
    planned = [step for step in (
        differences.plan(entry, stored.get(entry.name), server.source, former)
        for entry in offered) if step is not None]
    if not dry_run:
        puller = _Puller(services, ours, account, server, container, _Sum(progress, [
            step.entry.size for step in planned
            if step.entry and step.action in (PULL, REPLACE)]))
        steps.carry_out(planned, puller.pull, workers=_AT_ONCE)
    return planned


def _index(url: str) -> str:
    """Return the index's address; *url* may be that of its directory."""
    try:
        parts = parse.urlsplit(url)
    except ValueError:
        return url  # which the server's object refuses, with what is wrong
    directory, _slash, last = parts.path.rpartition("/")
    if "." in last:
        return url
    return parse.urlunsplit(parts._replace(
        path="/".join([directory, *([last] if last else []), catalogue.INDEX])))


class _Puller:
    """Takes entries; may be shared by threads."""

    def __init__(self, services: Services, session: Session, account: Account, server: Server,
                 container: str, progress: _Sum) -> None:
        self._services = services
        self._session = session
        self._account = account
        self._server = server
        self._container = container
        self._progress = progress

    def pull(self, step: Step) -> None:
        """Take an entry.

        :raises SwiftVhdError: it failed; then nothing of it is left but blocks that the next
            attempt uses, and what had its name still has it.
        """
        entry = step.entry
        assert entry is not None
        seed = str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join((
            self._container, entry.name, entry.sha256))))
        try:
            with claim.announced(self._account, self._container, seed) as work:
                if properties.read(self._account, self._container, entry.name) != step.old:
                    raise claim.Busy("%r was changed, or taken, meanwhile" % entry.name)
                if step.action == ADOPT:
                    properties.write(self._account, self._container, entry.name, {
                        **(step.old or {}), SOURCE: self._server.source})
                else:
                    step.id = self._pull(entry, step.old, work)
        except claim.Busy as busy:
            step.action, step.why = LEAVE, str(busy)

    def _pull(self, entry: Entry, old: Optional[Dict[str, str]], work: claim.Announced) -> str:
        images = self._services.images(None, self._session)
        project = self._session.get_project_id()
        kept = _of_this_cloud(old or {})
        attributes = entry.attributes.changed(kept)
        image = claim.claim(images, work, {
            **entry.attributes.image(entry.name), "visibility": "private",
            "disk_format": "vhd" if entry.kind == TEMPLATE else "iso",
            "container_format": "bare"}, lambda there: there.owner == project, self._has_a_name)
        if image.status != "queued":
            raise exceptions.NameRefused(
                "image %s was made of %r before, is %s, and has no properties here any more; "
                "delete that image" % (image.id, entry.name, image.status))
        with template.undone(images, image.id):
            how, _why = images.choose(image.id)
            stored = self._template if entry.kind == TEMPLATE else self._iso
            with stored(entry, attributes, image, how in IN_PLACE) as (
                    values, published), self._described(
                    images, entry, {**values, SOURCE: self._server.source,
                                    SOURCE_SHA256: entry.sha256}, old):
                snapshot.register(images, image.id, published)
        self._offer(images, image.id, entry, kept)
        return image.id

    def _has_a_name(self, image: Image) -> bool:
        """Tell whether an image, which was made of an entry, is called something here.

        Something else, that is: who asks has seen that nothing of this content has the name.
        """
        return properties.of_image(self._account, self._container, image.id) is not None

    def _offer(self, images: ImageService, image_id: str, entry: Entry, kept: Attributes) -> None:
        """Offer an image as the one before it was."""
        wanted = kept.image(entry.name)
        if wanted == {"name": entry.name}:
            return
        try:
            images.change(image_id, wanted)
        except exceptions.GlanceError as error:
            LOG.warning("Image %s of %r is not offered as the version before it was; "
                        "`swift-vhd %s sync` does that: %s",
                        image_id, entry.name, entry.kind, error)

    @contextlib.contextmanager
    def _template(self, entry: Entry, attributes: Attributes, image: Image,
                  for_glance: bool) -> Iterator[Tuple[Dict[str, str], Any]]:
        subject = Subject(image.id, TEMPLATE, image.id, image.owner or "", image.created_at,
                          properties.origin(entry.name, attributes))
        report = Report(lambda event: None)
        disk = entryfile.EntryDisk(self._server, entry, self._services.transfer.download_threads,
                        self._progress.add)
        with snapshot.stored(self._services, self._account, subject, disk, self._container,
                             report, for_glance) as point:
            yield properties.of_template(point), snapshot.published(
                self._account, self._services, point, report)

    @contextlib.contextmanager
    def _iso(self, entry: Entry, attributes: Attributes, image: Image,
             for_glance: bool) -> Iterator[Tuple[Dict[str, str], Any]]:
        with entryfile.staged(self._server, entry, self._services.transfer,
                              self._progress.add) as path, iso.prepared(
                self._services, self._account, image, entry.name, path, attributes,
                lambda done, total: None, for_glance) as prepared:
            yield prepared

    @contextlib.contextmanager
    def _described(self, images: ImageService, entry: Entry, values: Dict[str, str],
                   old: Optional[Dict[str, str]]) -> Iterator[None]:
        """Write properties; what had the name before gets another, and is hidden in Glance.

        If the caller's block raises, all is as it was.
        """
        account, container = self._account, self._container
        aside = ""
        if old is not None:
            aside = self._free("%s@%s" % (entry.name[:_LONGEST], old.get(SOURCE_SHA256, "")[:12]),
                               old["id"])
            properties.write(account, container, aside, {**old, "name": aside})
        try:
            with taking.turn(account, container, entry.name) as turn:
                if properties.read(account, container, entry.name) != old:
                    raise claim.Busy("%r was changed, or given to something else, meanwhile"
                                     % entry.name)
                turn.check()
                properties.write(account, container, entry.name, values)
            yield
        except exceptions.OutcomeUnknown:
            raise
        except BaseException:
            self._give_back(entry.name, values["id"], old, aside)
            raise
        if old is None:
            return
        try:
            images.change(old["id"], {"name": aside, "os_hidden": True})
        except exceptions.ImageUnavailable:
            LOG.info("The former image %s of %r is gone", old["id"], entry.name)
        except exceptions.GlanceError as error:
            LOG.warning("The former image %s of %r still goes by that name; `swift-vhd %s sync` "
                        "gives it its new one, %r: %s", old["id"], entry.name, entry.kind, aside,
                        error)

    def _free(self, name: str, image_id: str) -> str:
        """Return a name that nothing but an image has: *name*, or one like it.

        A version that came back, and has gone again, is not the first of its name.
        """
        found, number = name, 1
        while (properties.read(self._account, self._container, found) or {}).get(
                "id", image_id) != image_id:
            number += 1
            found = "%s-%d" % (name, number)
        return found

    def _give_back(self, name: str, image_id: str, old: Optional[Dict[str, str]],
                   aside: str) -> None:
        account, container = self._account, self._container
        if old is None:
            taking.give_back(account, container, name, image_id)
            return
        if (properties.read(account, container, name) or {}).get("id") == image_id:
            properties.write(account, container, name, old)
        taking.give_back(account, container, aside, old["id"])


class _Sum:
    """Adds up what several downloads have passed."""

    def __init__(self, progress: Progress, sizes: List[int]) -> None:
        self._progress = progress
        self._total = sum(sizes)
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Note so many more bytes."""
        with self._lock:
            self._done += count
            self._progress(self._done, self._total)


def _of_this_cloud(old: Dict[str, str]) -> Attributes:
    """Return what goes over to a new version: who sees it, and whether it may be deleted.

    All else of an image is what the catalogue says of the version.

    :param old: properties of the one before it.
    """
    had = Attributes.parse(old)
    return Attributes(visibility=had.visibility, protected=had.protected)
