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

"""An ISO image becomes an active image whose bytes Glance can vouch for."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.images import iso
from tests.functional.handler.bench import MIB, Bench, Host

_DESCRIPTORS = 0x8000


def test_glance_is_told_the_hash_of_an_iso(bench: Bench, ext: Host, tmp_path: Path) -> None:
    data = bytes(_DESCRIPTORS) + b"\x01CD001\x01" + os.urandom(9 * MIB)
    (tmp_path / "tools.iso").write_bytes(data)
    values = iso.create(
        bench.services(ext, registration="location"), "tools-%s" % uuid.uuid4(),
        str(tmp_path / "tools.iso"), attributes=Attributes("private"),
        progress=lambda done, total: None)
    image = bench.image(values["id"])
    assert image["status"] == "active"
    assert (image["os_hash_algo"], image["os_hash_value"]) == (
        "sha256", hashlib.sha256(data).hexdigest())
    got = bench.glance("GET", "/v2/images/%s/file" % values["id"], "admin").content
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    bench.delete_image(values["id"])
