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

"""A person with the plain ``swift`` client, and none of this package, gets every disk back."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any, Dict

from tests.unit.vhd.conftest import QemuImg

from .conftest import Place


class Swift:
    """The command ``swift`` of python-swiftclient, in a directory of its own."""

    def __init__(self, place: Place, directory: pathlib.Path) -> None:
        self._directory = directory
        options: Dict[str, Any] = place.shop.site.credentials().options
        self._environment = dict(os.environ, ST_AUTH_VERSION="3", **{
            "OS_" + name.upper(): str(value) for name, value in options.items()})

    def run(self, *arguments: str) -> str:
        """Run it; an error of its own fails the test."""
        done = subprocess.run(
            [str(pathlib.Path(sys.executable).with_name("swift")), *arguments], check=False,
            cwd=self._directory, env=self._environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout


def test_a_disk_is_downloaded_whole(place: Place, tmp_path: pathlib.Path, libvhdi: Any,
                                    qemu_img: QemuImg) -> None:
    swift = Swift(place, tmp_path)
    listed = swift.run("list", place.points[1].container, "--prefix", "points/")
    view = "points/%s/disk.vhd" % place.ids[1]
    assert view in listed.split()
    swift.run("download", place.points[1].container, view, "--output", "disk.vhd")
    file = libvhdi.file()
    file.open(str(tmp_path / "disk.vhd"))
    assert file.read_buffer_at_offset(len(place.disks[1]), 0) == place.disks[1]
    file.close()
    assert qemu_img.raw(tmp_path / "disk.vhd") == place.disks[1]


def test_a_chain_is_downloaded_and_opens_by_its_names(place: Place, tmp_path: pathlib.Path,
                                                      libvhdi: Any) -> None:
    swift = Swift(place, tmp_path)
    for image_id in place.ids:
        swift.run("download", place.points[0].container, "points/%s/delta.vhd" % image_id)
    child, parent = libvhdi.file(), libvhdi.file()
    child.open(str(tmp_path / "points" / place.ids[1] / "delta.vhd"))
    found = child.get_parent_filename().replace("\\", "/")
    # Where the child says its parent lies, that file lies.
    where = tmp_path / "points" / place.ids[1] / found
    assert where.resolve() == (tmp_path / "points" / place.ids[0] / "delta.vhd").resolve()
    parent.open(str(where))
    child.set_parent(parent)
    assert child.read_buffer_at_offset(len(place.disks[1]), 0) == place.disks[1]
    assert parent.read_buffer_at_offset(len(place.disks[0]), 0) == place.disks[0]
