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

"""nova-compute, as it is, starts with our handler, and with others as if we were not there."""

import pytest

OURS = "nova_swift_handler.handler.SwiftVhdHandler"
PLUGIN = "nova_swift_handler.nova_plugin."
STOCK = {
    "direct_vhd": "nova.virt.xenapi.image.glance.GlanceStore",
    "vdi_local_dev": "nova.virt.xenapi.image.vdi_through_dev.VdiThroughDevStore",
    "vdi_remote_stream": "nova.virt.xenapi.image.vdi_stream.VdiStreamStore",
}
ANNOUNCEMENT = "nova-swift-handler: swift_vhd is"


def test_one_line_in_nova_conf_is_enough(start_compute):
    built, log = start_compute()
    assert built, log
    assert built["driver"] == "nova.virt.xenapi.driver.XenAPIDriver"
    assert built["handler"] == OURS


def test_being_ready_is_logged_in_one_info_line(start_compute):
    _built, log = start_compute()
    lines = [line for line in log.splitlines() if ANNOUNCEMENT in line]
    assert len(lines) == 1, log
    assert " INFO " in lines[0]
    assert "ready" in lines[0]


def test_the_script_starts_nova_compute_with_the_handler(start_compute):
    built, log = start_compute("--script")
    assert built, log
    assert built["handler"] == OURS
    assert log.count(ANNOUNCEMENT) == 1


def test_the_script_does_not_need_the_hook(start_compute):
    built, log = start_compute("--script", "--no-hook")
    assert built, log
    assert built["handler"] == OURS
    assert log.count(ANNOUNCEMENT) == 1


def test_without_hook_and_script_nova_refuses_the_name(start_compute):
    """What the hook is for; should Nova's start-up change, this tells."""
    built, log = start_compute("--no-hook", url="http://127.0.0.1")
    assert built is None
    assert "swift_vhd" in log
    assert "Valid values are" in log


def test_enabling_twice_is_enabling_once(start_compute):
    built, log = start_compute("--twice")
    assert built, log
    assert built["handler"] == OURS
    assert built["choices"].count("swift_vhd") == 1
    assert log.count(ANNOUNCEMENT) == 1


@pytest.mark.parametrize("name", sorted(STOCK))
def test_a_stock_name_is_novas_own_affair(start_compute, name):
    built, log = start_compute(image_handler="image_handler = " + name)
    assert built, log
    assert built["handler"] == STOCK[name]
    assert built["choices"] == list(STOCK)
    assert built["get_image_handler"] == "nova.virt.xenapi.image.utils"


def test_without_any_name_novas_default_stays(start_compute):
    built, log = start_compute(image_handler="")
    assert built, log
    assert built["handler"] == STOCK["direct_vhd"]


def test_a_stock_name_works_where_the_handler_was_enabled_explicitly(start_compute):
    built, log = start_compute("--script", image_handler="image_handler = vdi_remote_stream")
    assert built, log
    assert built["handler"] == STOCK["vdi_remote_stream"]


def test_os_xenapi_is_repaired_with_a_stock_name_too(start_compute):
    built, log = start_compute(image_handler="image_handler = vdi_remote_stream")
    assert built, log
    assert built["call_plugin_serialized"] == PLUGIN + "repairs.plugin_calls"
    assert built["get_ip_from_url"] == PLUGIN + "repairs.urls"
    assert built["pipe"] == PLUGIN + "repairs.pipes.FullReads"


def test_the_pipes_can_be_left_as_they_are(start_compute):
    built, log = start_compute(image_handler="image_handler = vdi_remote_stream",
                               swift_vhd="[swift_vhd]\nrepair_os_xenapi_pipes = false")
    assert built, log
    assert built["call_plugin_serialized"] == PLUGIN + "repairs.plugin_calls"
    assert built["pipe"].startswith("eventlet.")
    assert "pipes" not in next(line for line in log.splitlines() if ANNOUNCEMENT in line)


def test_a_nova_without_the_option_is_told_apart(start_compute):
    _built, log = start_compute("--nova-17", image_handler="")
    assert "Nova 18 (Rocky)" in log
    assert ANNOUNCEMENT not in log
    assert "Traceback" not in log.split("Loading compute driver")[0]


def test_missing_options_are_named_at_start(start_compute):
    built, log = start_compute(swift_vhd="[swift_vhd]\nauth_type = password")
    assert built, log
    told = [line for line in log.splitlines() if "Snapshots and boots will fail" in line]
    assert len(told) == 1, log
    assert "'auth_url' in section [swift_vhd]" in told[0]


def test_other_compute_drivers_are_left_alone(start_compute):
    built, log = start_compute(image_handler="", compute_driver="fake.SmallFakeDriver",
                               fake=False)
    assert built, log
    assert built["driver"] == "nova.virt.fake.SmallFakeDriver"
    assert built["os_xenapi"] is False
    assert ANNOUNCEMENT not in log
