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

from __future__ import annotations

import socket

import pytest

from nova_swift_handler.sandbox import ports


@pytest.mark.parametrize("options", [[], [socket.SO_REUSEPORT], [socket.SO_REUSEADDR]])
def test_a_port_that_is_listened_on_is_not_free(options: list) -> None:
    with socket.socket() as server:
        for option in options:
            server.setsockopt(socket.SOL_SOCKET, option, 1)
        server.bind((ports.LOOPBACK, 0))
        server.listen(1)
        assert not ports.is_free(server.getsockname()[1])


def test_a_port_on_which_every_address_is_listened_on_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen(1)
        assert not ports.is_free(server.getsockname()[1])


def test_found_ports_are_different_and_free() -> None:
    found = ports.find_free(20)
    assert len(set(found)) == 20
    assert all(ports.is_free(port) for port in found)


def test_found_ports_are_none_that_the_system_gives_to_clients() -> None:
    with open("/proc/sys/net/ipv4/ip_local_port_range") as setting:
        first = int(setting.read().split()[0])
    assert all(port < max(first, 32768) for port in ports.find_free(5))
