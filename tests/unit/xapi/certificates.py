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

"""Certificates for hosts on loopback."""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
import ssl
from typing import Sequence, Tuple

from cryptography import x509
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def make(where: pathlib.Path,
         addresses: Sequence[str] = ("127.0.0.1",)) -> Tuple[ssl.SSLContext, pathlib.Path]:
    """Make a certificate as a XenServer host does: signed by itself.

    Returns what a server takes, and the PEM file with the certificate and its key.
    """
    backend = default_backend()  # Releases before 3.1 must be given one.
    key = ec.generate_private_key(ec.SECP256R1(), backend)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, addresses[0])])
    now = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1).not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256(), backend))
    pem = where / "host.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, pem
