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

"""Disks that grow, that do not fit the flavor, and Nova's own check of their size."""

from __future__ import annotations

import io
import uuid

import pytest

from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout
from nova_swift_handler.vhd.reader import Block
from nova_swift_handler.vhd.writer import stream
from tests.functional.flows.site import MIB, Site
from tests.functional.flows.tenant import Failed

GIB = 1024 * MIB


def vhd(size: int) -> bytes:
    """Return a dynamic VHD of *size* bytes with little in it."""
    data = bytearray(b"grown" * 500000)[:2 * MIB]
    numbers = [0, size // (2 * MIB) - 1]
    layout = Layout(size, numbers, uuid.uuid4().bytes)
    file = io.BytesIO()
    file.writelines(stream(layout, (Block(number, FULL_BITMAP, data) for number in numbers)))
    return file.getvalue()


@pytest.mark.parametrize("gib", [2, 12])
def test_an_image_larger_than_the_flavor_is_refused_and_leaves_nothing(
        site: Site, gib: int) -> None:
    """Nova adds up what the chain takes on the SR, 10 GiB being allowed for; then it resizes.

    A thick volume takes its whole size, so on LVM the larger one fails the former check.
    """
    image = site.alice.upload(vhd(gib * GIB), "bare")
    server = site.order(image, "too-large")
    with pytest.raises(Failed) as caught:
        site.alice.settled(server)
    if site.kind == "lvm" and gib == 12:
        assert "larger" in str(caught.value) or "too small" in str(caught.value)
    site.delete(server)
    for cached in set(site.cached()) & {image}:
        site.xapi.VDI.destroy(site.xapi.VDI.get_by_uuid(site.cached()[cached]))
    site.alice.delete_image(image)


def test_a_large_disk_passes_novas_check_of_its_size(site: Site) -> None:
    """On thick LVM as well: a VDI of ours has no chain that would count on top."""
    image = site.alice.upload(vhd(16 * GIB), "bare")
    server = site.boot(image, "large", flavor="disk-16g")
    root = site.vdis()[site.root(server)]
    assert int(root["virtual_size"]) == 16 * GIB
    chain = site.control.chain(root["uuid"])
    # On EXT Nova has cloned it of its cache.
    assert len(chain) == (1 if site.env["cache_images"] == "none" else 2)
    site.delete(server)
    site.alice.delete_image(image)
    for cached in set(site.cached()) & {image}:
        site.xapi.VDI.destroy(site.xapi.VDI.get_by_uuid(site.cached()[cached]))


def test_a_disk_that_has_grown_between_two_snapshots(site: Site, template: str) -> None:
    """As by a resize: the volume is the same, the disk larger than its parent's."""
    server = site.boot(template, "growing")
    site.write(server, "small", [0, 3 * MIB], [GIB - 4096, 4096])
    first, small = site.stored(server), site.sha256(server)
    site.alice.act(server, "os-stop")
    site.alice.settled(server, "SHUTOFF")
    site.xapi.VDI.resize(site.xapi.VDI.get_by_uuid(site.root(server)), str(3 * GIB // 2))
    site.alice.act(server, "os-start")
    site.alice.settled(server)
    site.write(server, "large", [GIB + 512, 3 * MIB], [3 * GIB // 2 - 512, 512])
    second, large = site.stored(server), site.sha256(server)
    record = site.point(server, second)
    assert record["parent"] == first and record["virtual_size"] == 3 * GIB // 2
    assert record["sent_blocks"] <= 4
    copy = site.boot(second, "copy", flavor="disk-2g")
    # Nova makes it larger still: what was stored is followed by zeros.
    assert int(site.vdis()[site.root(copy)]["virtual_size"]) == 2 * GIB
    for offset, seed, length in ((0, "small", 3 * MIB), (GIB + 512, "large", 3 * MIB)):
        data = site.control.guest_read(site.root(copy), offset, length)
        assert data == site.control.guest_read(site.root(server), offset, length)
        assert any(data), seed
    assert site.sha256(site.boot(first, "copy")) == small
    assert small != large
