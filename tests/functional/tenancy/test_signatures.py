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

"""Where Nova is told to verify images' signatures, no VDI is made of one that is not signed.

Nova's libraries, its image service, cursive and castellan are the real ones; a directory stands in
for Barbican (:mod:`.keys`).
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional

import pytest

pytest.importorskip("nova.virt.xenapi")

from cryptography import x509
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from nova_swift_handler.sandbox import ini
from tests.functional.handler.bench import MIB, Bench, Host
from tests.functional.simulator.process import PASSWORD
from tests.functional.tenancy import keys
from tests.unit.transfer import images

_SOURCES = Path(__file__).parents[3]
_COMPUTE = Path(__file__).parents[1] / "handler" / "compute.py"
_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
SESSIONS = ["session"]
"""os_xenapi leaves its own open when its process ends."""
PSS, ECC = "RSA-PSS", "ECC_SECP384R1"


class Signer:
    """Somebody with a key and a certificate that the key manager has.

    :param issuer: who signed the certificate; None signs it itself.
    """

    def __init__(self, directory: Path, key_type: str = PSS, issuer: Optional[Signer] = None,
                 days: int = 1) -> None:
        self.id = str(uuid.uuid4())
        self.key_type = key_type
        self.key: Any = (
            ec.generate_private_key(ec.SECP384R1(), default_backend()) if key_type == ECC
            else rsa.generate_private_key(65537, 2048, default_backend()))
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.id)])
        by = issuer or self
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(by.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(x509.KeyUsage(
                digital_signature=True, content_commitment=False, key_encipherment=False,
                data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=False,
                encipher_only=False, decipher_only=False), True)
            .sign(by.key, hashes.SHA256(), default_backend()))
        (directory / (self.id + ".der")).write_bytes(
            certificate.public_bytes(serialization.Encoding.DER))

    def properties(self, data: bytes) -> Dict[str, str]:
        """Return the properties of an image of these bytes."""
        if self.key_type == ECC:
            made = self.key.sign(data, ec.ECDSA(hashes.SHA256()))
        else:
            made = self.key.sign(data, padding.PSS(
                padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH), hashes.SHA256())
        return {"img_signature": base64.b64encode(made).decode("ascii"),
                "img_signature_hash_method": "SHA-256",
                "img_signature_key_type": self.key_type,
                "img_signature_certificate_uuid": self.id}


class Answer(NamedTuple):
    vdi: Optional[str]
    error: str
    message: str
    log: str


Boot = Callable[..., Answer]


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    made = tmp_path / "certificates"
    made.mkdir()
    return made


@pytest.fixture
def boot(bench: Bench, ext: Host, certificates: Path, tmp_path: Path) -> Boot:
    """Boots an image in a nova-compute that verifies signatures, as one of alice's."""
    def do(image_id: str, **glance: str) -> Answer:
        own = bench.env["users"]["swift-vhd"]
        path = ini.write(tmp_path / "nova.conf", {
            "DEFAULT": {"transport_url": "fake:/"},
            "glance": {"api_servers": bench.env["glance_url"],
                       **(glance or {"verify_glance_signatures": "true"})},
            "key_manager": {"backend": "tests.functional.tenancy.keys.Directory"},
            "xenserver": {"connection_url": ext.simulated.url, "connection_username": "root",
                          "connection_password": PASSWORD},
            "swift_vhd": {
                "auth_type": "password", "auth_url": bench.env["keystone_url"],
                "username": own["name"], "password": own["password"],
                "project_name": own["project"], "user_domain_id": bench.env["domain_id"],
                "project_domain_id": bench.env["domain_id"],
                "region_name": bench.cloud.region("ext")["name"],
                "container_prefix": bench.env["container_prefix"],
                "staging_dir": str(bench.staging)},
        })
        user = bench.token()
        done = subprocess.run(
            [sys.executable, str(_COMPUTE), str(path)], input=json.dumps({
                "token": user.token, "user_id": user.user_id, "project_id": user.project_id,
                "instance": str(uuid.uuid4()), "image": image_id}),
            # The key manager is one of the tests, which are not installed.
            env={**os.environ, "PYTHONPATH": str(_SOURCES), keys.DIRECTORY: str(certificates)},
            capture_output=True, check=False, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        bench.check_text(done.stderr)
        told = json.loads(done.stdout)
        result = told.get("result", {}).get("root", {})
        return Answer(result.get("uuid"), told.get("error", ""), told.get("message", ""),
                      done.stderr)

    return do


def served(bench: Bench, image_id: str) -> bytes:
    """Return the bytes that are to be signed."""
    return bytes(bench.glance("GET", "/v2/images/%s/file" % image_id).content)


def sign(bench: Bench, image_id: str, properties: Dict[str, str]) -> None:
    bench.glance("PATCH", "/v2/images/" + image_id, headers=_PATCH, json=[
        {"op": "add", "path": "/" + name, "value": value} for name, value in properties.items()])


@pytest.mark.parametrize("key_type", [PSS, ECC])
def test_a_signed_snapshot_boots(bench: Bench, ext: Host, boot: Boot, certificates: Path,
                                 key_type: str) -> None:
    image_id, sha256 = bench.stored(ext, registration="location")
    sign(bench, image_id, Signer(certificates, key_type).properties(served(bench, image_id)))
    got = boot(image_id)
    assert got.vdi is not None, got
    assert ext.control.guest_sha256(got.vdi) == sha256
    assert "out of glance" in got.log


def test_signed_images_of_others_boot(bench: Bench, ext: Host, boot: Boot,
                                      certificates: Path) -> None:
    signer = Signer(certificates)
    chain = images.chain(2, block_size=2 * MIB, blocks=3)
    for data, container_format in ((images.numbered(chain.vhds), "ovf"),
                                   (images.chain(1, blocks=5).vhds[0], "bare")):
        image_id = bench.uploaded(data, container_format)
        sign(bench, image_id, signer.properties(data))
        assert boot(image_id).vdi is not None


def _unsigned(_signer: Signer, _other: Signer, _data: bytes) -> Dict[str, str]:
    return {}


def _of_other_bytes(signer: Signer, _other: Signer, data: bytes) -> Dict[str, str]:
    return signer.properties(data[:-1] + b"x")


def _in_the_name_of_another(signer: Signer, other: Signer, data: bytes) -> Dict[str, str]:
    return dict(other.properties(data), img_signature_certificate_uuid=signer.id)


def _of_an_unknown_certificate(signer: Signer, _other: Signer, data: bytes) -> Dict[str, str]:
    return dict(signer.properties(data), img_signature_certificate_uuid=str(uuid.uuid4()))


def _of_another_kind(signer: Signer, _other: Signer, data: bytes) -> Dict[str, str]:
    return dict(signer.properties(data), img_signature_key_type=ECC)


def _half(signer: Signer, _other: Signer, data: bytes) -> Dict[str, str]:
    found = signer.properties(data)
    del found["img_signature_hash_method"]
    return found


@pytest.mark.parametrize("make", [
    _unsigned, _of_other_bytes, _in_the_name_of_another, _of_an_unknown_certificate,
    _of_another_kind, _half], ids=lambda make: make.__name__)
def test_what_is_not_signed_is_refused(bench: Bench, ext: Host, boot: Boot, certificates: Path,
                                       make: Any) -> None:
    image_id, _sha256 = bench.stored(ext, registration="location")
    data = served(bench, image_id)
    sign(bench, image_id, make(Signer(certificates), Signer(certificates), data))
    with bench.nothing_left(ext, apart_from=SESSIONS):
        got = boot(image_id)
    assert (got.vdi, got.error) == (None, "ImageUnacceptable"), got
    assert "signature" in got.message


def test_a_disk_that_was_changed_in_swift_is_refused(bench: Bench, ext: Host, boot: Boot,
                                                     certificates: Path) -> None:
    """By whoever may write there: its own digests are of no use then, the signature is."""
    image_id, _sha256 = bench.stored(ext, registration="location")
    sign(bench, image_id, Signer(certificates).properties(served(bench, image_id)))
    other, _other = bench.stored(ext, seed="another", registration="location")
    container = bench.swift("GET", "vhd-index/" + other).json()["container"]
    view = bench.swift("HEAD", "%s/points/%s/disk.vhd" % (container, other)).headers
    put = bench.swift(
        "PUT", "vhd-images/%s?multipart-manifest=put" % image_id, data=json.dumps([{
            "path": "/%s/points/%s/disk.vhd" % (container, other),
            "size_bytes": int(view["Content-Length"])}]))
    assert put.status_code == 201, put.text
    assert bench.image(image_id)["size"] == int(view["Content-Length"])
    with bench.nothing_left(ext, apart_from=SESSIONS):
        got = boot(image_id)
    assert (got.vdi, got.error) == (None, "ImageUnacceptable"), got
    assert "is not that of the image's bytes" in got.message


def test_only_trusted_signers_count_where_nova_knows_some(bench: Bench, ext: Host, boot: Boot,
                                                          certificates: Path) -> None:
    """With no verify_glance_signatures, but certificates that are trusted by default."""
    root, stranger = Signer(certificates), Signer(certificates)
    trusted = Signer(certificates, issuer=root)
    asked = {"enable_certificate_validation": "true", "default_trusted_certificate_ids": root.id}
    image_id, sha256 = bench.stored(ext, registration="location")
    data = served(bench, image_id)
    sign(bench, image_id, trusted.properties(data))
    got = boot(image_id, **asked)
    assert got.vdi is not None, got
    assert ext.control.guest_sha256(got.vdi) == sha256
    sign(bench, image_id, stranger.properties(data))
    refused = boot(image_id, **asked)
    assert (refused.vdi, refused.error) == (None, "ImageUnacceptable"), refused


def test_a_signature_is_not_looked_at_where_none_is_demanded(bench: Bench, ext: Host, boot: Boot,
                                                             certificates: Path) -> None:
    image_id, sha256 = bench.stored(ext, registration="location")
    sign(bench, image_id, Signer(certificates).properties(b"something else"))
    got = boot(image_id, verify_glance_signatures="false")
    assert got.vdi is not None, got
    assert ext.control.guest_sha256(got.vdi) == sha256
    assert "out of swift" in got.log
