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

"""An image becomes a VDI that is its disk, or there is no VDI."""

from __future__ import annotations

import base64
import contextlib
import types
from typing import Any, Dict, Iterator, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer import boot
from nova_swift_handler.transfer.jobs import BootJob
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.signature import Signature
from nova_swift_handler.xapi.disk import discard
from tests.unit.store.memory import Object
from tests.unit.vhd import independent

from . import images
from .world import NAMES, World, noise

HELD = {0: 1, 2: 2, 3: 3}
BLOCKS = 5
OWNER, CREATED = "project", "2026-01-01T00:00:00Z"


class Hosts:
    """An SR, reached by what :mod:`boot` calls for it.

    :ivar disks: what each VDI on it holds.
    :ivar marked: the VDIs that are still a transfer's.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.disks: Dict[str, bytearray] = {}
        self.marked: Dict[str, str] = {}
        self.failures: Dict[str, exceptions.XapiError] = {}
        monkeypatch.setattr(boot, "Session", lambda settings: contextlib.nullcontext("session"))
        monkeypatch.setattr(boot.beforehand, "create", self._beforehand)
        monkeypatch.setattr(boot.marked, "create", self._create)
        monkeypatch.setattr(boot.marked, "release", self._release)
        monkeypatch.setattr(boot, "import_disk", self._import)
        monkeypatch.setattr("nova_swift_handler.xapi.disk.destroy_vdi", self._destroy)
        assert boot.disks.discard is discard

    def _fail(self, what: str) -> None:
        if what in self.failures:
            raise self.failures[what]

    def _beforehand(self, session: Any, sr_ref: str, size: int, blocks: Optional[int]) -> None:
        assert (sr_ref, self.disks) == ("sr", {})
        assert blocks == len(HELD)
        self._fail("room")

    def _create(self, session: Any, transfer_id: str, sr_ref: str, size: int, name: str,
                description: str, other_config: Dict[str, str]) -> str:
        self._fail("create")
        self.disks["vdi"] = bytearray(size)
        self.marked["vdi"] = transfer_id
        return "vdi"

    def _import(self, session: Any, uuid: str, length: int, chunks: Iterator[Any],
                progress: Any) -> None:
        vhd = bytearray()
        for chunk in chunks:
            vhd += chunk
            progress(len(vhd))
        if len(vhd) != length:
            raise exceptions.TransferCut("%d of %d bytes" % (len(vhd), length))
        independent.apply(bytes(vhd), self.disks[uuid])
        self._fail("import")

    def _release(self, session: Any, uuid: str) -> None:
        self._fail("release")
        del self.marked[uuid]

    def _destroy(self, session: Any, uuid: str) -> None:
        del self.disks[uuid]


class Images:
    """Glance, which has the same disk as a VHD of its own."""

    def __init__(self, point: Point, **said: Any) -> None:
        self.refusal: Optional[exceptions.GlanceError] = None
        self.image = types.SimpleNamespace(**{
            "id": point.image_id, "owner": OWNER, "created_at": CREATED, **said})
        self.vhd = independent.build(BLOCKS * independent.MIB2, {
            number: independent.Block(independent.full(independent.MIB2), noise(seed)[0])
            for number, seed in HELD.items()})
        self.opened: List[images.ImageStream] = []

    def check_download(self, image_id: str) -> Any:
        assert image_id == self.image.id
        if self.refusal is not None:
            raise self.refusal
        return self.image

    def open_data(self, image_id: str) -> Any:
        self.opened.append(images.ImageStream(self.vhd))
        return self.opened[-1]


class Booting:
    """A boot of the one image there is."""

    def __init__(self, hosts: Hosts, tmp_path: Any) -> None:
        self.hosts = hosts
        self.world = World()
        self.point = self.world.upload("v", HELD, blocks=BLOCKS)
        self.images = Images(self.point)
        self.report = Report(self._heard)
        self.events: List[str] = []
        self.asked: List[str] = []
        self.signature: Optional[Signature] = None
        self.stop_at: Optional[str] = None
        self._staging = str(tmp_path)

    def _heard(self, event: Dict[str, Any]) -> None:
        self.events.append(event["event"])
        if event["event"] == self.stop_at:
            self.report.stop("nobody wants it")

    def account(self, session: Any) -> Any:
        self.asked.append("swift")
        return self.world.account

    def run(self) -> Dict[str, Any]:
        services: Any = types.SimpleNamespace(
            credentials=types.SimpleNamespace(session=lambda: None), containers=NAMES,
            images=lambda user, session: self.images, account=self.account, xapi="host",
            transfer=TransferSettings(staging_dir=self._staging, download_threads=2))
        return boot.run(BootJob(
            services, None, self.point.image_id, "sr", "name", "root", {},
            signature=self.signature), self.report)

    def fails(self, kind: Any, match: str = ".") -> None:
        """See that it does, and leaves nothing."""
        with pytest.raises(kind, match=match):
            self.run()
        assert self.hosts.disks == {}

    def segment(self) -> Object:
        segment = self.point.segments[0]
        return self.world.account.objects[(segment.container, segment.name)]


@pytest.fixture
def booting(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Booting:
    return Booting(Hosts(monkeypatch), tmp_path)


def disk() -> bytes:
    result = bytearray(BLOCKS * independent.MIB2)
    for number, seed in HELD.items():
        result[number * independent.MIB2:(number + 1) * independent.MIB2] = noise(seed)[0]
    return bytes(result)


def test_what_is_stored_of_an_image_becomes_its_disk(booting: Booting) -> None:
    result = booting.run()
    assert result == {"vdi_uuid": "vdi", "source": "swift", "virtual_size": len(disk())}
    assert (booting.hosts.disks, booting.hosts.marked) == ({"vdi": disk()}, {})
    assert booting.images.opened == []
    assert booting.events[0] == "vdi", "it is told of before anything is written"


def test_what_is_not_stored_comes_from_glance(booting: Booting) -> None:
    del booting.world.account.objects[(NAMES.index, booting.point.image_id)]
    assert booting.run()["source"] == "glance"
    assert (booting.hosts.disks, booting.hosts.marked) == ({"vdi": disk()}, {})


@pytest.mark.parametrize("said", [{"owner": "another"}, {"created_at": "2026-01-02T00:00:00Z"},
                                  {"owner": None}])
def test_the_disk_of_an_image_that_had_the_id_before_is_nobodys(booting: Booting,
                                                                said: Dict[str, Any]) -> None:
    booting.images = Images(booting.point, **said)
    assert booting.run()["source"] == "glance"


def test_glance_is_asked_first_and_swift_not_at_all_if_it_refuses(booting: Booting) -> None:
    booting.images.refusal = exceptions.ImageUnavailable("not yours")
    booting.fails(exceptions.ImageUnavailable, "not yours")
    assert booting.asked == []


@pytest.mark.parametrize("where", [600, 2 * independent.MIB2])
def test_a_damaged_block_leaves_no_disk(booting: Booting, where: int) -> None:
    there = booting.segment()
    damaged = bytearray(there.data)
    damaged[where] ^= 1
    there.data = bytes(damaged)
    booting.fails(exceptions.StoreCorrupt, "SHA-256 differs")


def test_tables_that_are_not_all_of_the_disk_make_none(booting: Booting) -> None:
    name = names.of_point(booting.point.image_id, names.POINT)
    value = booting.world.account.get_json(booting.point.container, name)
    booting.world.account.put_json(booting.point.container, name, {**value, "digest": "0" * 64})
    booting.fails(exceptions.PointInvalid, "do not add up to its digest")


@pytest.mark.parametrize("step", ["room", "create", "import", "release"])
def test_whatever_the_host_fails_in_no_disk_is_left(booting: Booting, step: str) -> None:
    booting.hosts.failures[step] = exceptions.SrFull("failed in " + step)
    booting.fails(exceptions.SrFull, "failed in " + step)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("event", ["vdi", "progress"])
def test_a_boot_that_is_wanted_no_more_leaves_no_disk(booting: Booting, event: str,
                                                      stored: bool) -> None:
    if not stored:
        del booting.world.account.objects[(NAMES.index, booting.point.image_id)]
    booting.stop_at = event
    booting.fails(exceptions.TransferFailed, "nobody wants it")


def test_a_boot_that_is_wanted_no_more_ends_while_a_chain_is_staged(booting: Booting) -> None:
    """Nothing is sent to the host then, which would notice."""
    del booting.world.account.objects[(NAMES.index, booting.point.image_id)]
    booting.images.vhd = images.numbered(images.chain(2).vhds, [1, 0])
    booting.report.stop("nobody wants it")
    booting.fails(exceptions.TransferFailed, "nobody wants it")
    assert booting.images.opened[0].given == 0


def test_a_boot_that_is_given_up_after_its_last_byte_is_not_handed_over(
        booting: Booting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot.marked, "release",
                        lambda session, uuid: pytest.fail("nobody would own it"))
    original = boot.import_disk

    def then_stop(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        booting.report.stop("nobody wants it")

    monkeypatch.setattr(boot, "import_disk", then_stop)
    booting.fails(exceptions.TransferFailed, "nobody wants it")


def test_an_error_about_an_images_vhd_says_what_to_do(booting: Booting) -> None:
    del booting.world.account.objects[(NAMES.index, booting.point.image_id)]
    booting.images.vhd = booting.images.vhd[:-1] + b"x"
    booting.fails(exceptions.VhdError, "store the image again")


# -- signatures -------------------------------------------------------------------------------

def sign(data: bytes) -> Signature:
    pytest.importorskip("cursive")
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key: Any = rsa.generate_private_key(65537, 2048, default_backend())
    made = key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH),
                    hashes.SHA256())
    return Signature(base64.b64encode(made).decode("ascii"), "SHA-256", "RSA-PSS",
                     key.public_key().public_bytes(
                         serialization.Encoding.PEM,
                         serialization.PublicFormat.SubjectPublicKeyInfo))


def test_a_signature_is_of_what_glance_serves(booting: Booting) -> None:
    booting.signature = sign(booting.images.vhd)
    assert booting.run()["source"] == "glance"
    assert booting.hosts.disks == {"vdi": disk()}


def test_a_disk_that_was_not_signed_is_not_left(booting: Booting) -> None:
    booting.signature = sign(b"something else")
    booting.fails(exceptions.ImageCorrupt, "signature")
