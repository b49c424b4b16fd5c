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

"""What every option file of this package shares."""

from __future__ import annotations

from oslo_config import cfg

GROUP = "swift_vhd"

_HELP = """
Image handler that keeps XenServer / XCP-ng disks in Swift. Nova uses it when
``image_handler = swift_vhd`` stands in the section [xenserver].
"""


def opt_group() -> cfg.OptGroup:
    """Return the section.

    A new one each time: oslo.config keeps a configuration's options in the group it was given, so
    that two configurations in one process would share them.
    """
    return cfg.OptGroup(GROUP, title="Swift image handler", help=_HELP)
