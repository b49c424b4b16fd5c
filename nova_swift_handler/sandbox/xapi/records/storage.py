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

"""Classes of storage: SM, SR, PBD, VDI, VBD."""

from __future__ import annotations

from typing import List

from nova_swift_handler.sandbox.xapi.records.schema import Schema

_SM = """
    uuid                  string             ro
    name__label           string             ro
    name__description     string             ro
    type                  string             ro
    vendor                string             ro
    copyright             string             ro
    version               string             ro
    required_api_version  string             ro   1.0
    configuration         map                ro
    capabilities          set                ro
    features              map                ro
    other_config          map                rw
    driver_filename       string             ro
    required_cluster_stack set               ro
"""

_SR = """
    uuid                  string             ro
    name__label           string             rw
    name__description     string             rw
    allowed_operations    set                ro
    current_operations    map                ro
    VDIs                  refs:VDI.SR        ro
    PBDs                  refs:PBD.SR        ro
    virtual_allocation    int                ro
    physical_utilisation  int                ro
    physical_size         int                ro
    type                  string             ro
    content_type          string             ro
    shared                bool               ro
    other_config          map                rw
    tags                  set                rw
    sm_config             map                rw
    blobs                 map                ro
    local_cache_enabled   bool               ro
    introduced_by         string             ro   OpaqueRef:NULL
    clustered             bool               ro
    is_tools_sr           bool               ro
"""

_PBD = """
    uuid                  string             ro
    host                  ref:host           const
    SR                    ref:SR             const
    device_config         map                const
    currently_attached    bool               ro
    other_config          map                rw
"""

_VDI = """
    uuid                  string             ro
    name__label           string             rw
    name__description     string             rw
    allowed_operations    set                ro
    current_operations    map                ro
    SR                    ref:SR             const
    VBDs                  refs:VBD.VDI       ro
    crash_dumps           set                ro
    virtual_size          int                const
    physical_utilisation  int                ro
    type                  string             const user
    sharable              bool               const
    read_only             bool               const
    other_config          map                rw
    storage_lock          bool               ro
    location              string             ro
    managed               bool               ro   true
    missing               bool               ro
    parent                ref:VDI            ro
    xenstore_data         map                rw
    sm_config             map                rw
    is_a_snapshot         bool               ro
    snapshot_of           ref:VDI            ro
    snapshots             refs:VDI.snapshot_of ro
    snapshot_time         datetime           ro
    tags                  set                rw
    allow_caching         bool               ro
    on_boot               string             ro   persist
    metadata_of_pool      ref:pool           ro
    metadata_latest       bool               ro
    is_tools_iso          bool               ro
    cbt_enabled           bool               ro
"""

_VBD = """
    uuid                  string             ro
    allowed_operations    set                ro
    current_operations    map                ro
    VM                    ref:VM             const
    VDI                   ref:VDI            const
    device                string             ro
    userdevice            string             rw
    bootable              bool               rw
    mode                  string             rw   RW
    type                  string             rw   Disk
    unpluggable           bool               rw   true
    storage_lock          bool               ro
    empty                 bool               const
    other_config          map                rw
    currently_attached    bool               ro
    status_code           int                ro
    status_detail         string             ro
    runtime_properties    map                ro
    qos__algorithm_type   string             rw
    qos__algorithm_params map                rw
    qos__supported_algorithms set            ro
    metrics               ref:VBD_metrics    ro
"""

_VBD_METRICS = """
    uuid                  string             ro
    io__read_kbs          float              ro
    io__write_kbs         float              ro
    last_updated          datetime           ro
    other_config          map                rw
"""


def schemas() -> List[Schema]:
    return [
        Schema("SM", _SM),
        Schema("SR", _SR),
        Schema("PBD", _PBD),
        Schema("VDI", _VDI),
        Schema("VBD", _VBD),
        Schema("VBD_metrics", _VBD_METRICS),
    ]
