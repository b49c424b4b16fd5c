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

"""Run by a test: does a job as nova-compute does, while another greenthread counts.

Usage: under_eventlet.py GLANCE_URL
"""

from __future__ import annotations

import sys

import eventlet

eventlet.monkey_patch()

# What follows must find the patched modules.
from nova_swift_handler import exceptions  # noqa: E402
from nova_swift_handler.transfer import process  # noqa: E402
from tests.unit.transfer import services  # noqa: E402


def count() -> None:
    """Say so once the hub has come round fifty times."""
    for _turn in range(50):
        eventlet.sleep(0.01)
    print("fifty turns", flush=True)


def main() -> None:
    """Do two jobs at a time."""
    counter = eventlet.spawn(count)
    jobs = [eventlet.spawn(process.run, services.boot_job(sys.argv[1])) for _job in range(2)]
    for job in jobs:
        try:
            job.wait()
        except exceptions.ImageUnavailable as error:
            print("refused:", error, flush=True)
    counter.wait()


main()
