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

"""Which defects of os_xenapi are repaired."""

from __future__ import annotations

from oslo_config import cfg

OPTS = [
    cfg.BoolOpt(
        "repair_os_xenapi_pipes",
        default=True,
        help="""
Whether the pipes of os_xenapi are repaired, which Nova's stock handler ``vdi_remote_stream``
uses.

As shipped they hand over less than was asked for; on Python 3 most snapshots that the stock
handler makes are cut short and are reported as good, or never end. False restores that
behaviour; it is of use for comparisons only. The repairs without which Nova cannot log in to
XAPI at all are not optional.
""",
    ),
]
