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

"""An image's bytes, as a stream that cannot end early unnoticed."""

from __future__ import annotations

import hashlib
import logging
from typing import Any, Callable, Dict, List, Optional

import requests
import urllib3

from nova_swift_handler import exceptions, tally
from nova_swift_handler.glance.image import Image

LOG = logging.getLogger(__name__)

_CUTS = (OSError, requests.RequestException, urllib3.exceptions.HTTPError)
_ATTEMPTS = 4
_SKIP = 1 << 20

Opener = Callable[[Dict[str, str]], Any]
"""Takes request headers, returns the response to GET /v2/images/{id}/file of any status."""


class ImageData:
    """Reads an image from Glance; checks its length, and its hash if Glance knows one.

    A connection that breaks (in Python a plain end of file) is opened again where it broke: by
    Range if Glance's store can (Swift stores cannot), else from the start, skipping what was read.

    :ivar length: bytes of the image.
    """

    def __init__(self, image: Image, opener: Opener) -> None:
        self.length = 0
        self._image = image
        self._open = opener
        self._position = 0
        self._hashes = _Hashes(image)
        self._response: Optional[Any] = self._connect(0)
        self.length = self._expected_length()
        if not self.length:
            self._finished()

    def read(self, size: int = -1) -> bytes:
        """Return exactly *size* bytes, fewer only at the end; all the rest for a negative *size*.

        The last byte is given out only after the whole image has proved right.

        :raises ImageCorrupt: length or hash differ from Glance's record.
        :raises GlanceError: the transfer broke and could not be resumed.
        """
        left = self.length - self._position
        size = left if size < 0 else min(size, left)
        parts: List[bytes] = []
        while size:
            chunk = self._some(size)
            parts.append(chunk)
            size -= len(chunk)
            self._position += len(chunk)
            self._hashes.update(chunk)
        if parts and self._position == self.length:
            self._finished()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def finish(self) -> None:
        """Read and check whatever has not been read."""
        while self.read(_SKIP):
            pass

    def close(self) -> None:
        """Let go of the connection; what was not read stays unchecked."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def __enter__(self) -> ImageData:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _some(self, size: int) -> bytes:
        attempts = _ATTEMPTS
        reason = "the connection was closed"
        while True:
            try:
                if self._response is None:
                    self._response = self._connect(self._position)
                chunk = self._response.raw.read(size, decode_content=False)
                if chunk:
                    tally.TALLY.moved(tally.GLANCE, tally.RECEIVED, len(chunk))
                    return chunk
            except (*_CUTS, exceptions.GlanceUnreachable) as exc:
                reason = str(exc)
            self.close()
            attempts -= 1
            if not attempts:
                raise exceptions.GlanceError(
                    f"Downloading image {self._image.id} from Glance: broke off after "
                    f"{self._position} of {self.length} bytes, {_ATTEMPTS} times in a row "
                    f"({reason}). See glance-api's log.")
            LOG.warning("Downloading image %s from Glance broke off after %d of %d bytes (%s); "
                        "resuming.", self._image.id, self._position, self.length, reason)

    def _connect(self, position: int) -> Any:
        """Return a response whose next byte is the one at *position*."""
        headers = {"Accept-Encoding": "identity"}
        if not position:
            return self._checked(self._open(headers))
        response = self._open(dict(headers, Range=f"bytes={position}-{self.length - 1}"))
        if (response.status_code == 206
                and response.headers.get("Content-Range", "").startswith(f"bytes {position}-")):
            return response
        if response.status_code != 200:
            response.close()
            response = self._checked(self._open(headers))
        skip = position
        while skip:
            chunk = response.raw.read(min(skip, _SKIP), decode_content=False)
            if not chunk:
                response.close()
                raise OSError(f"broke off again while skipping to byte {position}")
            skip -= len(chunk)
        return response

    def _checked(self, response: Any) -> Any:
        if response.status_code == 200:
            return response
        response.close()
        raise exceptions.ImageCorrupt(
            f"Downloading image {self._image.id}: Glance has no data for it (HTTP "
            f"{response.status_code}), though its status is {self._image.status}.")

    def _expected_length(self) -> int:
        assert self._response is not None
        text = self._response.headers.get("Content-Length", "")
        announced = int(text) if text.isdigit() else None
        size = self._image.size
        if announced is None and size is None:
            self.close()
            raise exceptions.ImageCorrupt(
                f"Downloading image {self._image.id}: Glance does not say how long it is, so its "
                f"end could not be told from a broken connection.")
        if None not in (announced, size) and announced != size:
            self.close()
            raise exceptions.ImageCorrupt(
                f"Downloading image {self._image.id}: Glance sends {announced} bytes of an image "
                f"recorded with {size}.")
        length = size if size is not None else announced
        assert length is not None
        return length

    def _finished(self) -> None:
        self.close()
        self._hashes.check()


class _Hashes:
    """The strongest hash that Glance recorded and this Python can compute."""

    def __init__(self, image: Image) -> None:
        self._id = image.id
        self._name = ""
        self._wanted: Optional[str] = None
        self._hash: Any = None
        for name, wanted in ((image.os_hash_algo, image.os_hash_value), ("md5", image.checksum)):
            if not name or not wanted:
                continue
            try:
                self._hash = hashlib.new(name)
            except ValueError:  # an unknown algorithm, or md5 under FIPS
                continue
            self._name, self._wanted = name, wanted
            return
        LOG.debug("Glance has no usable hash of image %s: only its length is checked.", image.id)

    def update(self, chunk: bytes) -> None:
        if self._hash is not None:
            self._hash.update(chunk)

    def check(self) -> None:
        if self._hash is not None and self._hash.hexdigest() != self._wanted:
            raise exceptions.ImageCorrupt(
                f"Downloading image {self._id}: the {self._name} of its bytes is "
                f"{self._hash.hexdigest()}, Glance recorded {self._wanted}. Do not use it.")
