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

"""ISOs are registered again by a Glance that fails, and while others change what is stored."""

from __future__ import annotations

import types
import uuid
from typing import Any, Dict, List, Mapping, Optional, Tuple

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import inventory, names, properties
from nova_swift_handler.catalog.point import TEMPLATE
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.glance.image import Image
from nova_swift_handler.images import claim, sync
from nova_swift_handler.images.named import ISO
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.report import Report
from tests.unit.transfer.world import NAMES, Source, World

PROJECT = "service"


class Glance:
    """Images in memory.

    :ivar deleted: ids that it keeps, and gives to no other image.
    :ivar fault: raised when an image is to be registered.
    :ivar down: whether images cannot be deleted.
    """

    def __init__(self) -> None:
        self.images: Dict[str, Image] = {}
        self.deleted: List[str] = []
        self.fault: Optional[Exception] = None
        self.down = False

    def sees_all(self) -> bool:
        return True

    def list(self, **filters: str) -> List[Image]:
        return [image for image in self.images.values() if image.id in filters["id"]]

    def exists(self, image_id: str) -> bool:
        return image_id in self.images

    def get(self, image_id: str) -> Image:
        if image_id not in self.images:
            raise exceptions.ImageUnavailable("404")
        return self.images[image_id]

    def claim(self, image_id: str, values: Mapping[str, Any]) -> Optional[Image]:
        if image_id in self.images or image_id in self.deleted:
            return None
        self.images[image_id] = Image.from_api({
            **values, "id": image_id, "status": "queued", "visibility": "private",
            "created_at": "2026-01-01T00:00:00Z"})
        return self.images[image_id]

    def choose(self, image_id: str) -> Tuple[str, str]:
        return "location", ""

    def register(self, image_id: str, published: Any) -> str:
        if self.fault is not None:
            raise self.fault
        return "location"

    def change(self, image_id: str, wanted: Mapping[str, Any]) -> Image:
        return self.images[image_id]

    def delete(self, image_id: str) -> None:
        if self.down:
            raise exceptions.GlanceUnreachable("down")
        del self.images[image_id]
        self.deleted.append(image_id)


class Shop(World):
    """An installation with ISOs, whose images Glance has lost."""

    def __init__(self) -> None:
        super().__init__()
        self.glance = Glance()
        session = types.SimpleNamespace(get_project_id=lambda: PROJECT)
        self.reached: Any = types.SimpleNamespace(
            containers=NAMES, credentials=types.SimpleNamespace(session=lambda: session),
            account=lambda session=None: self.account,
            images=lambda user, session=None: self.glance)

    def iso(self, name: str) -> str:
        """Store an ISO; return the id of its image."""
        image_id = str(uuid.uuid4())
        part = names.segment(str(uuid.uuid4()), 0)
        self.account.put(NAMES.isos, part, b"iso")
        self.account.put_manifest(NAMES.isos, names.of_point(image_id, names.ISO_VIEW), [
            Entry("/%s/%s" % (NAMES.isos, part), size=3)])
        properties.write(self.account, NAMES.isos, name, {
            "name": name, "id": image_id, "size": "3", "created_at": "2025-01-01T00:00:00Z",
            "checksum": "sha256:" + "0" * 64})
        self.glance.deleted.append(image_id)
        return image_id

    def sync(self, delete_lost: bool = False) -> Dict[str, sync.Step]:
        return {step.name: step for step in sync.sync(
            self.reached, ISO, dry_run=False, delete_lost=delete_lost, force=False,
            progress=lambda done, total: None)}


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize("down", [False, True])
def test_what_glance_may_yet_make_active_keeps_its_bytes(shop: Shop, down: bool) -> None:
    old = shop.iso("tools")
    shop.glance.fault, shop.glance.down = exceptions.ActivationPending("slow"), down
    error = shop.sync()["tools"].error
    kept = inventory.complete(shop.account, NAMES.isos) - {old}
    if down:
        assert isinstance(error, exceptions.OutcomeUnknown)
        assert kept == set(shop.glance.images) == {claim.following(old)}
        assert shop.account.headers(NAMES.images, claim.following(old))
    else:
        assert isinstance(error, exceptions.ActivationPending)
        assert kept == set(shop.glance.images) == set()
    shop.glance.fault, shop.glance.down = None, False
    shop.account.now += 10 * 3600
    assert shop.sync()["tools"].error is None
    values = properties.read(shop.account, NAMES.isos, "tools")
    assert values is not None
    assert inventory.complete(shop.account, NAMES.isos) == {values["id"]}


def test_a_name_that_another_has_got_meanwhile_is_not_forgotten(
        shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = shop.iso("tools")
    shop.account.delete(NAMES.isos, names.of_point(lost, names.ISO_VIEW))
    stored: List[str] = []
    carry_out = sync.steps.carry_out

    def meanwhile(*args: Any, **kwargs: Any) -> None:
        properties.remove(shop.account, NAMES.isos, lost)
        stored.append(shop.iso("tools"))
        carry_out(*args, **kwargs)

    monkeypatch.setattr(sync.steps, "carry_out", meanwhile)
    step = shop.sync(delete_lost=True)["tools"]
    assert (step.action, step.error) == (sync.LEAVE, None)
    values = properties.read(shop.account, NAMES.isos, "tools")
    assert values is not None and values["id"] == stored[0]


@pytest.mark.parametrize("delete_lost", [False, True])
@pytest.mark.parametrize("damage", [{"id": None}, {"id": ""}, {"size": None}, {"size": "x"}])
def test_properties_that_say_too_little_keep_nothing_else_from_being_done(
        shop: Shop, damage: Dict[str, Optional[str]], delete_lost: bool) -> None:
    shop.iso("broken")
    fine = shop.iso("fine")
    values = {**(properties.read(shop.account, NAMES.isos, "broken") or {}), **damage}
    properties.write(shop.account, NAMES.isos, "broken", {
        key: value for key, value in values.items() if value is not None})
    done = shop.sync(delete_lost)
    assert isinstance(done["broken"].error, exceptions.PointInvalid)
    assert properties.exists(shop.account, NAMES.isos, "broken")
    assert (done["fine"].action, done["fine"].error, done["fine"].id) == (
        sync.REGISTER, None, claim.following(fine))


# -- what it costs ------------------------------------------------------------------------------

def _template(shop: Shop, name: str) -> None:
    """Store a template whose image Glance has lost."""
    image_id = str(uuid.uuid4())
    subject = Subject(image_id, TEMPLATE, image_id, PROJECT, "2025-01-01T00:00:00Z",
                      {"name": name})
    with snapshot.stored(shop.services, shop.account, subject, Source({0: 1, 3: 2}, 5),
                         NAMES.templates, Report(lambda event: None), for_glance=True) as point:
        properties.write(shop.account, NAMES.templates, name, properties.of_template(point))
    shop.glance.deleted.append(image_id)


def _requests(kind: str, count: int, monkeypatch: pytest.MonkeyPatch) -> Dict[str, int]:
    """Bring so many in step; return the requests made, by what they were about."""
    shop = Shop()
    vars(shop.reached).update(store=shop.services.store, transfer=shop.services.transfer)
    for number in range(count):
        if kind == ISO:
            shop.iso("iso %d" % number)
        else:
            _template(shop, "template %d" % number)
    made: Dict[str, int] = {}

    def request(verb: str, container: str, name: str = "") -> None:
        what = "properties" if name.endswith(".properties") else name.partition("/")[0]
        made[verb + " " + what] = made.get(verb + " " + what, 0) + 1

    monkeypatch.setattr(shop.account, "request", request)
    done = sync.sync(shop.reached, kind, dry_run=False, delete_lost=False, force=False,
                     progress=lambda done, total: None)
    assert [(step.action, step.error) for step in done] == [(sync.REGISTER, None)] * count
    made["all"] = sum(made.values())
    return made


@pytest.mark.parametrize("kind", [ISO, TEMPLATE])
def test_the_cost_of_one_does_not_grow_with_how_many_there_are(
        kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (_requests(kind, count, monkeypatch) for count in (4, 24))
    assert many["all"] - few["all"] <= (55 if kind == TEMPLATE else 30) * 20
    # Once for all, and of each: before it begins, behind its new id, and before the old one goes.
    assert many["GET properties"] <= 4 * 24


def test_the_regions_of_a_disk_that_is_there_are_not_written_anew(
        monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PUT regions" not in _requests(TEMPLATE, 2, monkeypatch)
