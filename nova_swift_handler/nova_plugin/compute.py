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

"""The script ``nova-compute-swift-vhd``: nova-compute with the handler enabled explicitly.

For sites that would rather name what they run than rely on the hook in the ``os_vif`` namespace.
It takes the same options, reads the same files and does the same things as nova-compute.

Exit status and signals are nova-compute's own too.
"""

from __future__ import annotations

import os
import sys
from typing import Any

NOVA_COMPUTE = "nova-compute"


def main() -> Any:
    """Run nova-compute."""
    # Must come first: importing it puts eventlet's green modules in place.
    from nova.cmd import compute

    from nova_swift_handler.nova_plugin import activation

    # oslo.config and oslo.log derive from it which files to read and what to call the log file.
    sys.argv[0] = os.path.join(os.path.dirname(sys.argv[0]), NOVA_COMPUTE)
    activation.enable()
    return compute.main()
