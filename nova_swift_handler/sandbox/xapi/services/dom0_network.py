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

"""Bridges, ports and links of dom0, as far as Nova's OVS driver sets them up.

Kept in memory: a real dom0 loses them at a reboot as well.  Commands fail as the tools they stand
for do (``ip``, ``brctl``, ``ovs-vsctl``), since Nova tells from a failure that a device is absent.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Mapping, Optional, Set


class CommandFailed(Exception):
    """The tool exited with an error; the text is its standard error."""


class Dom0Network:
    def __init__(self) -> None:
        self._lock = threading.RLock()
        #: device -> its veth peer, or None for a bridge
        self._links: Dict[str, Optional[str]] = {}
        self._bridges: Dict[str, Set[str]] = {}
        self._ovs: Dict[str, Set[str]] = {}
        self._external_ids: Dict[str, Dict[str, str]] = {}

    def run(self, command: str, args: Mapping[str, Any]) -> str:
        """Do one of xenhost.py's network commands; KeyError for one it does not allow."""
        with self._lock:
            return self.commands()[command](args) or ""

    def commands(self) -> Dict[str, Callable[[Mapping[str, Any]], Optional[str]]]:
        return {
            "ovs_add_patch_port": self._ovs_add_port, "ovs_add_port": self._ovs_add_port,
            "ovs_create_port": self._ovs_create_port, "ovs_del_port": self._ovs_del_port,
            "ovs_del_br": self._ovs_del_br, "ovs_set_if_external_id": self._ovs_external_id,
            "ip_link_add_veth_pair": self._add_pair, "ip_link_del_dev": self._del_dev,
            "ip_link_get_dev": self._get_dev, "ip_link_set_dev": self._set_dev,
            "ip_link_set_promisc": self._set_dev, "brctl_add_br": self._add_bridge,
            "brctl_add_if": self._bridge_add, "brctl_del_br": self._del_bridge,
            "brctl_del_if": self._bridge_del, "brctl_set_fd": self._on_bridge,
            "brctl_set_stp": self._on_bridge,
        }

    def snapshot(self) -> Dict[str, Any]:
        """What is set up now, for tests."""
        with self._lock:
            return {
                "links": sorted(self._links),
                "bridges": {name: sorted(ports) for name, ports in self._bridges.items()},
                "ovs": {name: sorted(ports) for name, ports in self._ovs.items() if ports},
                "external_ids": {name: dict(ids) for name, ids in self._external_ids.items()},
            }

    def _require(self, device: str) -> None:
        if device not in self._links:
            raise CommandFailed('Device "%s" does not exist.\n' % device)

    def _ovs_add_port(self, args: Mapping[str, Any]) -> None:
        self._forget_port(args["port_name"])
        self._ovs.setdefault(args["bridge_name"], set()).add(args["port_name"])

    def _ovs_create_port(self, args: Mapping[str, Any]) -> None:
        port = args["port"]
        self._forget_port(port)
        self._ovs.setdefault(args["bridge"], set()).add(port)
        self._external_ids[port] = {
            "iface-id": args["iface-id"], "iface-status": args["status"],
            "attached-mac": args["mac"], "xs-vif-uuid": args["iface-id"]}

    def _ovs_del_port(self, args: Mapping[str, Any]) -> None:
        self._ovs.get(args["bridge_name"], set()).discard(args["port_name"])
        self._external_ids.pop(args["port_name"], None)

    def _forget_port(self, port: str) -> None:
        for ports in self._ovs.values():
            ports.discard(port)

    def _ovs_del_br(self, args: Mapping[str, Any]) -> None:
        self._ovs.pop(args["bridge_name"], None)

    def _ovs_external_id(self, args: Mapping[str, Any]) -> None:
        # "extneral_id" is how the plugin itself spells it.
        ids = self._external_ids.setdefault(args["interface"], {})
        ids[args["extneral_id"]] = args["value"]

    def _add_pair(self, args: Mapping[str, Any]) -> None:
        one, other = args["dev1_name"], args["dev2_name"]
        for device in (one, other):
            if device in self._links:
                raise CommandFailed("RTNETLINK answers: File exists\n")
        self._links[one], self._links[other] = other, one

    def _del_dev(self, args: Mapping[str, Any]) -> None:
        self._require(args["device_name"])
        peer = self._links.pop(args["device_name"])
        if peer is not None:
            self._links.pop(peer, None)

    def _get_dev(self, args: Mapping[str, Any]) -> str:
        self._require(args["device_name"])
        return "2: %s: <BROADCAST,MULTICAST,UP> mtu 1500\n" % args["device_name"]

    def _set_dev(self, args: Mapping[str, Any]) -> None:
        self._require(args["device_name"])

    def _add_bridge(self, args: Mapping[str, Any]) -> None:
        name = args["bridge_name"]
        if name in self._links:
            raise CommandFailed(
                "device %s already exists; can't create bridge with the same name\n" % name)
        self._links[name] = None
        self._bridges[name] = set()

    def _on_bridge(self, args: Mapping[str, Any]) -> None:
        self._ports(args)

    def _ports(self, args: Mapping[str, Any]) -> Set[str]:
        try:
            return self._bridges[args["bridge_name"]]
        except KeyError:
            raise CommandFailed("bridge %s doesn't exist!\n" % args["bridge_name"]) from None

    def _bridge_add(self, args: Mapping[str, Any]) -> None:
        ports = self._ports(args)
        self._require(args["interface_name"])
        ports.add(args["interface_name"])

    def _bridge_del(self, args: Mapping[str, Any]) -> None:
        ports = self._ports(args)
        if args["interface_name"] not in ports:
            raise CommandFailed("device %s is not a slave of %s\n" % (
                args["interface_name"], args["bridge_name"]))
        ports.remove(args["interface_name"])

    def _del_bridge(self, args: Mapping[str, Any]) -> None:
        self._ports(args)
        del self._bridges[args["bridge_name"]]
        del self._links[args["bridge_name"]]
