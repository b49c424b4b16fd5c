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

"""os_xenapi, repaired, against a host of its own process on a port of its own."""

import json
import pathlib
import subprocess
import sys

from .conftest import environment


def test_nova_compute_logs_in_at_an_address_with_a_port(start_compute, xapi):
    built, log = start_compute(url=xapi["url"], password=xapi["password"], fake=False)
    assert built, log
    assert built["driver"] == "nova.virt.xenapi.driver.XenAPIDriver"
    assert built["handler"] == "nova_swift_handler.handler.SwiftVhdHandler"
    assert built["host_uuid"] == xapi["host_uuid"]
    assert built["session_url"] == xapi["url"]


def test_nova_compute_logs_in_with_a_stock_handler_too(start_compute, xapi):
    built, log = start_compute(image_handler="image_handler = direct_vhd", url=xapi["url"],
                               password=xapi["password"], fake=False)
    assert built, log
    assert built["handler"] == "nova.virt.xenapi.image.glance.GlanceStore"
    assert built["host_uuid"] == xapi["host_uuid"]


def test_unrepaired_it_cannot_log_in(start_compute, xapi):
    """What the repairs are for; a newer os_xenapi that needs none would show here."""
    built, log = start_compute("--no-hook", image_handler="image_handler = direct_vhd",
                               url=xapi["url"], password=xapi["password"], fake=False)
    assert built is None
    assert "gaierror" in log


def test_a_wrong_password_is_still_refused(start_compute, xapi):
    built, log = start_compute(url=xapi["url"], password="not it", fake=False)
    assert built is None
    assert "SESSION_AUTHENTICATION_FAILED" in log


def test_stock_streams_store_and_fetch_a_disk_whole(installed, xapi, tmp_path):
    script = pathlib.Path(__file__).with_name("stock_stream.py")
    done = subprocess.run(
        [sys.executable, str(script), xapi["url"], xapi["password"], str(tmp_path / "image.tgz")],
        env=environment(installed), capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout.decode().splitlines()[-1])
    assert result["fetched"] == result["source"]
