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

"""A stream whose bytes are proven to be those that were signed.

What is signed is what Glance serves of an image, from its first byte to its last
(OpenStack's image signatures: the properties ``img_signature*``, see Nova's and Glance's
documentation and the library cursive).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_swift_handler import exceptions
from nova_swift_handler.transfer.report import Readable

_PIECE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature and what it takes to check it; plain values, for a process of its own.

    :ivar value: the signature in base64, as the image's property has it.
    :ivar hash_method: as the property has it, e.g. ``SHA-256``.
    :ivar key_type: as the property has it, e.g. ``RSA-PSS``.
    :ivar public_key: of a certificate that is trusted, in PEM.
    """

    value: str
    hash_method: str
    key_type: str
    public_key: bytes


class Verified:
    """A stream that is read to its end and then proven; see :meth:`prove`.

    :ivar length: bytes of the stream.
    """

    def __init__(self, stream: Readable, length: int, signature: Signature,
                 image_id: str) -> None:
        # Nova's environment has these; who verifies nothing needs them not.
        from cryptography.hazmat.backends import default_backend
        from cryptography.hazmat.primitives import serialization
        from cursive import signature_utils

        self.length = length
        self._stream = stream
        self._image_id = image_id
        kind = signature_utils.SignatureKeyType.lookup(signature.key_type)
        self._verifier: Any = kind.create_verifier(
            signature_utils.get_signature(signature.value),
            signature_utils.get_hash_method(signature.hash_method),
            serialization.load_pem_public_key(signature.public_key, default_backend()))

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end."""
        data = self._stream.read(size)
        self._verifier.update(data)
        return data

    def prove(self) -> None:
        """Read what has not been read, and check the signature.

        :raises ImageCorrupt: it is not that of these bytes.
        """
        from cryptography.exceptions import InvalidSignature

        while self.read(_PIECE):
            pass
        try:
            self._verifier.verify()
        except InvalidSignature as error:
            raise exceptions.ImageCorrupt(
                "Verifying the signature of image %s: it is not that of the image's bytes. Do not "
                "use the image, or have its owner sign what Glance serves of it."
                % self._image_id) from error
