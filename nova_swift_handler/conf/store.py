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

"""Where in Swift disks are kept, and in which pieces."""

from __future__ import annotations

from oslo_config import cfg, types

# Swift container names may not hold "/" and end at 256 bytes; what follows the prefix needs 60.
_PREFIX = types.String(regex=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)

OPTS = [
    cfg.Opt(
        "container_prefix",
        type=_PREFIX,
        default="vhd",
        help="""
First part of the name of every container this package uses.

Containers are called ``<prefix>-index``, ``<prefix>-images``, ``<prefix>-templates``,
``<prefix>-isos`` and ``<prefix>-volume-<volume id>``. Two clouds that share one Swift account
need different prefixes. Do not change it once images are stored: the old ones would not be
found any more.
""",
    ),
    cfg.StrOpt(
        "storage_policy",
        sample_default="<the cluster's default policy>",
        help="""
Swift storage policy for containers that this package creates.

``swift capabilities`` lists the names of a cluster's policies. A container keeps the policy it
was made with. When unset, the cluster's default policy is used.
""",
    ),
    cfg.IntOpt(
        "segment_size",
        default=256,
        min=4,
        max=4096,
        help="""
Size in MiB above which a data object is closed and the next one begun.

A larger one means fewer objects and fewer checks by Swift; a smaller one means that less has to
be sent again after an interrupted upload. Swift itself refuses objects above 5 GiB.
""",
    ),
    cfg.IntOpt(
        "sweep_grace",
        default=7,
        min=1,
        max=365,
        help="""
Days from when ``swift-vhd housekeep`` finds that nothing needs an object until Swift deletes it.

Until then each run takes back what has come to be needed again. At least one run should come to
its end within this time, so have it run every day and let this be several days.
""",
    ),
]
