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

"""Addresses of XAPI with a port.

os_xenapi asks the resolver for ``host:port`` as it stands in the URL, which has no address.  The
other places that take a URL apart (swap_xapi_host, http_connection, the image streams) are right.
"""

from __future__ import annotations

import socket
from typing import Any, List
from urllib import parse

NAME = "URLs with a port"

_PROBE = "http://192.0.2.1:8080"


def get_ip_from_url(_self: Any, url: str) -> str:
    """Return the IPv4 address of the host in *url*."""
    parts = parse.urlsplit(url)
    return socket.gethostbyname(parts.hostname or parts.netloc)


class _Resolver:
    """Stands in for the module socket, to see what is asked without asking."""

    def __init__(self) -> None:
        self.asked: List[str] = []

    def gethostbyname(self, name: str) -> str:
        self.asked.append(name)
        return "192.0.2.1"


def is_broken() -> bool:
    """Look at which name is resolved for a URL with a port."""
    from os_xenapi.client import session

    if in_force():
        return False
    resolver, original = _Resolver(), session.socket
    session.socket = resolver
    try:
        session.XenAPISession._get_ip_from_url(None, _PROBE)
    finally:
        session.socket = original
    return any(":" in name for name in resolver.asked)


def apply() -> None:
    """Replace the method."""
    from os_xenapi.client import session

    session.XenAPISession._get_ip_from_url = get_ip_from_url


def in_force() -> bool:
    """Return whether the method is ours."""
    from os_xenapi.client import session

    return session.XenAPISession._get_ip_from_url is get_ip_from_url
