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

"""Nova's cache of images on the SR: what it makes of the VDIs that it is handed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from nova_swift_handler.sandbox.demo import disks
from tests.functional.flows.conftest import make_template
from tests.functional.flows.site import MIB, Site
from tests.functional.flows.tenant import eventually

# Started, and not imported: that would put eventlet's patches into this process as well.
_PURGE = Path(__file__).with_name("purge.py")

OURS = "swift_vhd"
"""What the names of our own marks begin with."""


@pytest.fixture
def fresh(cloud: Any, tmp_path: Path) -> str:
    """A template that is not cached yet."""
    return make_template(cloud, disks.operating_system(str(tmp_path)), tmp_path)


def purged(site: Site, *options: str) -> List[str]:
    """Let Nova purge its cache; return what it destroyed."""
    done = subprocess.run(
        [sys.executable, str(_PURGE), site.env["nova_conf"], *options],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return list(json.loads(done.stdout.splitlines()[-1]))


def boot_and_see(site: Site, image: str) -> List[str]:
    """Boot a server; return the calls of XAPI that made its disk."""
    site.control.calls(clear=True)
    site.boot(image)
    return [call for call in site.control.calls()
            if call in ("VDI.create", "VDI.clone", "VDI.copy")]


def test_the_second_server_of_an_image_is_cloned_from_the_cache(ext: Site, fresh: str) -> None:
    first = ext.boot(fresh, "first")
    cached = ext.vdis()[ext.cached()[fresh]]
    assert cached["name_label"] == "Glance Image " + fresh
    assert set(cached["other_config"]) >= {"image-id", "cached-time"}
    second = ext.order(fresh, "second")
    ext.control.calls(clear=True)
    ext.alice.settled(second)
    calls = ext.control.calls()
    assert "VDI.clone" in calls and "VDI.create" not in calls
    assert ext.sha256(first) == ext.sha256(second)
    for server in (first, second):
        config = ext.vdis()[ext.root(server)]["other_config"]
        assert "image-id" not in config
    assert not [key for record in ext.vdis().values() for key in record["other_config"]
                if key.startswith(OURS)]
    # Whoever writes to a clone, the cached image stays as it is, and so do the others.
    pristine = ext.sha256(second)
    ext.write(first, "own", [0, 10 * MIB])
    assert ext.sha256(second) == pristine
    assert ext.sha256(ext.boot(fresh, "third")) == pristine


def test_two_servers_at_once_of_an_image_that_is_not_cached_yet(ext: Site, fresh: str) -> None:
    """No VDI may look like a cached image before it is complete: Nova would clone it."""
    ext.control.set_fault("rate", bytes_per_second=8 * MIB, direction="import")
    ext.control.calls(clear=True)
    servers = [ext.order(fresh, "at-once-%d" % number) for number in range(2)]
    eventually("the image to be written", lambda: ext.control.state()["dom0_VBD"])
    while ext.control.state()["dom0_VBD"]:
        writing = [record for record in ext.vdis().values()
                   if any(key.startswith(OURS) for key in record["other_config"])]
        assert not [record for record in writing if "Glance Image" in record["name_label"]
                    or {"image-id", "cached-time"} & set(record["other_config"])]
    ext.control.clear_faults()
    for server in servers:
        ext.alice.settled(server)
    assert ext.control.calls().count("VDI.create") == 1
    assert ext.sha256(servers[0]) == ext.sha256(servers[1])


def test_without_a_cache_every_server_has_a_disk_of_its_own(sites: Any, fresh: str) -> None:
    lvm = sites["lvm"]
    assert lvm.env["cache_images"] == "none"
    with lvm.nothing_left():
        assert boot_and_see(lvm, fresh) == boot_and_see(lvm, fresh) == ["VDI.create"]
        assert fresh not in lvm.cached()


@pytest.fixture
def some(sites: Any) -> Iterator[Site]:
    """The LVM region, caching some images."""
    lvm = sites["lvm"]
    with lvm.configured("xenserver", cache_images="some"), lvm.nothing_left():
        yield lvm


def test_some_images_are_cached_those_that_say_so(some: Site, fresh: str) -> None:
    assert boot_and_see(some, fresh) == ["VDI.create"]
    archive, _content = disks.stock_image(disks.operating_system("cached"), [])
    wanted = some.alice.upload(archive, cache_in_nova="True")
    assert boot_and_see(some, wanted) == ["VDI.create", "VDI.clone"]
    assert boot_and_see(some, wanted) == ["VDI.clone"]
    assert set(some.cached()) >= {wanted} and fresh not in some.cached()
    servers = [some.boot(wanted) for _number in range(2)]
    assert len({some.sha256(server) for server in servers}) == 1
    some.delete_servers()
    some.collect()
    cached = some.cached()[wanted]
    assert cached in purged(some)
    assert cached not in some.vdis()
    some.alice.delete_image(wanted)


def test_nova_purges_cached_images_that_nobody_uses(ext: Site, fresh: str,
                                                    other_template: str) -> None:
    server = ext.boot(fresh, "user")
    other = ext.boot(other_template, "another")
    used, unused = ext.cached()[fresh], ext.cached()[other_template]
    ext.write(server, "own", [0, MIB])
    digest = ext.sha256(server)
    ext.delete(other)
    ext.collect()
    assert unused not in purged(ext, "--keep-days", "1")  # it is from today
    destroyed = purged(ext)
    assert unused in destroyed and used not in destroyed
    assert unused not in ext.vdis() and used in ext.vdis()
    assert used in purged(ext, "--all")
    assert used not in ext.vdis()
    # The disk of who was cloned from it is none the worse, nor is its snapshot.
    ext.collect()
    assert ext.sha256(server) == digest
    image = ext.stored(server)
    assert ext.sha256(ext.boot(image, "copy")) == digest
    # And it is fetched again when it is wanted again.
    assert boot_and_see(ext, fresh) == ["VDI.create", "VDI.clone"]


def test_a_purge_in_the_midst_of_snapshots_takes_nothing_of_ours(ext: Site, fresh: str) -> None:
    """The snapshot of a clone inherits what Nova wrote on the cached image, but for its mark."""
    server = ext.boot(fresh, "user")
    ext.write(server, "own", [0, 20 * MIB])
    digest = ext.sha256(server)
    ext.control.set_fault("rate", bytes_per_second=16 * MIB, direction="export")
    image = ext.alice.snapshot(server)
    eventually("the snapshot to be exported", lambda: ext.control.state()["dom0_VBD"])
    taken = [record for record in ext.vdis().values() if record["is_a_snapshot"]]
    assert len(taken) == 1 and "image-id" not in taken[0]["other_config"]
    assert taken[0]["uuid"] not in purged(ext, "--all")
    ext.control.clear_faults()
    ext.alice.active(image)
    ext.alice.settled(server)
    assert ext.sha256(ext.boot(image, "copy")) == digest
