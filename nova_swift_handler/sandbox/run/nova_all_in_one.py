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

"""Run all of one region's Nova in this process: ``nova_all_in_one.py NOVA_CONF PLACEMENT_CONF``.

Placement, API, conductor, scheduler and compute, each the real and unmodified service, in one
eventlet hub.  One process, since they then need no message bus: oslo.messaging's ``fake:/``
delivers within it.  Nova's own commands start the very same objects.

Prints a line that begins with READY once the compute node can be scheduled to.
"""

# First of all, as Nova's own commands do: it makes the standard library green.
import nova.monkey_patch

# isort: split
import functools
import json
import logging
import os
import shlex
import sys
import types
from typing import Any, cast

import eventlet
import os_vif
import placement.conf
import placement.db_api
import placement.deploy
from eventlet import hubs
from nova import config, context, exception, objects, service, servicegroup, utils, wsgi
from nova.compute import rpcapi as compute_rpcapi
from nova.objects import host_mapping
from nova.scheduler import rpcapi as scheduler_rpcapi
from oslo_config import cfg
from oslo_log import log as oslo_log
from oslo_privsep import priv_context
from oslo_service import service as oslo_service

LOG = logging.getLogger("sandbox.nova")


def settle_clock() -> None:
    """Let Nova's check of eventlet's clock pass with today's eventlet.

    It compares the hub's clock with ``monotonic.monotonic`` by identity.  Both are monotonic, but
    no longer the same function.
    """
    clock = hubs.get_hub().clock
    sys.modules["monotonic"] = cast(Any, types.SimpleNamespace(monotonic=clock))


def listen_alone() -> None:
    """Let no other process listen on our ports: eventlet shares them by default."""
    eventlet.listen = functools.partial(eventlet.listen, reuse_port=False)


def placement_server(path: str, nova_conf: Any) -> Any:
    """Return the server of Placement, with a configuration of its own."""
    conf = cfg.ConfigOpts()
    placement.conf.register_opts(conf)
    conf([], project="placement", default_config_files=[path])
    placement.db_api.configure(conf)
    application = placement.deploy.loadapp(conf)
    return wsgi.Server("placement", application, host=nova_conf.sandbox_placement_listen,
                       port=nova_conf.sandbox_placement_port)


def compute_node(host: str) -> Any:
    """Return this host's compute node as soon as nova-compute has registered it."""
    admin = context.get_admin_context()
    while True:
        try:
            return objects.ComputeNodeList.get_all_by_host(admin, host)[0]
        except exception.ComputeHostNotFound:
            eventlet.sleep(0.05)


def wait_until_up(host: str) -> None:
    """Wait until nova-compute has reported, so that the scheduler takes it for alive."""
    admin = context.get_admin_context()
    while not servicegroup.API().service_is_up(
            objects.Service.get_by_host_and_binary(admin, host, "nova-compute")):
        eventlet.sleep(0.1)


def announce(conf: Any) -> None:
    """Map this host into the cell, as ``nova-manage cell_v2 discover_hosts`` does, and say so."""
    node = compute_node(conf.host)
    host_mapping.discover_hosts(context.get_admin_context())
    wait_until_up(conf.host)
    print("READY " + json.dumps({"host": conf.host, "node": node.hypervisor_hostname}),
          flush=True)


def announce_or_end(conf: Any) -> None:
    try:
        announce(conf)
    except Exception:
        LOG.exception("the compute host could not be mapped into the cell")
        os._exit(1)


def main() -> None:
    nova_conf, placement_conf = sys.argv[1:]
    settle_clock()
    listen_alone()
    conf = nova.conf.CONF
    conf.register_opts([cfg.HostAddressOpt("sandbox_placement_listen"),
                        cfg.PortOpt("sandbox_placement_port")])
    config.parse_args(["nova", "--config-file", nova_conf])
    oslo_log.setup(conf, "nova")
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    objects.register_all()
    # What nova-compute does before it builds its driver: loads the VIF plugins' entry points.
    os_vif.initialize()

    launcher = oslo_service.ServiceLauncher(conf)
    launcher.launch_service(placement_server(placement_conf, conf))
    launcher.launch_service(service.Service.create(binary="nova-conductor"))
    launcher.launch_service(service.Service.create(
        binary="nova-scheduler", topic=scheduler_rpcapi.RPC_TOPIC))
    launcher.launch_service(service.WSGIService("osapi_compute"))
    launcher.launch_service(service.Service.create(
        binary="nova-compute", topic=compute_rpcapi.RPC_TOPIC))
    eventlet.spawn(announce_or_end, conf)
    launcher.wait()


if __name__ == "__main__":
    main()
