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

"""Which handler serves which path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_swift_handler.sandbox.xapi.datapath.export import ExportHandler
from nova_swift_handler.sandbox.xapi.datapath.import_ import ImportHandler
from nova_swift_handler.sandbox.xapi.rpc import json_wire, wire
from nova_swift_handler.sandbox.xapi.rpc.dispatcher import Dispatcher
from nova_swift_handler.sandbox.xapi.server import controls
from nova_swift_handler.sandbox.xapi.server.connection import Routes
from nova_swift_handler.sandbox.xapi.server.rpc import RpcHandler

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool


def routes(pool: Pool, host: Host) -> Routes:
    """What one host of a pool serves."""
    dispatcher = Dispatcher(pool, host)
    xml = RpcHandler(pool, dispatcher, wire)
    return {
        ("POST", "/"): xml,
        ("POST", "/RPC2"): xml,
        ("POST", "/jsonrpc"): RpcHandler(pool, dispatcher, json_wire),
        ("GET", "/export_raw_vdi"): ExportHandler(pool, host),
        ("PUT", "/import_raw_vdi"): ImportHandler(pool, host),
        ("POST", controls.PREFIX): controls.ControlHandler(pool, host),
    }
