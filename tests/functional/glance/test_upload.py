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

"""Registration by upload on a real Glance."""

from __future__ import annotations

import io
import tarfile
from typing import Callable

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.glance.service import Image
from tests.functional.glance.site import SIZE, Site

Snapshot = Callable[..., Image]


def test_the_image_is_an_archive_of_the_vhd_that_stock_handlers_know(
        site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(registration="upload")
    assert images.register(image.id, disk.published()) == "upload"
    found = images.get(image.id)
    assert (found.status, found.disk_format, found.container_format) == ("active", "vhd", "ovf")
    with images.open_data(image.id) as data, tarfile.open(fileobj=data, mode="r|gz") as tar:
        member = tar.next()
        assert member is not None and member.name == "0.vhd"
        vhd = tar.extractfile(member)
        assert vhd is not None and vhd.read() == disk.data
        assert tar.next() is None


def test_a_vhd_that_cannot_be_read_to_its_end_makes_no_image(
        site: Site, snapshot: Snapshot) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell() >= 2 << 20:
                raise exceptions.StoreUnreachable("Swift went away")
            return super().read(size)

    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(registration="upload")
    with pytest.raises(exceptions.StoreUnreachable, match="Swift went away"):
        images.register(image.id, disk.published(open=lambda: (Broken(disk.data), SIZE)))
    with pytest.raises(exceptions.ImageUnavailable):
        images.open_data(image.id)


def test_an_image_deleted_during_its_upload_is_unavailable(
        site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(registration="upload")

    class Deleting(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell() >= 2 << 20:
                site.images().delete(image.id)
            return super().read(size)

    with pytest.raises(exceptions.ImageUnavailable):
        images.register(image.id, disk.published(open=lambda: (Deleting(disk.data), SIZE)))


def test_an_active_image_is_not_uploaded_again(site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(registration="upload")
    images.register(image.id, disk.published())
    with pytest.raises(exceptions.RegistrationFailed, match="it is 'active'"):
        images.register(image.id, disk.published())
    assert images.get(image.id).status == "active"
