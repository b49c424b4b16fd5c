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

"""Classes of virtual machines: VM, its metrics, console."""

from __future__ import annotations

from typing import List

from nova_swift_handler.sandbox.xapi.records.schema import Schema

_VM = """
    uuid                  string             ro
    name__label           string             rw
    name__description     string             rw
    allowed_operations    set                ro
    current_operations    map                ro
    power_state           string             ro   Halted
    user_version          int                rw
    is_a_template         bool               rw
    is_default_template   bool               ro
    suspend_VDI           ref:VDI            ro
    resident_on           ref:host           ro
    scheduled_to_be_resident_on ref:host     ro
    affinity              ref:host           rw
    memory__overhead      int                ro
    memory__target        int                const
    memory__static_max    int                rw
    memory__dynamic_max   int                rw
    memory__dynamic_min   int                rw
    memory__static_min    int                rw
    VCPUs__params         map                rw
    VCPUs__max            int                rw   1
    VCPUs__at_startup     int                rw   1
    actions__after_softreboot string         rw   soft_reboot
    actions__after_shutdown string           rw   destroy
    actions__after_reboot string             rw   restart
    actions__after_crash  string             rw   restart
    consoles              refs:console.VM    ro
    VIFs                  refs:VIF.VM        ro
    VBDs                  refs:VBD.VM        ro
    VUSBs                 set                ro
    crash_dumps           set                ro
    VTPMs                 set                ro
    PV__bootloader        string             rw
    PV__kernel            string             rw
    PV__ramdisk           string             rw
    PV__args              string             rw
    PV__bootloader_args   string             rw
    PV__legacy_args       string             rw
    HVM__boot_policy      string             const
    HVM__boot_params      map                rw
    HVM__shadow_multiplier float             const 1.0
    platform              map                rw
    PCI_bus               string             rw
    other_config          map                rw
    domid                 int                ro   -1
    domarch               string             ro
    last_boot_CPU_flags   map                ro
    is_control_domain     bool               ro
    metrics               ref:VM_metrics     ro
    guest_metrics         ref:VM_guest_metrics ro
    last_booted_record    string             ro
    recommendations       string             rw
    xenstore_data         map                rw
    ha_always_run         bool               ro
    ha_restart_priority   string             ro
    is_a_snapshot         bool               ro
    snapshot_of           ref:VM             ro
    snapshots             refs:VM.snapshot_of ro
    snapshot_time         datetime           ro
    transportable_snapshot_id string         ro
    blobs                 map                ro
    tags                  set                rw
    blocked_operations    map                rw
    snapshot_info         map                ro
    snapshot_metadata     string             ro
    parent                ref:VM             ro
    children              refs:VM.parent     ro
    bios_strings          map                ro
    protection_policy     string             ro   OpaqueRef:NULL
    is_snapshot_from_vmpp bool               ro
    snapshot_schedule     string             ro   OpaqueRef:NULL
    is_vmss_snapshot      bool               ro
    appliance             string             ro   OpaqueRef:NULL
    start_delay           int                ro
    shutdown_delay        int                ro
    order                 int                ro
    VGPUs                 set                ro
    attached_PCIs         set                ro
    suspend_SR            ref:SR             rw
    version               int                ro
    generation_id         string             ro
    hardware_platform_version int            rw
    has_vendor_device     bool               ro
    requires_reboot       bool               ro
    reference_label       string             ro
    domain_type           string             ro   unspecified
    NVRAM                 map                rw
"""

_VM_METRICS = """
    uuid                  string             ro
    memory__actual        int                ro
    VCPUs__number         int                ro
    VCPUs__utilisation    map                ro
    VCPUs__CPU            map                ro
    VCPUs__params         map                ro
    VCPUs__flags          map                ro
    state                 set                ro
    start_time            datetime           ro
    install_time          datetime           ro
    last_updated          datetime           ro
    other_config          map                rw
    hvm                   bool               ro
    nested_virt           bool               ro
    nomigrate             bool               ro
    current_domain_type   string             ro   unspecified
"""

_VM_GUEST_METRICS = """
    uuid                  string             ro
    os_version            map                ro
    PV_drivers_version    map                ro
    PV_drivers_up_to_date bool               ro
    memory                map                ro
    disks                 map                ro
    networks              map                ro
    other                 map                ro
    last_updated          datetime           ro
    other_config          map                rw
    live                  bool               ro
    can_use_hotplug_vbd   string             ro   unspecified
    can_use_hotplug_vif   string             ro   unspecified
    PV_drivers_detected   bool               ro
"""

_CONSOLE = """
    uuid                  string             ro
    protocol              string             ro   rfb
    location              string             ro
    VM                    ref:VM             ro
    other_config          map                rw
"""


def schemas() -> List[Schema]:
    return [
        Schema("VM", _VM),
        Schema("VM_metrics", _VM_METRICS),
        Schema("VM_guest_metrics", _VM_GUEST_METRICS),
        Schema("console", _CONSOLE),
    ]
