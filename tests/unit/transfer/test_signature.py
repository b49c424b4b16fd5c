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

"""A stream proves that its bytes were signed, with real keys, or says that they were not."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest

pytest.importorskip("cursive")

from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from nova_swift_handler import exceptions
from nova_swift_handler.transfer.signature import Signature, Verified

DATA = bytes(range(256)) * 5000


@pytest.fixture(scope="module")
def signature() -> Signature:
    key: Any = rsa.generate_private_key(65537, 2048, default_backend())
    made = key.sign(DATA, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH),
                    hashes.SHA256())
    return Signature(base64.b64encode(made).decode("ascii"), "SHA-256", "RSA-PSS",
                     key.public_key().public_bytes(
                         serialization.Encoding.PEM,
                         serialization.PublicFormat.SubjectPublicKeyInfo))


def verified(data: bytes, signature: Signature) -> Verified:
    return Verified(io.BytesIO(data), len(data), signature, "i")


@pytest.mark.parametrize("size", [0, 1, 4096, len(DATA), len(DATA) + 1])
def test_what_was_not_read_is_read_to_prove_it(signature: Signature, size: int) -> None:
    stream = verified(DATA, signature)
    assert stream.read(size) == DATA[:size]
    stream.prove()


@pytest.mark.parametrize("data", [
    DATA + b"x", DATA[:-1], DATA[1:], b"", DATA[:-1] + b"x"],
    ids=["longer", "shorter", "begun later", "empty", "last byte"])
def test_other_bytes_are_refused(signature: Signature, data: bytes) -> None:
    with pytest.raises(exceptions.ImageCorrupt, match="signature of image i"):
        verified(data, signature).prove()
