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

"""One host and port, and how a connection to it is made."""

from __future__ import annotations

import dataclasses
import functools
import socket
import ssl
import urllib.parse
from typing import Optional

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import settings as xapi_settings

_PORTS = {"http": 80, "https": 443}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where XAPI listens."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        """``host[:port]`` as a Host header has it; the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def beside(self, host: str) -> Endpoint:
        """The same service on another host of the pool."""
        return dataclasses.replace(self, host=host)

    def connect(self, settings: xapi_settings.XapiSettings) -> socket.socket:
        """Open a connection, TLS included; its timeout is the connect timeout.

        :raises OSError: as socket and ssl do.
        :raises ConfigError: the CA file cannot be read.
        """
        tls = None
        if self.scheme == "https":
            tls = _tls(settings.verify, settings.cafile)
        sock = socket.create_connection((self.host, self.port), settings.connect_timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if tls is not None:
                return tls.wrap_socket(sock, server_hostname=self.host)
            return sock
        except BaseException:
            sock.close()
            raise


def parse(url: str) -> Endpoint:
    """Read host and port of a URL; user information and path are ignored.

    :raises ConfigError: the URL is not ``http[s]://host[:port]``.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("ascii")  # as a Host header is
    except ValueError:
        host, port, parts = None, None, urllib.parse.urlsplit("")
    if parts.scheme not in _PORTS or not host:
        raise exceptions.ConfigError(
            "the URL of XAPI must be http[s]://host[:port]; check [xenserver] connection_url")
    return Endpoint(parts.scheme, host, port or _PORTS[parts.scheme])


@functools.lru_cache(maxsize=8)  # Reading the system's authorities takes longer than a call.
def _tls(verify: bool, cafile: Optional[str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError) as exc:
        raise exceptions.ConfigError(
            f"the CA file {cafile} cannot be read ({exc.strerror or exc}); check"
            " [swift_vhd] xapi_cafile") from exc
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
