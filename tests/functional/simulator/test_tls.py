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

"""With a certificate the host speaks TLS, as a real one does behind stunnel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest

from nova_swift_handler.sandbox.xapi.control import Control
from tests.functional.simulator.process import PASSWORD, SimulatedHost, curl, responses
from tests.functional.simulator.transfers import MIB, sha256
from tests.unit.xapi import certificates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: Any) -> Path:
    """A self-signed certificate for the loopback address, and its key."""
    return certificates.make(tmp_path_factory.mktemp("tls"))[1]


@pytest.fixture(scope="module")
def tls_host(certificate: Path, tmp_path_factory: Any) -> Iterator[SimulatedHost]:
    running = SimulatedHost(
        tmp_path_factory.mktemp("host"), "ext", "--tls-cert", str(certificate),
        "--tls-key", str(certificate))
    running.start()
    running.control = Control(running.url, cafile=str(certificate))
    yield running
    assert running.stop() == 0


def test_a_client_that_verifies_wants_the_certificate(
    tls_host: SimulatedHost, certificate: Path,
) -> None:
    assert tls_host.url.startswith("https://")
    url = tls_host.url + "/export_raw_vdi?vdi=x"
    assert curl(url).returncode == 60  # CURLE_PEER_FAILED_VERIFICATION
    [head, _body] = responses(curl("--cacert", str(certificate), url).stdout)
    assert head.startswith(b"HTTP/1.1 401 ")


def test_disks_go_through_tls_and_end_cleanly(
    tls_host: SimulatedHost, certificate: Path, tmp_path: Path,
) -> None:
    data = bytes(range(256)) * (3 * MIB // 256)
    (tmp_path / "disk").write_bytes(data)
    common = ["--cacert", str(certificate), "--user", "root:" + PASSWORD]
    made = curl(*common, "--upload-file", str(tmp_path / "disk"),
                "%s/import_raw_vdi?sr_uuid=%s" % (tls_host.url, tls_host.ready["sr_uuid"]))
    assert made.returncode == 0 and made.stdout.startswith(b"HTTP/1.1 200 OK")
    client = pytest.importorskip("XenAPI").Session(tls_host.url, ignore_ssl=True)
    client.login_with_password("root", PASSWORD, "1.0", "tests")
    [vdi] = client.xenapi.VDI.get_all()
    done = curl(*common, "%s/export_raw_vdi?vdi=%s" % (tls_host.url, vdi))
    assert done.returncode == 0, done.stderr  # a missing close_notify would be an error
    assert responses(done.stdout)[-1] == data + bytes(MIB)
    assert tls_host.control.guest_sha256(client.xenapi.VDI.get_uuid(vdi)) == sha256(
        data + bytes(MIB))


def test_headers_are_not_limited_behind_stunnel(
    tls_host: SimulatedHost, certificate: Path,
) -> None:
    done = curl("--cacert", str(certificate), "--header", "X: " + "x" * 2000,
                tls_host.url + "/export_raw_vdi")
    assert done.stdout.startswith(b"HTTP/1.1 401 ")


def test_plain_http_gets_nowhere(tls_host: SimulatedHost) -> None:
    assert curl(tls_host.url.replace("https", "http")).returncode != 0
