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

"""How disks are moved: parallelism, patience and room on the compute host's disk."""

from __future__ import annotations

from oslo_config import cfg

OPTS = [
    cfg.IntOpt(
        "max_concurrent_transfers",
        default=4,
        min=1,
        help="""
Number of snapshots and boots that one nova-compute transfers at the same time.

Further ones wait for their turn, in order; a snapshot whose image is deleted meanwhile, and a
boot whose instance is, waits no longer. Each transfer is a process of its own that takes up to
256 MiB of memory, and what bandwidth it gets.
""",
    ),
    cfg.IntOpt(
        "upload_threads",
        default=4,
        min=1,
        max=16,
        help="""
Number of objects of one snapshot sent to Swift at the same time.

Each needs 32 MiB of memory in the process that does the transfer.
""",
    ),
    cfg.IntOpt(
        "download_threads",
        default=4,
        min=1,
        max=16,
        help="""
Number of ranges of one disk read from Swift at the same time.

Each needs 32 MiB of memory in the process that does the transfer.
""",
    ),
    cfg.IntOpt(
        "transfer_idle_timeout",
        default=300,
        min=1,
        help="""
Seconds after which a transfer in which nothing moves any more is given up.

Raise it where storage repositories stall for longer, for example while the garbage collector of
an LVM storage repository works.
""",
    ),
    cfg.IntOpt(
        "transfer_timeout",
        default=0,
        min=0,
        help="""
Seconds after which any transfer is given up, even one that still makes progress.

0 means no limit. A limit must leave time for the largest disk of the site.
""",
    ),
    cfg.StrOpt(
        "staging_dir",
        sample_default="$TMPDIR or /var/tmp",
        help="""
Directory for temporary files.

Only images whose parts do not come in the order in which they are needed use it: tar archives of
several VHDs, as the stock handler ``direct_vhd`` makes them. Files in it are removed when the
transfer ends; those of one that was killed when the next begins.
""",
    ),
    cfg.IntOpt(
        "staging_limit",
        default=100,
        min=0,
        help="""
GiB that one image may take in ``staging_dir``.

An image that needs more is refused before the disk fills up. 0 refuses every image that needs
staging.
""",
    ),
]
