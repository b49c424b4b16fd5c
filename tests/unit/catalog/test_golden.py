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

"""What was stored once must be read for ever, and what stores it must write the same.

``golden`` holds what two snapshots and an export of a disk of three blocks left in Swift, and the
first one's announcement: each object under its name, ``/`` being ``+``, compressed with gzip if it
is binary.  Of stitched objects it holds the manifests; their etags are not Swift's.  Closings are
there as they are before compression.
Should a release write something else on purpose, doc/source/format.rst says what that means.
"""

from __future__ import annotations

import dataclasses
import email.utils
import gzip
import json
import pathlib
import uuid
import zlib
from typing import Dict, Iterator

import pytest

from nova_swift_handler.catalog import closing, names, publish
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.catalog.region import Region
from nova_swift_handler.catalog.segment import STRIDE, Trailer
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.transfer import jobs, snapshot, upload
from nova_swift_handler.transfer.report import Report
from tests.unit.store.memory import MemoryAccount
from tests.unit.transfer.model import MIB2, Content, Source
from tests.unit.transfer.world import ABILITIES

_GOLDEN = pathlib.Path(__file__).parent / "golden"
_NAMES = names.Containers("vhd")
_VOLUME = _NAMES.volume("00000000-0000-4000-8000-00000000000a")
_SIZE = 3 * MIB2 - 512
_FIRST = "00000000-0000-4000-8000-000000000001"
_SECOND = "00000000-0000-4000-8000-000000000002"
_EXPORT = "00000000-0000-4000-8000-000000000003"
_DISKS = {_FIRST: Content(_SIZE, ((0, 1), (2, 2))), _SECOND: Content(_SIZE, ((1, 3), (2, 2)))}
_DISKS[_EXPORT] = _DISKS[_SECOND]


class Recorded(MemoryAccount):
    """A Swift that keeps the announcements too."""

    def __init__(self) -> None:
        super().__init__()
        self.intents: Dict[str, bytes] = {}

    def request(self, verb: str, container: str, name: str = "") -> None:
        if verb == "DELETE" and name.startswith(names.INTENTS):
            self.intents[name] = self.objects[container, name].data

    def everything(self) -> Dict[str, bytes]:
        """Return all that was stored, by container and name."""
        found = {"%s/%s" % key: self._text(each.entries is not None, *key)
                 for key, each in self.objects.items()}
        name, data = min(self.intents.items())
        return {**found, "%s/%s" % (_VOLUME, name): data}

    def _text(self, stitched: bool, container: str, name: str) -> bytes:
        if stitched:
            return json.dumps([dataclasses.asdict(entry) if entry.path is None else entry.as_json()
                               for entry in self.manifest(container, name)],
                              default=bytes.hex, indent=1).encode("ascii")
        data = self.get(container, name)
        return zlib.decompress(data) if name.endswith("/closing") else data


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """An account in which the snapshots and the export were stored."""
    made = Recorded()
    uploads = (uuid.UUID("00000000-0000-4000-8000-0000000000%02x" % number)
               for number in range(0xe1, 0xff))
    monkeypatch.setattr(upload.uuid, "uuid4", lambda: next(uploads))
    monkeypatch.setattr(publish, "writer", lambda: "nova_swift_handler 1.0")
    monkeypatch.setattr(snapshot.probe, "abilities", lambda account, container: ABILITIES)
    for container in (_NAMES.index, _NAMES.images):
        made.put_container(container, {})
    for image_id, content in _DISKS.items():
        _store(made, image_id, content)
    return made


def _store(account: MemoryAccount, image_id: str, content: Content) -> None:
    services = jobs.Services(
        Credentials("password", {}), StoreSettings(_NAMES.prefix), TransferSettings(
            upload_threads=1), GlanceSettings())
    volume = _VOLUME.partition("-volume-")[2]
    subject = Subject(image_id, "snapshot", volume, "a-project", "2026-01-01T00:00:00Z",
                      {"instance_name": "instance-00000001"})
    if image_id == _EXPORT:
        subject = Subject(image_id, "export", volume, "", "", {"vdi": volume}, 7 * 86400)
    with snapshot.stored(services, account, subject, Source(content, []), _VOLUME,
                         Report(lambda event: None), for_glance=image_id != _EXPORT):
        pass


def _kept() -> Iterator[str]:
    """Yield the names of the golden objects."""
    for path in sorted(_GOLDEN.iterdir()):
        yield path.name.replace("+", "/").replace(".gz", "")


def _golden(name: str) -> bytes:
    path = _GOLDEN / name.replace("/", "+")
    return path.read_bytes() if path.exists() else gzip.decompress(
        path.with_name(path.name + ".gz").read_bytes())


def _one(part: str) -> bytes:
    found = [name for name in _kept() if part in name]
    assert len(found) == 1, found
    return _golden(found[0])


def test_what_is_written_is_what_was_always_written(account: Recorded) -> None:
    written = account.everything()
    assert sorted(written) == sorted(_kept())
    for name, data in written.items():
        assert data == _golden(name), name


def test_kept_points_and_tables_are_read() -> None:
    for image_id in _DISKS:
        point = Point.parse(json.loads(_one("points/%s/point.json" % image_id)))
        assert point.image_id == image_id
        places = [place for ref in point.regions
                  for place in Region.parse(_golden("%s/%s" % (_VOLUME, ref.table))).places]
        assert [place.block for place in places] == [
            number for number, _data in _DISKS[image_id].blocks()]
        assert _one("index/%s" % image_id)
        again, runs = closing.parse(zlib.compress(
            _golden("%s/%s" % (_VOLUME, names.closing(point.upload_id)))))
        assert again == point
        assert [run.first for run in runs] == [place.block for place in places]
    point = Point.parse(json.loads(_one("points/%s/point.json" % _SECOND)))
    assert (point.parent, point.sequence, point.sent_blocks) == (_FIRST, 2, 1)
    assert (point.kind, point.expires_at) == ("snapshot", None)
    point = Point.parse(json.loads(_one("points/%s/point.json" % _EXPORT)))
    assert point.kind == "export"
    stored = email.utils.parsedate_to_datetime(point.stored_at).timestamp()
    assert point.expires_at == stored + 7 * 86400


def test_a_kept_segment_is_read() -> None:
    point = Point.parse(json.loads(_one("points/%s/point.json" % _FIRST)))
    data = _golden(point.segments[0].path[1:])
    trailer = Trailer.parse(data)
    assert (str(trailer.upload_id), trailer.virtual_size) == (point.upload_id, _SIZE)
    for slot, (number, _digest) in enumerate(trailer.entries):
        assert data[slot * STRIDE + 512:(slot + 1) * STRIDE] == dict(
            _DISKS[_FIRST].blocks())[number]


def test_a_kept_announcement_says_whose_it_is() -> None:
    assert json.loads(_one("/intents/")) == {
        "format": 1, "kind": "upload", "image_id": _FIRST, "inherits": []}


def write_all(account: Recorded) -> None:
    """Write the golden files; for the day on which the format is changed on purpose."""
    _GOLDEN.mkdir(exist_ok=True)
    for name, data in account.everything().items():
        path = _GOLDEN / name.replace("/", "+")
        if data[:1] in b"[{" and b"\0" not in data:
            path.write_bytes(data)
        else:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(data, mtime=0))
