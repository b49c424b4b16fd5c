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

"""An ISO image in a file becomes an object of the ISOs' container, and an image."""

from __future__ import annotations

import calendar
import contextlib
import functools
import hashlib
import os
import uuid
from concurrent import futures
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Tuple, cast

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import address, containers, names, offered, summary
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.intent import Intent
from nova_swift_handler.catalog.publish import Publisher
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.settings import IN_PLACE
from nova_swift_handler.images import begun, template
from nova_swift_handler.store import lifetime, probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.transfer.sources import rawfile
from nova_swift_handler.transfer.sources.source import unchanged

_PIECE = 1024 * 1024
_MAGIC_AT = 0x8001
_MAGIC = b"CD001"


def create(services: Services, name: str, path: str, *, attributes: Attributes,
           progress: Callable[[int, int], None]) -> Dict[str, str]:
    """Store the ISO at *path* as *name*; return its properties.

    :raises NameRefused: the name cannot be one, or is taken.
    :raises ImageUnsupported: the file is no ISO 9660 image.
    :raises SwiftVhdError: something else failed; then nothing of the ISO is left.
    """
    check(path)
    ours = services.credentials.session()
    account = services.account(ours)
    container = services.containers.isos
    template.check_free(account, container, name)
    containers.ensure(account, services.containers, container, services.store)
    images = services.images(None, ours)
    begun.remove_abandoned(images, name, ours.get_project_id())
    with begun.announced() as mark, template.new_image(
            images, name, "iso", "bare", attributes, mark=mark) as image:
        how, _why = images.choose(image.id)
        with prepared(services, account, image, name, path, attributes, progress,
                      how in IN_PLACE) as (values, published):
            with template.described(account, container, name, values, images) as check_held:
                snapshot.register(images, image.id, published)
                check_held()
                template.finish(images, image.id, attributes)
            return values


@contextlib.contextmanager
def prepared(services: Services, account: Account, image: Image, name: str, path: str,
             attributes: Attributes, progress: Callable[[int, int], None],
             for_glance: bool) -> Iterator[Tuple[Dict[str, str], Published]]:
    """Give the properties of an ISO that is stored now, and what *image* is registered with.

    If the caller's block raises, it is taken back.

    :param for_glance: whether Glance is to read it in place.
    :raises ImageUnsupported: the file is no ISO 9660 image.
    """
    size = check(path)
    with _stored(services, account, image.id, path, size, progress, for_glance) as (view, digest):
        yield {"name": name, "id": image.id, "kind": "iso", "size": str(size),
               "checksum": "sha256:" + digest, "created_at": image.created_at,
               **attributes.lines()}, published_of(
                   account, services, image.id, view, size, "sha256:" + digest)


def published_of(account: Account, services: Services, image_id: str, view: str, size: int,
                 checksum: str) -> Published:
    """Return a stored ISO as ``ImageService.register`` takes it.

    :param checksum: as its properties have it.
    """
    def open_iso() -> Tuple[BinaryIO, int]:
        stream = account.open(services.containers.isos, view)
        return cast(BinaryIO, stream), stream.length

    algorithm, _, digest = checksum.partition(":")
    return Published(size, services.containers.images, image_id, open_iso,
                     os_hash=(algorithm, digest) if digest else None, disk_format="iso",
                     address=functools.partial(
                         address.make, account, services.containers, image_id))


def check(path: str) -> int:
    """Return the size in bytes of the ISO 9660 image at *path*.

    The volume descriptors begin at sector 16 of 2048 bytes, each with a type and "CD001"
    (ECMA-119, 8.1).

    :raises ImageUnsupported: it is none.
    :raises TransferFailed: it cannot be read.
    """
    with rawfile.readable([path]), open(path, "rb") as file:
        file.seek(_MAGIC_AT)
        found = file.read(len(_MAGIC))
    if found != _MAGIC:
        raise exceptions.ImageUnsupported(
            "%s is no ISO image: at byte %d it has %r, not %r" % (path, _MAGIC_AT, found, _MAGIC))
    return os.path.getsize(path)


@contextlib.contextmanager
def _stored(services: Services, account: Account, image_id: str, path: str, size: int,
            progress: Callable[[int, int], None],
            for_glance: bool) -> Iterator[Tuple[str, str]]:
    """Give (object name, SHA-256) of the stored ISO; taken back if the caller's block raises."""
    container = services.containers.isos
    abilities = probe.abilities(account, services.containers.index)
    publisher = Publisher(account, services.containers, container, abilities)
    upload_id = str(uuid.uuid4())
    step = services.store.segment_size
    parts = [(number, offset, min(step, size - offset))
             for number, offset in enumerate(range(0, size, step))]
    try:
        # Until it is registered: who brings Glance in step leaves alone what is being stored.
        with Intent(account, container, upload_id, image_id) as announced:
            # It is read twice, to be hashed and to be sent.
            with unchanged(path), futures.ThreadPoolExecutor(
                    services.transfer.upload_threads) as pool:
                digest = pool.submit(_sha256, path, size)
                entries: List[Entry] = []
                put = functools.partial(_put_part, account, publisher, container, upload_id, path)
                for entry in pool.map(put, parts):
                    entries.append(entry)
                    progress(sum(part.size for part in entries), size)
            view = names.of_point(image_id, names.ISO_VIEW)
            publisher.put_manifest(view, entries, offered.ISO_CONTENT_TYPE)
            if announced.lapsed():
                for number, _offset, _size in parts:
                    lifetime.pardon(account, container, names.segment(upload_id, number))
            publisher.enter(summary.of_iso(
                image_id, container, size,
                calendar.timegm(account.clock(container).utctimetuple())), view)
            if for_glance:
                publisher.offer(image_id, view, size, offered.ISO_CONTENT_TYPE)
            yield view, digest.result()
    except exceptions.OutcomeUnknown:
        raise
    except BaseException:
        publisher.withdraw()
        raise


def _put_part(account: Account, publisher: Publisher, container: str, upload_id: str, path: str,
              part: Tuple[int, int, int]) -> Entry:
    number, offset, size = part
    name = names.segment(upload_id, number)
    publisher.note(container, name)
    for last_try in (False, True):
        try:
            put = account.put_stream(container, name, _range(path, offset, size))
            return Entry("/%s/%s" % (container, name), put.etag, put.size)
        except exceptions.StoreUnreachable:
            if last_try:
                raise
    raise AssertionError("unreachable")


def _range(path: str, offset: int, size: int) -> Iterator[bytes]:
    with open(path, "rb") as file:
        file.seek(offset)
        while size:
            piece = file.read(min(_PIECE, size))
            if not piece:
                raise exceptions.ImageUnsupported("%s became shorter while it was read" % path)
            size -= len(piece)
            yield piece


def _sha256(path: str, size: int) -> str:
    digest: Any = hashlib.sha256()
    for piece in _range(path, 0, size):
        digest.update(piece)
    return str(digest.hexdigest())
