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

"""``swift-vhd iso push``: an ISO onto an ISO SR."""

from __future__ import annotations

import argparse

from nova_swift_handler.cli import base, ending, given, progress, services
from nova_swift_handler.cli.columns import Shown, shown
from nova_swift_handler.images import push


class Push(base.ShowOne):
    """Put an ISO on an ISO SR of a host, read it back and compare it; nothing if it is there.

    Its name there is the ISO's.  After a failure nothing is left on the SR.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", type=given.name, metavar="NAME", help="What it is called.")
        parser.add_argument("--sr", type=given.name, metavar="SR", required=True,
                            help="Uuid or name of an ISO SR.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        with ending.terminable(), progress.bar(parsed_args.name) as bar:
            return shown(dict(push.push(services.with_host(self), parsed_args.name,
                                        parsed_args.sr, bar)))
