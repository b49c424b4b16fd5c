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

"""nova-compute dies in the middle, as of a kill -9, and is started again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Set

import pytest

from nova_swift_handler.sandbox.demo import disks
from nova_swift_handler.transfer.jobs import transfer_id
from nova_swift_handler.xapi.marked import MARK
from tests.functional.flows.conftest import make_template
from tests.functional.flows.site import MIB, Site
from tests.functional.flows.tenant import eventually


def gone(pids: Set[int]) -> None:
    """Wait until processes have ended."""
    eventually("the transfers %s to end" % pids, lambda: not [
        pid for pid in pids if os.path.exists("/proc/%d" % pid)])


def exporting(site: Site, server: str) -> None:
    """Wait until a part of a server's disk is in Swift."""
    eventually("segments of the snapshot", lambda: site.objects(server, "data/"))


def check_usable(site: Site, server: str, digest: str) -> None:
    """See that a server runs, and can be snapshotted and stopped like any other."""
    site.alice.settled(server)
    assert site.sha256(server) == digest
    assert not [record for record in site.vdis().values() if record["is_a_snapshot"]]
    image = site.stored(server)
    assert site.points(server) == [image]
    assert site.sha256(site.boot(image, "copy")) == digest


@pytest.mark.parametrize("action", ["createImage", "createBackup"])
def test_in_a_snapshot(site: Site, template: str, action: str) -> None:
    """Its transfer notices, takes all back, the image included; Nova removes the snapshot."""
    server = site.boot(template, "killed")
    site.write(server, "mine", [0, 60 * MIB])
    digest = site.sha256(server)
    site.control.set_fault("rate", bytes_per_second=8 * MIB, direction="export")
    image = (site.alice.snapshot(server) if action == "createImage"
             else site.alice.backup(server, 1))
    eventually("the transfer", lambda: site.control.state()["dom0_VBD"])
    transfers = site.kill()
    assert transfers
    gone(transfers)
    site.control.clear_faults()
    assert site.alice.image(image) is None
    assert site.points(server) == site.objects(server, "intents/") == []
    site.start_again()
    check_usable(site, server, digest)


def test_in_a_snapshot_together_with_its_transfer(site: Site, template: str) -> None:
    """A power failure: nobody can take anything back.  The image never becomes active."""
    server = site.boot(template, "killed")
    site.write(server, "mine", [0, 60 * MIB])
    digest = site.sha256(server)
    site.control.set_fault("rate", bytes_per_second=8 * MIB, direction="export")
    image = site.alice.snapshot(server)
    eventually("the transfer", lambda: site.control.state()["dom0_VBD"])
    site.fail()
    site.control.clear_faults()
    eventually("XAPI to let go of the disk", lambda: not site.control.state()["dom0_VBD"])
    assert site.alice.image(image)["status"] == "queued"  # type: ignore[index]
    site.start_again()
    site.reconcile()
    assert site.points(server) == []
    # XAPI has nobody who would forget the task of the transfer, but it is over.
    assert site.control.state()["pending_task"] == 0
    for ref, record in site.xapi.task.get_all_records().items():
        assert record["status"] == "failure"
        site.xapi.task.destroy(ref)
    check_usable(site, server, digest)
    site.alice.delete_image(image)


def test_in_a_boot(site: Site, cloud: Any, tmp_path: Path) -> None:
    """Its transfer destroys the half-written disk; Nova says that the boot failed."""
    image = make_template(cloud, disks.operating_system(str(tmp_path)), tmp_path)
    site.control.set_fault("rate", bytes_per_second=4 * MIB, direction="import")
    before = set(site.vdis())
    server = site.order(image, "killed")
    eventually("the transfer", lambda: site.control.state()["dom0_VBD"])
    assert len(set(site.vdis()) - before) == 1
    transfers = site.kill()
    assert transfers
    gone(transfers)
    site.control.clear_faults()
    assert set(site.vdis()) == before
    site.start_again()
    site.alice.settled(server, "ERROR")
    site.delete(server)
    assert image not in site.cached()
    site.boot(image, "again")


def test_in_a_boot_together_with_its_transfer(site: Site, cloud: Any, tmp_path: Path) -> None:
    """A power failure leaves the half-written disk; the next boot there destroys it."""
    image = make_template(cloud, disks.operating_system(str(tmp_path)), tmp_path)
    site.control.set_fault("rate", bytes_per_second=4 * MIB, direction="import")
    before = set(site.vdis())
    server = site.order(image, "killed")
    eventually("the transfer", lambda: site.control.state()["dom0_VBD"])
    site.fail()
    site.control.clear_faults()
    eventually("XAPI to let go of the disk", lambda: not site.control.state()["dom0_VBD"])
    left, = set(site.vdis()) - before
    # Another's of the same kind, which is none of ours to destroy.
    sr = site.xapi.SR.get_by_uuid(site.env["sr_uuid"])
    theirs = site.xapi.VDI.create({
        "SR": sr, "virtual_size": str(MIB), "type": "user", "sharable": False,
        "read_only": False, "other_config": {MARK: transfer_id("another-nova")},
        "name_label": "theirs", "name_description": "", "sm_config": {}, "xenstore_data": {},
        "tags": []})
    site.start_again()
    site.alice.settled(server, "ERROR")
    site.delete(server)
    site.boot(image, "again")
    assert left not in site.vdis()
    assert site.xapi.VDI.get_uuid(theirs) in site.vdis()
    site.xapi.VDI.destroy(theirs)
    for ref in site.xapi.task.get_all_records():
        site.xapi.task.destroy(ref)
