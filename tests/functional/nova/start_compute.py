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

"""Run nova-compute's real ``main()`` until its driver is built, then say what was built.

Run as a program of its own, because Nova's start-up is about what a process loads in which order.
Replaced are only the parts that need the rest of a cloud: waiting for a conductor, asking it for
the age of other computes, looking for placement, and serving for ever.  With ``--fake`` Nova's own
in-process XAPI stands in for the host.

Prints one line of JSON.
"""

import argparse
import json
import os
import sys


def _report(server):
    from nova.conf import xenserver

    driver = server.manager.driver
    built = {"driver": _name(type(driver)),
             "os_xenapi": "os_xenapi" in sys.modules}
    if hasattr(driver, "_vmops"):
        from nova.virt.xenapi.image import utils
        from os_xenapi.client import session
        from os_xenapi.client import utils as xapi_utils

        option = [opt for opt in xenserver.ALL_XENSERVER_OPTS if opt.name == "image_handler"]
        built.update({
            "handler": _name(type(driver._vmops.image_handler)),
            "choices": list(option[0].type.choices) if option else None,
            "get_image_handler": utils.get_image_handler.__globals__["__name__"],
            "pipe": _name(type(xapi_utils.create_pipe()[0])),
            "call_plugin_serialized": session.XenAPISession.call_plugin_serialized.__module__,
            "get_ip_from_url": session.XenAPISession._get_ip_from_url.__module__,
            "host_uuid": driver._session.host_uuid,
            "session_url": driver._session.url,
        })
    print(json.dumps(built), flush=True)
    os._exit(0)


def _name(kind):
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def _forget_option():
    from nova.conf import CONF, xenserver

    for options in (xenserver.ALL_XENSERVER_OPTS, xenserver.xenapi_vmops_opts):
        for option in [opt for opt in options if opt.name == "image_handler"]:
            options.remove(option)
    CONF.unregister_opt(option, group="xenserver")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--fake", action="store_true")
    parser.add_argument("--script", action="store_true",
                        help="start nova-compute-swift-vhd instead of nova-compute")
    parser.add_argument("--twice", action="store_true", help="call enable() beforehand as well")
    parser.add_argument("--nova-17", action="store_true",
                        help="leave the option image_handler out of Nova's, as Nova 17 has none")
    parser.add_argument("--no-hook", action="store_true",
                        help="make our VIF plugin do nothing when it is loaded")
    args = parser.parse_args()
    name = "nova-compute-swift-vhd" if args.script else "nova-compute"
    sys.argv = ["/usr/bin/" + name, "--config-file", args.config_file]

    from nova import utils
    from nova.cmd import compute
    from nova.conductor import api as conductor
    from nova.scheduler.client import report

    conductor.API.wait_until_ready = lambda *args, **kwargs: None
    utils.raise_if_old_compute = lambda: None
    report.SchedulerReportClient._create_client = lambda self: None
    compute.service.serve = _report
    if args.nova_17:
        _forget_option()
    if args.no_hook:
        from nova_swift_handler.nova_plugin import vif_hook
        vif_hook.StartupHook.load = classmethod(lambda cls, name: cls(None))
    if args.fake:
        from nova.virt.xenapi import fake
        from os_xenapi.client import session
        fake.reset()
        session.XenAPISession._create_session = lambda self, url: fake.SessionBase(url)
    if args.twice:
        from nova_swift_handler.nova_plugin import activation
        activation.enable()
        activation.enable()
    if args.script:
        from nova_swift_handler.nova_plugin import compute as script
        script.main()
    else:
        compute.main()


if __name__ == "__main__":
    main()
