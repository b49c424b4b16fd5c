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

"""Classes of the host itself: session, task, pool, host and what is reported about it."""

from __future__ import annotations

from typing import List

from nova_swift_handler.sandbox.xapi.records.schema import Schema

_SESSION = """
    uuid                  string             ro
    this_host             ref:host           ro
    this_user             ref:user           ro
    last_active           datetime           ro
    pool                  bool               ro
    other_config          map                rw
    is_local_superuser    bool               ro   true
    subject               ref:subject        ro
    validation_time       datetime           ro
    auth_user_sid         string             ro
    auth_user_name        string             ro
    rbac_permissions      set                ro
    tasks                 refs:task.session  ro
    parent                ref:session        ro
    originator            string             ro
    client_certificate    bool               ro
"""

_TASK = """
    uuid                  string             ro
    name__label           string             ro
    name__description     string             ro
    allowed_operations    set                ro
    current_operations    map                ro
    created               datetime           ro
    finished              datetime           ro
    status                string             ro   pending
    session               ref:session        ro
    resident_on           ref:host           ro
    progress              float              ro
    type                  string             ro   <none/>
    result                string             ro
    error_info            set                ro
    other_config          map                rw
    subtask_of            ref:task           ro
    subtasks              refs:task.subtask_of ro
    backtrace             string             ro   ()
"""

_POOL = """
    uuid                  string             ro
    name__label           string             rw
    name__description     string             rw
    master                ref:host           ro
    default_SR            ref:SR             rw
    suspend_image_SR      ref:SR             rw
    crash_dump_SR         ref:SR             rw
    other_config          map                rw
    ha_enabled            bool               ro
    ha_configuration      map                ro
    ha_statefiles         set                ro
    ha_host_failures_to_tolerate int         ro
    ha_plan_exists_for    int                ro
    ha_allow_overcommit   bool               rw
    ha_overcommitted      bool               ro
    blobs                 map                ro
    tags                  set                rw
    gui_config            map                rw
    health_check_config   map                rw
    wlb_url               string             ro
    wlb_username          string             ro
    wlb_enabled           bool               rw
    wlb_verify_cert       bool               rw
    redo_log_enabled      bool               ro
    redo_log_vdi          ref:VDI            ro
    vswitch_controller    string             ro
    restrictions          map                ro
    metadata_VDIs         refs:VDI           ro
    ha_cluster_stack      string             ro
    allowed_operations    set                ro
    current_operations    map                ro
    guest_agent_config    map                ro
    cpu_info              map                ro
    policy_no_vendor_device bool             rw
    live_patching_disabled bool              rw
    igmp_snooping_enabled bool               ro
    uefi_certificates     string             rw
    tls_verification_enabled bool            ro
"""

_HOST = """
    uuid                  string             ro
    name__label           string             rw
    name__description     string             rw
    memory__overhead      int                ro
    allowed_operations    set                ro
    current_operations    map                ro
    API_version__major    int                ro
    API_version__minor    int                ro
    API_version__vendor   string             ro
    API_version__vendor_implementation map   ro
    enabled               bool               ro   true
    software_version      map                ro
    other_config          map                rw
    capabilities          set                ro
    cpu_configuration     map                ro
    sched_policy          string             ro   credit
    supported_bootloaders set                ro
    resident_VMs          refs:VM.resident_on ro
    logging               map                rw
    PIFs                  refs:PIF.host      ro
    suspend_image_sr      ref:SR             rw
    crash_dump_sr         ref:SR             rw
    crashdumps            set                ro
    patches               set                ro
    updates               set                ro
    PBDs                  refs:PBD.host      ro
    host_CPUs             set                ro
    cpu_info              map                ro
    hostname              string             ro
    address               string             ro
    metrics               ref:host_metrics   ro
    license_params        map                ro
    ha_statefiles         set                ro
    ha_network_peers      set                ro
    blobs                 map                ro
    tags                  set                rw
    external_auth_type    string             ro
    external_auth_service_name string        ro
    external_auth_configuration map          ro
    edition               string             ro   xcp-ng
    license_server        map                rw
    bios_strings          map                ro
    power_on_mode         string             ro
    power_on_config       map                ro
    local_cache_sr        ref:SR             ro
    chipset_info          map                ro
    PCIs                  set                ro
    PUSBs                 set                ro
    PGPUs                 refs:PGPU.host     ro
    ssl_legacy            bool               ro
    guest_VCPUs_params    map                rw
    display               string             rw   enabled
    virtual_hardware_platform_versions set   ro   0,1,2
    control_domain        ref:VM             ro
    updates_requiring_reboot set             ro
    features              set                ro
    iscsi_iqn             string             rw
    multipathing          bool               rw
    uefi_certificates     string             ro
    certificates          set                ro
    editions              set                ro
"""

_HOST_METRICS = """
    uuid                  string             ro
    memory__total         int                ro
    memory__free          int                ro
    live                  bool               ro   true
    last_updated          datetime           ro
    other_config          map                rw
"""

_VALUE = """
    uuid                  string             ro
    value                 string             rw
    other_config          map                rw
"""

_GPU_GROUP = """
    uuid                  string             ro
    name__label           string             rw
    name__description     string             rw
    PGPUs                 refs:PGPU.GPU_group ro
    VGPUs                 set                ro
    GPU_types             set                ro
    other_config          map                rw
    allocation_algorithm  string             rw   depth_first
    supported_VGPU_types  set                ro
    enabled_VGPU_types    set                ro
"""

_PGPU = """
    uuid                  string             ro
    PCI                   string             ro
    GPU_group             ref:GPU_group      rw
    host                  ref:host           ro
    other_config          map                rw
    supported_VGPU_types  set                ro
    enabled_VGPU_types    set                ro
    resident_VGPUs        set                ro
    supported_VGPU_max_capacities map        ro
"""


def schemas() -> List[Schema]:
    return [
        # Session refs are credentials: they never reach the disk, so a restart ends them.
        Schema("session", _SESSION, persistent=False),
        Schema("task", _TASK),
        Schema("pool", _POOL),
        Schema("host", _HOST),
        Schema("host_metrics", _HOST_METRICS),
        Schema("secret", _VALUE),
        Schema("GPU_group", _GPU_GROUP),
        Schema("PGPU", _PGPU),
    ]
