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

"""VMs that tests leave on a simulated host."""

from __future__ import annotations

from nova_swift_handler.xapi.session import Session


def remove(session: Session) -> None:
    """Remove all VMs but dom0 and templates, running or not."""
    for ref, record in session.call("VM.get_all_records").items():
        if not record["is_control_domain"] and not record["is_a_template"]:
            if record["power_state"] != "Halted":
                session.call("VM.hard_shutdown", ref)
            session.call("VM.destroy", ref)
