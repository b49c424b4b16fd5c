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

"""Rebuild: the same server with a new disk, whose snapshots are a line of their own."""

from __future__ import annotations

from tests.functional.flows.site import MIB, Site
from tests.functional.flows.tenant import eventually


def rebuild(site: Site, server: str, image: str) -> None:
    site.alice.act(server, "rebuild", imageRef=image)
    site.alice.settled(server)


def test_a_rebuilt_server_begins_a_new_line_of_snapshots(site: Site, template: str,
                                                         other_template: str) -> None:
    server = site.boot(template, "rebuilt")
    pristine = site.sha256(server)
    site.write(server, "first life", [0, 5 * MIB])
    before, first = site.stored(server), site.sha256(server)
    old_root = site.root(server)
    rebuild(site, server, other_template)
    assert old_root not in site.vdis()
    assert site.sha256(server) not in (pristine, first)
    site.write(server, "second life", [9 * MIB, 5 * MIB])
    after, second = site.stored(server), site.sha256(server)
    # What it is compared with is the image that it is made of now, not the last snapshot.
    assert site.point(server, before)["parent"] == template
    record = site.point(server, after)
    assert record["parent"] == other_template and record["base"] == other_template
    assert record["sequence"] > site.point(server, before)["sequence"]
    assert record["sent_blocks"] < 10
    # And back to the first image: both lines go on.
    rebuild(site, server, template)
    assert site.sha256(server) == pristine
    site.write(server, "third life", [30 * MIB, MIB])
    third, last = site.stored(server), site.sha256(server)
    assert site.point(server, third)["base"] == template
    for image, digest in ((before, first), (after, second), (third, last)):
        copy = site.boot(image, "copy")
        assert site.sha256(copy) == digest
        site.delete(copy)


def test_a_server_rebuilt_of_its_own_snapshot_is_what_it_was(site: Site, template: str) -> None:
    server = site.boot(template, "rebuilt")
    site.write(server, "good", [0, 5 * MIB])
    image, good = site.stored(server), site.sha256(server)
    site.write(server, "bad", [0, 5 * MIB])
    rebuild(site, server, image)
    assert site.sha256(server) == good
    site.write(server, "better", [50 * MIB, MIB])
    again = site.stored(server)
    assert site.point(server, again)["parent"] == image
    assert site.sha256(site.boot(again, "copy")) == site.sha256(server) != good


def test_a_rebuild_that_fails_says_so_and_what_was_stored_boots(site: Site, template: str) -> None:
    """Nova has destroyed the old disk by then, so what was stored is all there is."""
    server = site.boot(template, "rebuilt")
    site.write(server, "good", [0, 5 * MIB])
    image, good = site.stored(server), site.sha256(server)
    site.control.set_fault("task_fail_after_200", direction="import",
                           code="SR_BACKEND_FAILURE_46")
    site.alice.act(server, "rebuild", imageRef=image)
    site.alice.settled(server, "ERROR")
    site.control.clear_faults()
    assert site.disks(server) == []
    assert site.sha256(site.boot(image, "copy")) == good
    # Nova takes the VM that is not there for a server that is being deleted.
    site.alice.act(server, "rebuild", imageRef=image)
    eventually("nova-compute to be done with it", lambda: any(
        event["finish_time"] for event in site.admin.events(server, "rebuild")
        if event["event"] == "compute_rebuild_instance"))
    assert site.alice.server(server)["status"] == "REBUILD"
    site.admin.act(server, "os-resetState", state="error")
    site.delete(server)
    assert site.sha256(site.boot(image, "copy")) == good
