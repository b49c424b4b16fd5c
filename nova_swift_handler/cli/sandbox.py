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

"""``swift-vhd sandbox``: a whole cloud on loopback, to try this package and to test it."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type

from cliff import app, command, commandmanager, lister, show

from nova_swift_handler.exceptions import SandboxError, SwiftVhdError
from nova_swift_handler.sandbox import plan as plans
from nova_swift_handler.sandbox import swift
from nova_swift_handler.sandbox.sandbox import Sandbox
from nova_swift_handler.sandbox.xapi.control import Control

_GIB = 2 ** 30
_COLLECT = 2.0  # seconds between two looks of a host's garbage collector


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", metavar="DIR",
        help="directory that holds everything of the sandbox (default: .sandbox)")


def _sandbox(parsed: argparse.Namespace) -> Sandbox:
    return Sandbox(plans.resolve(parsed.root),
                   lambda text: print(f"... {text}", file=sys.stderr, flush=True))


class Up(command.Command):
    """Start the sandbox, new or with the data it had when it was last up."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_root(parser)
        parser.add_argument(
            "--image-handler", choices=plans.IMAGE_HANDLERS,
            help="[xenserver] image_handler of both hosts (default: swift_vhd, or as before)")
        parser.add_argument(
            "--cache-images-ext", choices=plans.CACHE_IMAGES,
            help="[xenserver] cache_images of the EXT host (default: all, or as before)")
        parser.add_argument(
            "--cache-images-lvm", choices=plans.CACHE_IMAGES,
            help="[xenserver] cache_images of the LVM host (default: none, or as before)")
        parser.add_argument(
            "--sr-size", type=int, metavar="GIB", default=100,
            help="size of each host's SR; files grow only as they are written "
                 "(default: %(default)s)")
        parser.add_argument("--container-prefix", default="vhd",
                            help="begins the name of every container (default: %(default)s)")
        parser.add_argument("--pool", action="store_true",
                            help="make the two hosts one pool, which also has an SR that both "
                                 "see (a new sandbox only)")
        parser.add_argument("--storage-only", action="store_true",
                            help="Keystone, Swift and Glance only: no hosts, no Nova")
        parser.add_argument(
            "--slo", choices=swift.SLO_KINDS,
            help="what Swift's static large objects can do: everything (full), or stitch whole "
                 "objects only and ignore ranges and inline data in silence, as Ceph's gateway "
                 "does (whole) (default: full, or as before)")
        parser.add_argument("--cloud-python", metavar="PATH",
                            help="Python that has Keystone, Swift and Glance")
        parser.add_argument("--nova-python", metavar="PATH",
                            help="Python that has Nova, Placement and this package")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        def plan() -> plans.Plan:
            hosts = [] if parsed_args.storage_only else plans.default_hosts(
                parsed_args.image_handler or "swift_vhd", parsed_args.cache_images_ext or "all",
                parsed_args.cache_images_lvm or "none", parsed_args.sr_size * _GIB,
                parsed_args.pool)
            return plans.make(hosts, parsed_args.container_prefix, parsed_args.cloud_python,
                              parsed_args.nova_python, parsed_args.slo or swift.SLO_FULL)

        def change(plan: plans.Plan) -> plans.Plan:
            plan = plan.changed(parsed_args.image_handler, None)
            plan = plan.changed(None, parsed_args.cache_images_ext, ["ext"])
            plan = plan.changed(None, parsed_args.cache_images_lvm, ["lvm"])
            return dataclasses.replace(plan, slo=parsed_args.slo or plan.slo)

        try:
            document = _sandbox(parsed_args).up(plan, change)
        except SandboxError as error:
            # The log of what failed is for reading: line by line, before the one-line message.
            message, _, log = str(error).partition("\n")
            if log:
                print(log, file=sys.stderr)
            raise SandboxError(message) from error
        _collect(document)
        root = "" if parsed_args.root is None else " --root " + shlex.quote(parsed_args.root)
        print(f"up, in {document['root']}; `swift-vhd sandbox env{root} -f json` tells the rest")
        files = [document["config_file"]] + [
            region["nova_conf"] for region in document["regions"][:1]]
        options = " ".join("--config-file " + shlex.quote(each) for each in files)
        print(f"its operator types: swift-vhd {options} COMMAND")


def _collect(document: Dict[str, Any]) -> None:
    """Have the hosts collect garbage by themselves, as real ones do."""
    for url in sorted({region["xapi_url"] for region in document["regions"]}):
        Control(url).gc_background(_COLLECT)


class Down(command.Command):
    """End the sandbox's processes; its data stay."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_root(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        layout = plans.resolve(parsed_args.root)
        plans.load(layout)
        Sandbox(layout).down()


class _OnServices(command.Command):
    """What is done to some services of a running sandbox."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_root(parser)
        parser.add_argument("service", nargs="+", help="its name, as `status` lists it")
        return parser


class Stop(_OnServices):
    """End some of the sandbox's services, as an outage would."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        _sandbox(parsed_args).stop(*parsed_args.service)


class Start(_OnServices):
    """Start services of the sandbox that were stopped or died."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        sandbox = _sandbox(parsed_args)
        sandbox.start(*parsed_args.service)
        if any(name.startswith("xapi") for name in parsed_args.service):
            _collect(sandbox.environment())


class Status(lister.Lister):
    """List the sandbox's services and what became of them."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_root(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Sequence[str], List[Any]]:
        states = _sandbox(parsed_args).status()
        rows = [(name, state.state, state.pid, state.code)
                for name, state in sorted(states.items())]
        return ("Service", "State", "Pid", "Exit code"), rows


class Env(show.ShowOne):
    """Show every endpoint, user, host and SR of the running sandbox."""

    @property
    def formatter_default(self) -> str:
        return "json"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_root(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Sequence[str], List[Any]]:
        document = _sandbox(parsed_args).environment()
        return list(document), list(document.values())


class Openrc(command.Command):
    """Print what makes a shell the terminal of one of the sandbox's users.

    eval "$(swift-vhd sandbox openrc alice)"
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_root(parser)
        parser.add_argument("user", nargs="?", default="alice",
                            help="its name, as `env` shows it (default: %(default)s)")
        parser.add_argument("--region", help="region of the host (default: the first)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        document = _sandbox(parsed_args).environment()
        users = document["users"]
        if parsed_args.user not in users:
            raise SandboxError(f"the sandbox has no user {parsed_args.user}: its users are "
                               f"{', '.join(sorted(users))}")
        user = users[parsed_args.user]
        regions = [each["name"] for each in document["regions"]] or [plans.STORAGE_REGION]
        variables = {
            "OS_AUTH_URL": document["keystone_url"], "OS_USERNAME": user["name"],
            "OS_PASSWORD": user["password"], "OS_PROJECT_NAME": user["project"],
            "OS_USER_DOMAIN_ID": document["domain_id"],
            "OS_PROJECT_DOMAIN_ID": document["domain_id"], "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": parsed_args.region or regions[0],
            # From this one on, servers can be made with --nic none: there is no network here.
            "OS_COMPUTE_API_VERSION": "2.37", "ST_AUTH_VERSION": "3"}
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")


class Logs(command.Command):
    """Show the end of the services' logs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_root(parser)
        parser.add_argument("service", nargs="?", help="only this service's log")
        parser.add_argument("--lines", type=int, default=20, metavar="N",
                            help="how many lines of each (default: %(default)s)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        print(_sandbox(parsed_args).logs(parsed_args.service, parsed_args.lines))


COMMANDS: Dict[str, Type[command.Command]] = {
    "up": Up, "down": Down, "status": Status, "env": Env, "openrc": Openrc, "logs": Logs,
    "stop": Stop, "start": Start}


def main(argv: Optional[List[str]] = None) -> int:
    """Run these commands alone: ``python -m nova_swift_handler.sandbox``."""
    manager = commandmanager.CommandManager("nova_swift_handler.sandbox.commands")
    for name, each in COMMANDS.items():
        manager.add_command(name, each)
    application = app.App("The sandbox of nova_swift_handler.", "0", manager, deferred_help=True)
    try:
        return int(application.run(sys.argv[1:] if argv is None else argv))
    except SwiftVhdError as error:
        print(error, file=sys.stderr)
        return 1
