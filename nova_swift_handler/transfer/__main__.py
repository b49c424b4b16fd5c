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

"""``python -m nova_swift_handler.transfer``: what a transfer process runs."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # swiftclient loads it for logging in, if it is there.  Here keystoneauth does that, and a
    # transfer begins a third sooner without.
    sys.modules["keystoneclient"] = None  # type: ignore[assignment]

    from nova_swift_handler.transfer import worker

    sys.exit(worker.main())
