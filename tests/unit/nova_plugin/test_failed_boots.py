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

"""A boot that fails for good ends in ERROR: the driver can unplug VIFs."""

from __future__ import annotations

import pytest

pytest.importorskip("nova.virt.xenapi.driver")

from nova.virt.xenapi import driver, vm_utils

from nova_swift_handler.nova_plugin import failed_boots


@pytest.fixture
def stock(monkeypatch):
    """Nova's driver class, put back as it was afterwards."""
    monkeypatch.setattr(driver.XenAPIDriver, "unplug_vifs", driver.XenAPIDriver.unplug_vifs)
    return driver.XenAPIDriver


class Host:
    """Enough of a driver to unplug VIFs, with Nova's own VMOps.unplug_vifs signature."""

    _session = "session"

    def __init__(self):
        self.unplugged = []
        self._vmops = self

    def unplug_vifs(self, instance, network_info, vm_ref):
        self.unplugged.append((instance["name"], network_info, vm_ref))


def test_novas_own_is_broken_which_is_why(stock):
    with pytest.raises(TypeError):
        stock.unplug_vifs(Host(), {"name": "i"}, ["vif"])


@pytest.mark.parametrize("vm_ref, expected", [("ref", [("i", ["vif"], "ref")]), (None, [])])
def test_repaired_it_unplugs_from_a_vm_that_is_there(stock, monkeypatch, vm_ref, expected):
    monkeypatch.setattr(vm_utils, "lookup", lambda session, name: vm_ref)
    failed_boots.repair()
    host = Host()
    stock.unplug_vifs(host, {"name": "i"}, ["vif"])
    assert host.unplugged == expected


def test_repairing_twice_changes_nothing(stock):
    failed_boots.repair()
    once = stock.unplug_vifs
    failed_boots.repair()
    assert stock.unplug_vifs is once
