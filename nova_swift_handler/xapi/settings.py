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

"""What it takes to talk to one XAPI host, as plain values."""

from __future__ import annotations

import dataclasses
from typing import Optional


@dataclasses.dataclass(frozen=True)
class XapiSettings:
    """How to reach and use one host.

    :ivar url: ``http[s]://host[:port]`` of the host; the data of disks is asked from this very
        host, calls go to the master of its pool.
    :ivar username: a user of XAPI with at least the role vm-admin (disk transfers need it).
    :ivar password: that user's password; never shown.
    :ivar verify: check the certificate of an ``https`` host.
    :ivar cafile: PEM file with the certificate authority of the hosts; None is the system's.
    :ivar connect_timeout: seconds a connection may take to stand.
    :ivar read_timeout: seconds a call may take to answer, unless the call says otherwise.
    :ivar idle_timeout: seconds a disk transfer may stand still, no byte passing and its task
        making no progress.
    :ivar finish_timeout: seconds XAPI may take to detach the disk and settle the task once the
        last byte has passed (XAPI itself waits 300 s for a detach).
    :ivar chain_depth_warning: VHDs in a disk's chain from which on a snapshot of it is warned of.
    :ivar originator: names this client in the host's logs.
    """

    url: str
    username: str
    password: str = dataclasses.field(repr=False)
    verify: bool = True
    cafile: Optional[str] = None
    connect_timeout: float = 30.0
    read_timeout: float = 120.0
    idle_timeout: float = 300.0
    finish_timeout: float = 600.0
    chain_depth_warning: int = 20
    originator: str = "nova_swift_handler"
