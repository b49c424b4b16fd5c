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

"""What monitoring is told."""

from __future__ import annotations

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt(
        "notify_transfers",
        default=True,
        help="""
Whether nova-compute sends notifications when a snapshot or boot begins, moves on, ends or fails.

Nothing is sent unless nova sends notifications at all: ``driver`` in the section
[oslo_messaging_notifications] turns them on. The types begin with ``swift_vhd.``.
""",
    ),
    cfg.IntOpt(
        "notify_progress_interval",
        default=30,
        min=0,
        help="""
Seconds between two notifications of how far a transfer has come.

0 sends none but those of its beginning and its end.
""",
    ),
    cfg.StrOpt(
        "metrics_directory",
        default="",
        help="""
Directory for files with metrics, such as node_exporter's ``--collector.textfile.directory``.

nova-compute and the commands ``housekeep``, ``store verify`` and ``store drill`` each write a
file ``swift_vhd_*.prom`` there, so all of them must be allowed to. When empty, no metrics are
kept.
""",
    ),
]
