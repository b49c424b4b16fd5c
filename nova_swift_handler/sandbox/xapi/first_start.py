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

"""The records of a freshly installed pool: hosts with their dom0s, a network, SRs.

What is there already is left alone, so that a host can join a pool later.
"""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence

from nova_swift_handler.sandbox.xapi.records.database import Database
from nova_swift_handler.sandbox.xapi.rpc.values import now
from nova_swift_handler.sandbox.xapi.settings import Member, Settings

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
    "ext": "Local EXT3 VHD", "lvm": "Local VHD on LVM", "nfs": "NFS VHD",
    "lvmoiscsi": "VHD over iSCSI", "iso": "ISO"}
#: What a PBD of each type says of where its storage is.
DEVICES: Dict[str, Dict[str, str]] = {
    "ext": {"device": "/dev/disk/by-id/simulated-part3"},
    "lvm": {"device": "/dev/disk/by-id/simulated-part3"},
    "nfs": {"server": "127.0.0.1", "serverpath": "/export/simulated"},
    "lvmoiscsi": {"target": "127.0.0.1", "targetIQN": "iqn.2026-01.test:target",
                  "SCSIid": "36001405simulated"},
    "iso": {"location": "/opt/local-iso", "legacy_mode": "true"},
}
_VHD_FEATURES = [
    "SR_PROBE", "SR_UPDATE", "VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH", "VDI_CLONE",
    "VDI_SNAPSHOT", "VDI_RESIZE", "VDI_MIRROR", "VDI_GENERATE_CONFIG", "ATOMIC_PAUSE",
    "VDI_UPDATE", "VDI_RESET_ON_BOOT", "VDI_CONFIG_CBT", "VDI_ACTIVATE", "VDI_DEACTIVATE"]
_ISO_FEATURES = ["VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH", "SR_SCAN"]


def complete(db: Database, settings: Settings) -> None:
    """Make what the settings ask for and the records lack; SRs' contents are made elsewhere."""
    if not db.refs("pool"):
        _install(db)
    for number, member in enumerate(settings.members):
        if number == len(db.refs("host")):
            _join(db, settings, member)
        else:
            _move(db, db.refs("host")[number], member)
    if settings.shared_sr and not db.find("SR", shared=True, type=settings.shared_sr):
        shared = create_sr(
            db, [], settings.shared_sr, "Shared storage", settings.sr_size, "user", {},
            shared=True)
        db.update("pool", db.refs("pool")[0], default_SR=shared)
    for sr in db.find("SR", shared=True):
        connected = {db.get("PBD", pbd, "host") for pbd in db.get("SR", sr, "PBDs")}
        for host in db.refs("host"):
            if host not in connected:
                _connect(db, host, sr, DEVICES[db.get("SR", sr, "type")])
    for number, host in enumerate(db.refs("host")):
        db.update("host_metrics", db.get("host", host, "metrics"),
                  live=number < len(settings.members))


def _install(db: Database) -> None:
    db.insert("pool", {"name_label": "", "tls_verification_enabled": False})
    db.insert("network", {
        "name_label": "Pool-wide network associated with eth0", "bridge": "xenbr0"})
    for kind, label in _DRIVERS.items():
        features = _ISO_FEATURES if kind == "iso" else _VHD_FEATURES
        db.insert("SM", {
            "name_label": label, "type": kind, "vendor": "Citrix Systems Inc", "version": "1.0",
            "capabilities": list(features), "features": dict.fromkeys(features, "1"),
            "driver_filename": "/opt/xensource/sm/%sSR" % kind.upper()})


def _join(db: Database, settings: Settings, member: Member) -> None:
    """A host with its dom0 and the SR it was installed with; the first becomes the master."""
    pool, number = db.refs("pool")[0], len(db.refs("host"))
    metrics = db.insert("host_metrics", {
        "memory_total": MEMORY, "memory_free": MEMORY - DOM0_MEMORY, "last_updated": now()})
    this = db.insert("host", {
        "name_label": member.name, "hostname": member.name,
        "name_description": "Simulated host", "address": member.address, "metrics": metrics,
        "API_version_major": 2, "API_version_minor": 16, "API_version_vendor": "XenSource",
        "API_version_vendor_implementation": {}, "software_version": dict(_SOFTWARE),
        "cpu_info": dict(_CPU), "capabilities": list(_CAPABILITIES),
        "supported_bootloaders": ["pygrub", "eliloader"], "memory_overhead": 512 << 20,
        "iscsi_iqn": "iqn.2026-01.test.%s" % member.name,
        "other_config": {"iscsi_iqn": "iqn.2026-01.test.%s" % member.name},
        "allowed_operations": ["provision", "evacuate", "vm_start", "vm_resume", "vm_migrate"],
    })
    dom0 = db.insert("VM", {
        "name_label": "Control domain on host: %s" % member.name,
        "name_description": "The domain which manages physical devices and manages other domains",
        "is_control_domain": True, "power_state": "Running", "resident_on": this, "domid": 0,
        "memory_static_max": DOM0_MEMORY, "memory_dynamic_max": DOM0_MEMORY,
        "memory_dynamic_min": DOM0_MEMORY, "memory_target": DOM0_MEMORY, "affinity": this,
        "VCPUs_max": 4, "VCPUs_at_startup": 4, "domain_type": "pv",
        "metrics": db.insert("VM_metrics", {"memory_actual": DOM0_MEMORY, "VCPUs_number": 4}),
    })
    db.update("host", this, control_domain=dom0)
    db.insert("PIF", {
        "device": "eth0", "network": db.refs("network")[0], "host": this,
        "MAC": "02:00:00:00:00:%02x" % (number + 1), "IP": member.address,
        "netmask": "255.0.0.0"})
    own = create_sr(
        db, [this], member.sr_type, "Local storage", settings.sr_size, "user",
        {"i18n-original-value-name_label": "Local storage", "i18n-key": "local-storage"})
    db.update("host", this, suspend_image_sr=own, crash_dump_sr=own)
    if settings.iso_sr:
        create_sr(db, [this], "iso", "ISO library", settings.sr_size, "iso",
                  {"i18n-key": "local-storage-iso"})
    if number == 0:
        db.update("pool", pool, master=this, default_SR=own, suspend_image_SR=own,
                  crash_dump_SR=own)


def _move(db: Database, host: str, member: Member) -> None:
    """A host that is there may have got another address."""
    db.update("host", host, address=member.address)
    for pif in db.get("host", host, "PIFs"):
        db.update("PIF", pif, IP=member.address)


def create_sr(
    db: Database, hosts: Sequence[str], kind: str, label: str, size: int, content_type: str,
    other_config: Mapping[str, str], sm_config: Optional[Mapping[str, str]] = None,
    shared: bool = False, device_config: Optional[Mapping[str, str]] = None,
) -> str:
    """An SR with PBDs on ``hosts``, plugged; its storage is opened by the caller."""
    extra = {"use_vhd": "true", "allocation": "thick"} if kind.startswith("lvm") else {}
    sr = db.insert("SR", {
        "name_label": label, "type": kind, "content_type": content_type, "physical_size": size,
        "shared": shared, "other_config": dict(other_config),
        "sm_config": {**extra, **(sm_config or {})},
        "allowed_operations": ["scan", "update", "vdi_create", "vdi_destroy", "vdi_clone",
                               "vdi_snapshot", "vdi_resize", "pbd_create", "unplug"],
    })
    for host in hosts:
        _connect(db, host, sr, device_config or DEVICES[kind])
    return sr


def _connect(db: Database, host: str, sr: str, device_config: Mapping[str, str]) -> None:
    db.insert("PBD", {"host": host, "SR": sr, "currently_attached": True,
                      "device_config": dict(device_config)})
