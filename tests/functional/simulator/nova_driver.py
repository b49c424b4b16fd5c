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

"""A program: Nova's real XenAPIDriver against a XAPI at a URL, from its login to destroy.

    python nova_driver.py URL PASSWORD [--cache all|none] [--no-cow] [--root-gb N]

Nova and os_xenapi are as they are installed, but for the two repairs without which os_xenapi
cannot log in on Python 3 or use a URL with a port.  There is no database, no message bus and no
Glance: the image handler stands in with a disk full of known data.  Prints what it saw as JSON.
"""

from __future__ import annotations

import nova.monkey_patch  # first, as nova.cmd does

# isort: split
import argparse
import contextlib
import json
import tempfile
import uuid
from typing import Any, Dict

import nova.conf
from nova import config, context, objects
from nova.network import model as network_model
from nova.virt import virtapi
from nova.virt.xenapi import vm_utils
from nova.virt.xenapi.image import utils as image_utils

from nova_swift_handler.nova_plugin.repairs import plugin_calls, urls
from nova_swift_handler.sandbox.xapi.control import Control

IMAGE_SIZE = 256 << 20
IMAGE_SEED, GUEST_SEED = "image", "guest"
#: What the image holds: the first bytes, something in the middle.
IMAGE_RANGES = [[0, 1 << 20], [200 << 20, 3 << 20]]


class Handler:
    """An image handler: exactly the interface Nova calls."""

    def __init__(self, control: Control):
        self._control = control
        self.uploaded: Dict[str, Any] = {}

    def download_image(self, context: Any, session: Any, instance: Any, image_id: str) -> Any:
        sr_ref = vm_utils.safe_find_sr(session)
        ref = vm_utils.create_vdi(session, sr_ref, instance, instance["name"], "root", IMAGE_SIZE)
        vdi_uuid = session.call_xenapi("VDI.get_uuid", ref)
        self._control.guest_pattern(vdi_uuid, IMAGE_SEED, IMAGE_RANGES)
        return {"root": {"uuid": vdi_uuid}}

    def upload_image(
        self, context: Any, session: Any, instance: Any, image_id: str, vdi_uuids: Any,
    ) -> None:
        self.uploaded = {
            "image_id": image_id, "vdi_uuids": list(vdi_uuids),
            "sha256": self._control.guest_sha256(vdi_uuids[0])}


class Virt(virtapi.VirtAPI):
    """Only events of Neutron are asked for here."""

    @contextlib.contextmanager
    def wait_for_instance_event(self, *args: Any, **kwargs: Any) -> Any:
        yield


def configure(arguments: Any) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write("[DEFAULT]\ntransport_url = fake:/\n")
        conf.flush()
        config.parse_args(["nova", "--config-file", conf.name], configure_db=False)
    objects.register_all()
    conf = nova.conf.CONF
    conf.set_override("compute_driver", "xenapi.XenAPIDriver")
    conf.set_override("use_cow_images", not arguments.no_cow)
    for name, value in {
        "connection_url": arguments.url, "connection_username": "root",
        "connection_password": arguments.password, "independent_compute": True,
        "check_host": False, "disable_agent": True, "cache_images": arguments.cache,
        "vhd_coalesce_poll_interval": 0.2, "running_timeout": 20,
        "ovs_integration_bridge": "br-int",
    }.items():
        conf.set_override(name, value, "xenserver")


def make_instance(ctxt: Any, number: int, image_id: str, root_gb: int) -> Any:
    flavor = objects.Flavor(
        context=ctxt, id=1, flavorid="1", name="m1", memory_mb=512, vcpus=1, root_gb=root_gb,
        ephemeral_gb=0, swap=0, rxtx_factor=1.0, vcpu_weight=None, extra_specs={}, is_public=True,
        disabled=False, deleted=False)
    empty_lists = {
        "pci_devices": objects.PciDeviceList(objects=[]),
        "pci_requests": objects.InstancePCIRequests(requests=[]),
        "tags": objects.TagList(objects=[]), "keypairs": objects.KeyPairList(objects=[]),
        "services": objects.ServiceList(objects=[]),
        "security_groups": objects.SecurityGroupList(objects=[]),
    }
    instance = objects.Instance(
        context=ctxt, id=number, uuid=str(uuid.uuid4()), project_id="project", user_id="user",
        image_ref=image_id, kernel_id="", ramdisk_id="", root_gb=root_gb, ephemeral_gb=0,
        memory_mb=512, vcpus=1, instance_type_id=1, os_type="linux", vm_mode=None,
        architecture="x86_64", hostname="h", host="h1", node="n", key_data=None,
        auto_disk_config=False,
        system_metadata={"image_min_disk": "1"}, metadata={}, config_drive="", progress=0,
        display_name="t", root_device_name="/dev/sda", default_ephemeral_device=None,
        default_swap_device=None, launch_index=0, reservation_id="r", power_state=0,
        vm_state="building", task_state=None, access_ip_v4=None, access_ip_v6=None,
        availability_zone="z", launched_at=None, terminated_at=None, deleted=False,
        device_metadata=None, numa_topology=None, vcpu_model=None, flavor=flavor,
        old_flavor=None, new_flavor=None, info_cache=None, fault=None,
        ec2_ids=objects.EC2Ids(instance_id="i-%d" % number, ami_id="ami-1"), **empty_lists)
    instance.obj_reset_changes()
    return instance


def without_conductor() -> None:
    """What would be written to or read from the database."""
    objects.Instance.save = lambda self, *args, **kwargs: self.obj_reset_changes()
    objects.BlockDeviceMappingList.get_by_instance_uuid = classmethod(
        lambda cls, *args, **kwargs: objects.BlockDeviceMappingList(objects=[]))
    objects.VirtualInterfaceList.get_by_instance_uuid = classmethod(
        lambda cls, *args, **kwargs: objects.VirtualInterfaceList(objects=[]))


def ovs_vif() -> Any:
    address = network_model.IP("10.0.0.1", type="gateway")
    subnet = network_model.Subnet(
        cidr="10.0.0.0/24", gateway=address, ips=[network_model.FixedIP("10.0.0.5")], dns=[],
        routes=[])
    network = network_model.Network(
        id=str(uuid.uuid4()), bridge="br-int", label="net", subnets=[subnet], injected=False,
        mtu=1500)
    return network_model.NetworkInfo([network_model.VIF(
        id=str(uuid.uuid4()), address="fa:16:3e:00:00:01", network=network, type="ovs",
        devname="tap1", ovs_interfaceid=str(uuid.uuid4()), active=True, vnic_type="normal",
        profile={}, details={})])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("password")
    parser.add_argument("--cache", default="all")
    parser.add_argument("--no-cow", action="store_true")
    parser.add_argument("--root-gb", type=int, default=1, help="0: the image's own size")
    arguments = parser.parse_args()
    configure(arguments)
    for repair in (plugin_calls, urls):
        if repair.is_broken():
            repair.apply()
    control = Control(arguments.url)
    handler = Handler(control)
    image_utils.get_image_handler = lambda name: handler
    without_conductor()
    seen = drive(arguments, control, handler)
    print(json.dumps(seen))


def drive(arguments: Any, control: Control, handler: Handler) -> Dict[str, Any]:
    """Every step of an instance's life; a step that fails ends the program."""
    from nova.virt.xenapi import driver as xenapi_driver

    seen: Dict[str, Any] = {"calls": {}}

    def note(phase: str) -> None:
        seen["calls"][phase] = control.calls(clear=True)

    control.calls(clear=True)
    driver = xenapi_driver.XenAPIDriver(Virt())
    driver.init_host("h1")
    note("init")
    seen["resources"] = driver.get_available_resource(None)
    seen["uptime"] = driver.get_host_uptime()
    ctxt = context.RequestContext("user", "project", is_admin=True)
    image_id = str(uuid.uuid4())
    image = objects.ImageMeta.from_dict({
        "id": image_id, "name": "img", "status": "active", "size": 1, "min_disk": 0, "min_ram": 0,
        "disk_format": "vhd", "container_format": "ovf", "properties": {"vm_mode": "xen"}})
    network = ovs_vif()
    before = control.state()
    instance = make_instance(ctxt, 1, image_id, arguments.root_gb)
    control.calls(clear=True)
    driver.spawn(ctxt, instance, image, [], None, {}, network, None)
    note("spawn")
    seen["spawned"] = {
        "state": control.state(), "network": control.network(),
        "disks": control.vm_disks(instance.name), "info": driver.get_info(instance).state}
    root = seen["spawned"]["disks"][0]["vdi_uuid"]
    seen["root_sha256"] = control.guest_sha256(root)
    if arguments.cache == "all":
        second = make_instance(ctxt, 2, image_id, arguments.root_gb)
        driver.spawn(ctxt, second, image, [], None, {}, network_model.NetworkInfo([]), None)
        note("cached spawn")
        seen["cached_sha256"] = control.guest_sha256(
            control.vm_disks(second.name)[0]["vdi_uuid"])
        driver.destroy(ctxt, second, network_model.NetworkInfo([]), {})
    seen["snapshots"] = []
    for number in range(3):
        control.guest_pattern(root, "%s %d" % (GUEST_SEED, number), [[number << 24, 1 << 16]])
        control.calls(clear=True)
        driver.snapshot(ctxt, instance, "snapshot-%d" % number, lambda **kwargs: None)
        note("snapshot %d" % number)
        seen["snapshots"].append(dict(
            handler.uploaded, guest_sha256=control.guest_sha256(root)))
    driver.post_interrupted_snapshot_cleanup(ctxt, instance)
    driver.pause(instance)
    driver.unpause(instance)
    driver.suspend(ctxt, instance)
    driver.resume(ctxt, instance, network)
    driver.power_off(instance)
    driver.power_on(ctxt, instance, network)
    driver.reboot(ctxt, instance, network, "HARD")
    control.calls(clear=True)
    driver.destroy(ctxt, instance, network, {})
    note("destroy")
    if arguments.cache == "all":
        driver.manage_image_cache(ctxt, [])
    seen["before"], seen["after"] = before, control.state()
    seen["network_after"] = control.network()
    return seen


if __name__ == "__main__":
    main()
