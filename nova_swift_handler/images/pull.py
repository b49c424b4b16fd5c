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
import dataclasses
import hashlib
import logging
import os
import threading
import uuid
from typing import Any, Callable, Collection, Dict, Iterator, List, Optional, Tuple
from urllib import parse

from keystoneauth1.session import Session

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.point import TEMPLATE
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.files import tempdir
from nova_swift_handler.glance import image as glance_image
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.glance.settings import IN_PLACE
from nova_swift_handler.images import catalogue, claim, iso, named, steps, taking, template
from nova_swift_handler.images.catalogue import Entry
from nova_swift_handler.images.remote import Download, Server
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource, check_whole, trim
from nova_swift_handler.vhd.reader import StreamReader

LOG = logging.getLogger(__name__)

PULL, REPLACE, ADOPT, REFUSE, LEAVE = "pull", "replace", "adopt", "refused", "left alone"

SOURCE, SOURCE_SHA256 = "source", "source_sha256"
"""Keys of ``<name>.properties``: the catalogue it is from, and the digest that had."""

_AT_ONCE = 2
_PIECE = 1024 * 1024
_LONGEST = 180

Progress = Callable[[int, int], None]


@dataclasses.dataclass
class Step(steps.Step):
    """What is to be done about an entry.

    :ivar old: the properties of what has its name here.
    """

    entry: Optional[Entry] = None
    old: Optional[Dict[str, str]] = None


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
        _check_properties(entry)
    ours = services.credentials.session()
    account = services.account(ours)
    container = named.container_of(services.containers, kind)
    stored = properties.every(account, container)
    planned = [step for step in (
        _plan(entry, stored.get(entry.name), server.source, former) for entry in offered)
        if step is not None]
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


def _plan(entry: Entry, known: Optional[Dict[str, str]], source: str,
          former: Optional[str]) -> Optional[Step]:
    step = Step(PULL, entry.name, "", "there is none of this name here", entry=entry, old=known)
    if known is None:
        return step
    step.id = known.get("id", "")
    if SOURCE not in known or known[SOURCE] not in (source, former):
        step.action, step.why = REFUSE, "the name is taken by something else"
        step.error = exceptions.NameRefused(
            "%s %r is not taken from %s: what is called so here is %s; rename that (`swift-vhd %s "
            "set --name`) or delete it%s" % (
                entry.kind, entry.name, source, "from " + known[SOURCE] if SOURCE in known
                else "this cloud's own", entry.kind, ", or, if that is the same catalogue at its "
                "former address, say --moved-from" if SOURCE in known else ""))
        return step
    if known.get(SOURCE_SHA256) == entry.sha256:
        if known[SOURCE] == source:
            return None
        step.action, step.why = ADOPT, "taken from there when it was elsewhere"
        return step
    step.action, step.why = REPLACE, "the catalogue has another version"
    return step


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
        disk = _Offered(self._server, entry, self._services.transfer.download_threads,
                        self._progress.add)
        with snapshot.stored(self._services, self._account, subject, disk, self._container,
                             report, for_glance) as point:
            yield properties.of_template(point), snapshot.published(
                self._account, self._services, point, report)

    @contextlib.contextmanager
    def _iso(self, entry: Entry, attributes: Attributes, image: Image,
             for_glance: bool) -> Iterator[Tuple[Dict[str, str], Any]]:
        settings = self._services.transfer
        if entry.size > settings.staging_limit:
            raise exceptions.StagingFull(
                "ISO %r of %d bytes is larger than staging_limit in [swift_vhd] allows"
                % (entry.name, entry.size))
        with tempdir.LockedDirectory(settings.staging_dir) as staging:
            path = os.path.join(staging.path, "iso")
            try:
                with open(path, "wb") as file, Download(
                        self._server, entry.url, entry.size,
                        settings.download_threads) as data:
                    hashed = _Hashed(data, entry, self._progress.add)
                    for piece in iter(lambda: hashed.read(_PIECE), b""):
                        file.write(piece)
                    hashed.check()
            except OSError as error:
                raise exceptions.StagingFull(
                    "ISO %r cannot be staged in %s: %s; make room or set staging_dir in "
                    "[swift_vhd]" % (entry.name, settings.staging_dir, error.strerror)) from error
            with iso.prepared(self._services, self._account, image, entry.name, path,
                              attributes, lambda done, total: None,
                              for_glance) as prepared:
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


class _Offered(DiskSource):
    """The VHD of an entry, as it is downloaded."""

    def __init__(self, server: Server, entry: Entry, threads: int,
                 passed: Callable[[int], None]) -> None:
        self._server = server
        self._entry = entry
        self._threads = threads
        self._passed = passed
        self.virtual_size = entry.virtual_size

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`; that the digest is right is known when all has come."""
        entry = self._entry
        what = "template %r of %s" % (entry.name, self._server.source)
        with Download(self._server, entry.url, entry.size, self._threads) as data:
            hashed = _Hashed(data, entry, self._passed)
            reader = StreamReader(hashed, entry.size)
            check_whole(reader, what)
            if reader.footer.virtual_size != entry.virtual_size:
                raise exceptions.CatalogueInvalid(
                    "%s is a disk of %d bytes, the catalogue says %d"
                    % (what, reader.footer.virtual_size, entry.virtual_size))
            for block in reader.blocks():
                if wanted is None or block.number in wanted:
                    yield block.number, trim(block.number, block.normalised(), self.virtual_size)
            hashed.check()


class _Hashed:
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: Download, entry: Entry, passed: Callable[[int], None]) -> None:
        self._stream = stream
        self._entry = entry
        self._passed = passed
        self._digest: Any = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end."""
        piece = self._stream.read(size)
        self._digest.update(piece)
        self._passed(len(piece))
        return piece

    def check(self) -> None:
        """See that what was read is what the catalogue says.

        :raises CatalogueInvalid: it is not.
        """
        if self._digest.hexdigest() != self._entry.sha256:
            raise exceptions.CatalogueInvalid(
                "%s %r is not taken: the SHA-256 of what came is %s, the catalogue says %s; "
                "nothing of it was registered" % (self._entry.kind, self._entry.name,
                                                  self._digest.hexdigest(), self._entry.sha256))


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


def _check_properties(entry: Entry) -> None:
    """Refuse properties that would be something else of an image.

    :raises CatalogueInvalid: one would.
    """
    wrong = [key for key in entry.attributes.properties
             if key in glance_image.BASE or key.startswith("os_glance")]
    if wrong:
        raise exceptions.CatalogueInvalid(
            "the catalogue's entry %r sets %s, which is no property of one's own choice"
            % (entry.name, ", ".join(repr(key) for key in sorted(wrong))))

