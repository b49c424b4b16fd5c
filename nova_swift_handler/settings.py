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

"""What the operator decided about storing and moving disks, as plain values for all layers."""

from __future__ import annotations

import dataclasses
from typing import Optional


@dataclasses.dataclass(frozen=True)
class StoreSettings:
    """Where in Swift disks are kept.

    :ivar container_prefix: first part of every container's name.
    :ivar storage_policy: Swift policy of containers made anew; None is the cluster's default.
    :ivar segment_size: bytes above which a data object is closed.
    :ivar reader_acl: element of a Swift read ACL that covers Glance's Swift user; None grants
        nobody anything.
    :ivar sweep_grace: seconds from when an object is found to be needed by nothing until Swift
        deletes it.
    """

    container_prefix: str = "vhd"
    storage_policy: Optional[str] = None
    segment_size: int = 256 * 1024 * 1024
    reader_acl: Optional[str] = None
    sweep_grace: int = 7 * 24 * 3600


@dataclasses.dataclass(frozen=True)
class TransferSettings:
    """How disks are moved.

    :ivar max_concurrent: snapshots and boots of one process under way at the same time.
    :ivar upload_threads: objects of one disk sent to Swift at the same time.
    :ivar download_threads: ranges of one disk read from Swift at the same time.
    :ivar idle_timeout: seconds in which something must move.
    :ivar timeout: seconds a transfer may take in all; None is no limit.
    :ivar staging_dir: directory for temporary files.
    :ivar staging_limit: bytes one image may take there.
    """

    max_concurrent: int = 4
    upload_threads: int = 4
    download_threads: int = 4
    idle_timeout: float = 300.0
    timeout: Optional[float] = None
    staging_dir: str = "/var/tmp"  # noqa: S108  (the caller makes a private directory in it)
    staging_limit: int = 100 * 1024 ** 3


@dataclasses.dataclass(frozen=True)
class MonitorSettings:
    """What monitoring is told.

    :ivar notify: whether transfers are told of by Nova's notifications.
    :ivar notify_interval: seconds between two notifications of progress; 0 sends none.
    :ivar metrics_directory: where files with metrics go; an empty one keeps none.
    """

    notify: bool = True
    notify_interval: float = 30.0
    metrics_directory: str = ""
