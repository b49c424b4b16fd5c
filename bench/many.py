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

"""A store of very many small points, made without their data: what lists look at, and no more.

In containers with a prefix of their own, so that nothing else comes upon them.  Their images are
written into Glance's database, since making one by its API takes as long as listing hundreds.
"""

from __future__ import annotations

import configparser
import contextlib
import datetime
import json
import sqlite3
import uuid
from concurrent import futures
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from bench.site import Site
from nova_swift_handler.catalog import containers, names, offered, summary
from nova_swift_handler.catalog.point import RANGES, SNAPSHOT, Point
from nova_swift_handler.sandbox import glance

VOLUME = 10
"""Points in each volume."""

_PREFIX = "many"
_CREATED = datetime.datetime(2026, 1, 1)
_THREADS = 8
_PROPERTIES = ("image_type", "instance_uuid", "user_id", "owner_id", "base_image_ref", "os_type",
               "image_state", "boot_roles")  # as Nova gives to a snapshot


class Many(NamedTuple):
    """The store.

    :ivar config: a configuration for ``swift-vhd``.
    :ivar names: its containers.
    :ivar volumes: ids of its volumes.
    """

    config: Path
    names: names.Containers
    volumes: List[str]


@contextlib.contextmanager
def points(site: Site, count: int) -> Iterator[Many]:
    """Give a store of *count* points, ten in each volume; its images go when the context is left.
    """
    where = names.Containers(_PREFIX)
    for want in containers.wanted(where, site.env["glance_store_acl"]):
        containers.apply(site.account, want, None, dry_run=False)
    made = [_point(where, number) for number in range(count)]
    for number in range(0, count, VOLUME):
        site.account.put_container(made[number].container, {})
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        for _done in pool.map(lambda point: _store(site, where, point), made):
            pass
    with _images(site, made):
        yield Many(_config(site), where, sorted({point.volume_id for point in made}))


def _point(where: names.Containers, number: int) -> Point:
    volume, sequence = str(uuid.UUID(int=1 << 64 | number // VOLUME)), number % VOLUME + 1
    image_id = _image_id(number)
    return Point(
        container=where.volume(volume), image_id=image_id, kind=SNAPSHOT, volume_id=volume,
        project_id="many", image_created_at=_CREATED.strftime("%Y-%m-%dT%H:%M:%SZ"),
        stored_at="Thu, 01 Jan 2026 00:00:00 GMT", sequence=sequence,
        parent=_image_id(number - 1) if sequence > 1 else None,
        parent_container=where.volume(volume) if sequence > 1 else None, base=None,
        virtual_size=20 << 30, vhd_size=3 << 30, blocks=1500, digest="0" * 64, origin={},
        upload_id=image_id, sent_blocks=30, sent_bytes=60 << 20, stitching=RANGES, head="0" * 32,
        regions=[], segments=[], writer="bench")


def _image_id(number: int) -> str:
    return str(uuid.UUID(int=2 << 64 | number))


def _store(site: Site, where: names.Containers, point: Point) -> None:
    account = site.account
    account.put_json(point.container, names.of_point(point.image_id, names.POINT),
                     point.as_json())
    account.put_json(where.index, point.image_id, {
        "format": 1, "image_id": point.image_id, "kind": point.kind,
        "container": point.container, "view": names.of_point(point.image_id, names.DISK_VIEW)},
        content_type=summary.content_type(summary.of_point(point)))
    account.put(where.images, point.image_id, b"{}", offered.VHD_CONTENT_TYPE)


def _config(site: Site) -> Path:
    config = configparser.RawConfigParser()
    config.read(site.env["config_file"])
    config.set("swift_vhd", "container_prefix", _PREFIX)
    path = site.directory / "many.conf"
    with path.open("w") as file:
        config.write(file)
    return path


@contextlib.contextmanager
def _images(site: Site, made: List[Point]) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(
            str(Path(site.env["root"]) / glance.NAME / glance.DATABASE), timeout=60)) as database:
        with database:
            _insert(database, "images", (_image(number, point)
                                         for number, point in enumerate(made)))
            _insert(database, "image_locations", (
                {**_times(), "image_id": point.image_id, "status": "active",
                 "value": "swift+http://u:k@127.0.0.1/v3/many-images/" + point.image_id,
                 "meta_data": json.dumps({"store": glance.STORE})} for point in made))
            _insert(database, "image_properties", (
                {**_times(), "image_id": point.image_id, "name": name, "value": point.volume_id}
                for point in made for name in _PROPERTIES))
        yield
        with database:
            for table, column in (("image_locations", "image_id"),
                                  ("image_properties", "image_id"), ("images", "id")):
                database.execute(
                    "DELETE FROM %s WHERE %s IN "  # noqa: S608  (its own words)
                    "(SELECT id FROM images WHERE owner = 'many')" % (table, column))


def _image(number: int, point: Point) -> Dict[str, Any]:
    return {**_times(), "id": point.image_id, "name": "snapshot-%d" % number,
            "size": point.vhd_size, "status": "active", "disk_format": "vhd",
            "container_format": "bare", "owner": "many", "min_disk": 20, "min_ram": 0,
            "protected": 0, "visibility": "private", "os_hidden": 0}


def _times() -> Dict[str, Any]:
    # As SQLAlchemy writes it, or pages would not end: Glance compares with a marker.
    created = _CREATED.strftime("%Y-%m-%d %H:%M:%S.%f")
    return {"created_at": created, "updated_at": created, "deleted": 0}


def _insert(database: sqlite3.Connection, table: str, rows: Iterator[Dict[str, Any]]) -> None:
    found: List[Tuple[Any, ...]] = []
    columns: Tuple[str, ...] = ()
    for row in rows:
        columns = tuple(row)
        found.append(tuple(row.values()))
    database.executemany("INSERT INTO %s (%s) VALUES (%s)" % (  # noqa: S608  (its own words)
        table, ", ".join(columns), ", ".join("?" * len(columns))), found)
