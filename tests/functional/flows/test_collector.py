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

"""Nova's wait for the SR's collector, and the snapshots that it removes on the way."""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from tests.functional.flows import conftest
from tests.functional.flows.site import MIB, Site
from tests.functional.flows.tenant import eventually


@pytest.fixture
def hasty(sites: Any) -> Iterator[Site]:
    """The LVM region with a Nova that waits but a second for the collector."""
    lvm = sites["lvm"]
    with lvm.configured("xenserver", vhd_coalesce_max_attempts=2), lvm.nothing_left():
        yield lvm
        lvm.control.gc_background(conftest.COLLECTOR)


def test_a_snapshot_for_which_the_collector_is_too_slow_fails_and_leaves_nothing(
        hasty: Site, template: str) -> None:
    """Nova gives up before the handler is asked; the next one is a delta all the same."""
    hasty.control.gc_background(None)
    server = hasty.boot(template, "impatient")
    hasty.write(server, "first", [0, 3 * MIB])
    first = hasty.stored(server)
    hasty.write(server, "second", [0, 30 * MIB])
    # What the first snapshot left in the chain would be coalesced by now.
    failed = hasty.alice.snapshot(server)
    hasty.alice.gone(failed)
    hasty.alice.settled(server)
    assert "_wait_for_vhd_coalesce" in str(hasty.admin.events(server, "createImage"))
    assert hasty.points(server) == [first]
    assert not hasty.control.state()["snapshot"]
    hasty.control.gc_background(conftest.COLLECTOR)
    hasty.collect()
    second = hasty.stored(server)
    assert hasty.point(server, second)["parent"] == first
    assert hasty.sha256(hasty.boot(second, "copy")) == hasty.sha256(server)


def test_a_snapshot_of_somebody_else_in_the_chain_is_removed_by_nova(site: Site,
                                                                     template: str) -> None:
    """Whatever is a snapshot and has no image-id: what is to be kept must not be one in the chain.

    Nothing of ours is: what was stored before does not depend on any VDI.  The collector rests
    until Nova has made its own snapshot: were the disk's chain to become another one between
    Nova's look at it and that, Nova would wait for a parent that never comes, and give up.
    """
    server = site.boot(template, "snapshotted")
    site.write(server, "first", [0, 3 * MIB])
    first, digest = site.stored(server), site.sha256(server)
    ref = site.xapi.VDI.snapshot(site.xapi.VDI.get_by_uuid(site.root(server)), {})
    foreign = site.xapi.VDI.get_uuid(ref)
    site.write(server, "second", [9 * MIB, 3 * MIB])
    site.control.gc_background(None)
    try:
        second = site.alice.snapshot(server)
        eventually("Nova to have another snapshot of the disk than that", lambda: {
            uuid for uuid, record in site.vdis().items()
            if record["is_a_snapshot"]} not in (set(), {foreign}))
    finally:
        site.control.gc_background(conftest.COLLECTOR)
    site.alice.active(second)
    site.alice.settled(server)
    assert foreign not in site.vdis()
    assert site.sha256(site.boot(second, "copy")) == site.sha256(server)
    assert site.sha256(site.boot(first, "copy")) == digest


def test_chains_do_not_grow_with_the_number_of_snapshots(site: Site, template: str) -> None:
    server = site.boot(template, "long-lived")
    for number in range(6):
        site.write(server, "life-%d" % number, [number * 4 * MIB, 3 * MIB])
        site.stored(server)
    eventually("the collector to come to its end", lambda: (
        site.collect() or len(site.control.chain(site.root(server))) <= 2))
