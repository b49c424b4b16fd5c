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

"""How the host's XAPI is reached; its address and password are Nova's own options."""

from __future__ import annotations

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt(
        "xapi_verify",
        default=True,
        help="""
Whether the certificate of the host is verified when ``[xenserver] connection_url`` is an https
address.

XenServer makes itself a self-signed certificate: either give it in ``xapi_cafile``, or replace
it on the host. False lets anyone between Nova and the host read the host's password.
""",
    ),
    cfg.StrOpt(
        "xapi_cafile",
        help="""
File with the certificates (PEM) that the host's certificate is verified with.

When unset, the system's certificates are used.
""",
    ),
    cfg.IntOpt(
        "xapi_connect_timeout",
        default=30,
        min=1,
        help="Seconds to wait for a connection to the host.",
    ),
    cfg.IntOpt(
        "xapi_read_timeout",
        default=120,
        min=1,
        help="""
Seconds to wait for the answer to a call.

Creating or removing a disk takes a minute or more while its storage repository is busy. Transfers
of disks have limits of their own: see ``transfer_idle_timeout`` and ``xapi_finish_timeout``.
""",
    ),
    cfg.IntOpt(
        "xapi_finish_timeout",
        default=600,
        min=1,
        help="""
Seconds the host may take to detach the disk and to say how a transfer ended, after its last byte.

The host itself waits up to 300 seconds for a detach. Raise it where transfers fail because their
task is still pending in the end.
""",
    ),
    cfg.IntOpt(
        "chain_depth_warning",
        default=20,
        min=2,
        max=30,
        help="""
Depth of a disk's chain of VHDs on its storage repository from which on each snapshot of it logs a
warning.

The host cannot snapshot a disk whose chain has 30. Chains grow when snapshots are kept, or made
faster than the storage repository's garbage collector works; ``swift-vhd sr chain`` shows them,
and ``swift-vhd sr coalesce`` makes them shorter.
""",
    ),
]
