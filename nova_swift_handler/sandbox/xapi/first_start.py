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

"""The records of a freshly installed host: a pool of one, dom0, a network, its SRs."""

from __future__ import annotations

import uuid as uuids
from typing import TYPE_CHECKING, Any, Dict

from nova_swift_handler.sandbox.xapi.rpc.values import now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host

#: A believable mid-size server, so that placement finds room on it.
MEMORY = 128 << 30
DOM0_MEMORY = 4 << 30
CPUS = 32

_CPU = {
    "cpu_count": str(CPUS), "socket_count": "2", "vendor": "GenuineIntel", "speed": "2394.000",
    "modelname": "Intel(R) Xeon(R) Silver 4210R CPU @ 2.40GHz", "family": "6", "model": "85",
    "stepping": "7", "flags": "fpu de tsc msr pae mce cx8 apic sep mtrr mca cmov pat clflush mmx"
    " fxsr sse sse2 ss ht syscall nx lm constant_tsc pni ssse3 cx16 sse4_1 sse4_2 popcnt aes"
    " hypervisor ida", "features": "1fc9cbf5-f6f83203-2991cbf5-00000123",
    "features_after_reboot": "1fc9cbf5-f6f83203-2991cbf5-00000123", "maskable": "full",
}
_SOFTWARE = {
    "product_version": "8.2.1", "product_version_text": "8.2", "product_brand": "XCP-ng",
    "platform_name": "XCP", "platform_version": "3.2.1", "build_number": "release/yangtze/master",
    "hostname": "localhost", "date": "2023-10-18", "xapi": "1.20", "xen": "4.13.5-9.40",
    "linux": "4.19.0+1", "network_backend": "openvswitch", "db_schema": "5.603",
}
_CAPABILITIES = [
    "xen-3.0-x86_64", "xen-3.0-x86_32p", "hvm-3.0-x86_32", "hvm-3.0-x86_32p", "hvm-3.0-x86_64"]
#: SM's drivers with the capabilities that matter to clients.
_DRIVERS = {
    "ext": "Local EXT3 VHD", "lvm": "Local VHD on LVM", "iso": "ISO"}
_VHD_FEATURES = [
    "SR_PROBE", "SR_UPDATE", "VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH", "VDI_CLONE",
    "VDI_SNAPSHOT", "VDI_RESIZE", "VDI_MIRROR", "VDI_GENERATE_CONFIG", "ATOMIC_PAUSE",
    "VDI_UPDATE", "VDI_ACTIVATE", "VDI_DEACTIVATE"]
_ISO_FEATURES = ["VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH", "SR_SCAN"]


def create(host: Host) -> None:
    """Make everything but the SRs' contents; ``host.db`` must be empty."""
    db, settings = host.db, host.settings
    metrics = db.insert("host_metrics", {
        "memory_total": MEMORY, "memory_free": MEMORY - DOM0_MEMORY, "last_updated": now()})
    this = db.insert("host", {
        "name_label": settings.host_name, "hostname": settings.host_name,
        "name_description": "Simulated host", "address": settings.address, "metrics": metrics,
        "API_version_major": 2, "API_version_minor": 16, "API_version_vendor": "XenSource",
        "API_version_vendor_implementation": {}, "software_version": dict(_SOFTWARE),
        "cpu_info": dict(_CPU), "capabilities": list(_CAPABILITIES),
        "supported_bootloaders": ["pygrub", "eliloader"], "memory_overhead": 512 << 20,
        "iscsi_iqn": "iqn.2026-01.test.%s" % settings.host_name,
        "other_config": {"iscsi_iqn": "iqn.2026-01.test.%s" % settings.host_name},
        "allowed_operations": ["provision", "evacuate", "vm_start", "vm_resume", "vm_migrate"],
    })
    pool = db.insert("pool", {"name_label": "", "master": this, "tls_verification_enabled": False})
    dom0 = db.insert("VM", {
        "name_label": "Control domain on host: %s" % settings.host_name,
        "name_description": "The domain which manages physical devices and manages other domains",
        "is_control_domain": True, "power_state": "Running", "resident_on": this, "domid": 0,
        "memory_static_max": DOM0_MEMORY, "memory_dynamic_max": DOM0_MEMORY,
        "memory_dynamic_min": DOM0_MEMORY, "memory_target": DOM0_MEMORY, "affinity": this,
        "VCPUs_max": 4, "VCPUs_at_startup": 4, "domain_type": "pv",
        "metrics": db.insert("VM_metrics", {"memory_actual": DOM0_MEMORY, "VCPUs_number": 4}),
    })
    db.update("host", this, control_domain=dom0)
    _network(host, this)
    for kind, label in _DRIVERS.items():
        features = _ISO_FEATURES if kind == "iso" else _VHD_FEATURES
        db.insert("SM", {
            "name_label": label, "type": kind, "vendor": "Citrix Systems Inc", "version": "1.0",
            "capabilities": list(features), "features": dict.fromkeys(features, "1"),
            "driver_filename": "/opt/xensource/sm/%sSR" % kind.upper()})
    default = create_sr(
        host, this, settings.sr_type, "Local storage", settings.sr_size, "user",
        {"i18n-original-value-name_label": "Local storage", "i18n-key": "local-storage"})
    db.update("pool", pool, default_SR=default, suspend_image_SR=default,
              crash_dump_SR=default)
    db.update("host", this, suspend_image_sr=default, crash_dump_sr=default)
    if settings.iso_sr:
        create_sr(host, this, "iso", "ISO library", settings.sr_size, "iso",
                  {"i18n-key": "local-storage-iso"})


def _network(host: Host, this: str) -> None:
    network = host.db.insert("network", {
        "name_label": "Pool-wide network associated with eth0", "bridge": "xenbr0"})
    host.db.insert("PIF", {
        "device": "eth0", "network": network, "host": this, "MAC": "02:00:00:00:00:01",
        "IP": host.settings.address, "netmask": "255.0.0.0"})


def create_sr(
    host: Host, this: str, kind: str, label: str, size: int, content_type: str,
    other_config: Dict[str, str], sm_config: Any = None,
) -> str:
    """An SR with its PBD on the host ``this``, plugged; its storage is opened by the caller."""
    db = host.db
    extra = {"use_vhd": "true", "allocation": "thick"} if kind == "lvm" else {}
    sr = db.insert("SR", {
        "name_label": label, "type": kind, "content_type": content_type, "physical_size": size,
        "other_config": other_config, "sm_config": {**extra, **(sm_config or {})},
        "allowed_operations": ["scan", "update", "vdi_create", "vdi_destroy", "vdi_clone",
                               "vdi_snapshot", "vdi_resize", "pbd_create", "unplug"],
    }, ref="OpaqueRef:%s" % uuids.uuid4())
    path = "/opt/local-iso" if kind == "iso" else "/dev/disk/by-id/simulated-part3"
    db.insert("PBD", {
        "host": this, "SR": sr, "currently_attached": True,
        "device_config": {"location": path, "legacy_mode": "true"} if kind == "iso"
        else {"device": path}})
    return sr
