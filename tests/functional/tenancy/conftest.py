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

"""A victim's disk, and what somebody of another project can do."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.transfer import process
from tests.functional.handler.bench import Bench, Host
from tests.functional.handler.conftest import (  # noqa: F401  (fixtures)
    bench,
    ext,
    hosts,
    quiet,
    sessions,
)


class Victim(NamedTuple):
    """A disk of alice's that is stored, and all the names that lead to it.

    :ivar sha256: of the disk.
    :ivar container: that of its volume.
    :ivar objects: container/name of each object that holds something of it.
    """

    image_id: str
    sha256: str
    container: str
    objects: List[str]


@pytest.fixture
def victim(bench: Bench, ext: Host) -> Victim:  # noqa: F811
    image_id, sha256 = bench.stored(ext, seed="alice's secrets")
    container = bench.swift("GET", "vhd-index/" + image_id).json()["container"]
    names = [row["name"] for row in bench.swift("GET", container + "?format=json").json()]
    return Victim(image_id, sha256, container, [
        "vhd-index/" + image_id, "vhd-images/" + image_id,
        *("%s/%s" % (container, name) for name in names)])


def booted(bench: Bench, host: Host, image_id: str,  # noqa: F811
           user: str = "bob") -> Optional[str]:
    """Return the SHA-256 of the disk that *user* boots of an image; None if it gets none."""
    try:
        made = process.run(bench.boot_job(host, image_id, user=bench.token(user)))
    except exceptions.ImageUnavailable:
        return None
    return host.control.guest_sha256(made["vdi_uuid"])


def own_disk(bench: Bench, host: Host, seed: str = "bob's own") -> Dict[str, Any]:  # noqa: F811
    """Make a disk of bob's; return its VDI and the SHA-256 of what is on it."""
    vdi = host.disk(seed=seed)
    return {"vdi": vdi, "sha256": host.control.guest_sha256(vdi)}
