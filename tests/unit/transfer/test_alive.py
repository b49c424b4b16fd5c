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

"""A transfer is known to be under way as long as its process lives, and no longer."""

from __future__ import annotations

import subprocess
import sys
import uuid

from nova_swift_handler.transfer import alive, jobs

_HOLD = """
import sys
from nova_swift_handler.transfer import alive
with alive.announced(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_transfer_is_alive_until_it_ends() -> None:
    one, other = jobs.transfer_id("nova-1"), jobs.transfer_id("nova-1")
    assert not alive.is_alive(one)
    with alive.announced(one):
        assert alive.is_alive(one) and not alive.is_alive(other)
    assert not alive.is_alive(one)


def test_a_killed_transfer_is_not_alive() -> None:
    transfer = "a host with a long name " * 20 + str(uuid.uuid4())
    with subprocess.Popen([sys.executable, "-c", _HOLD, transfer], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert alive.is_alive(transfer)
        holder.kill()
        holder.wait()
    assert not alive.is_alive(transfer)


def test_a_transfers_id_says_whose_it_is() -> None:
    job = jobs.BootJob(None, None, "i", "sr", "n", "d", {},  # type: ignore[arg-type]
                       transfer_id=jobs.transfer_id("host/with a slash"))
    assert job.maker == "host/with a slash"
