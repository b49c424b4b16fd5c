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

"""Options that say how an image is offered in Glance."""

from __future__ import annotations

import argparse
from typing import Tuple

from nova_swift_handler.catalog.attributes import VISIBILITIES, Attributes
from nova_swift_handler.glance import image

_SEEN_BY = {
    "private": "Let its own project alone see the image in Glance; so it is at first.",
    "shared": "Let projects see it that are made members of it in Glance.",
    "community": "Let everybody use it who knows its id; it is in nobody's list.",
    "public": "Let everybody see it."}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how an image is offered in Glance."""
    seen = parser.add_mutually_exclusive_group()
    for name in VISIBILITIES:
        seen.add_argument("--" + name, dest="visibility", action="store_const", const=name,
                          help=_SEEN_BY[name])
    guarded = parser.add_mutually_exclusive_group()
    guarded.add_argument("--protected", action="store_const", const=True,
                         help="Let nobody delete it.")
    guarded.add_argument("--unprotected", dest="protected", action="store_const", const=False,
                         help="Let it be deleted.")
    parser.add_argument("--min-disk", type=count, metavar="GIB",
                        help="Size that the root disk of a flavor must have.")
    parser.add_argument("--min-ram", type=count, metavar="MIB",
                        help="Memory that a flavor must have.")
    parser.add_argument("--os-type", choices=("linux", "windows"),
                        help="Sets the property os_type, by which Nova tells how to run the VM "
                             "where no vm_mode says so.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--hvm", dest="vm_mode", action="store_const", const="hvm",
                      help="Sets the property vm_mode: run it fully virtualised.")
    mode.add_argument("--pv", dest="vm_mode", action="store_const", const="xen",
                      help="Sets the property vm_mode: run it paravirtualised.")
    parser.add_argument("--architecture", metavar="ARCH",
                        help="Sets the property architecture, such as x86_64.")
    parser.add_argument("--property", dest="properties", metavar="KEY=VALUE", action="append",
                        default=[], type=property_pair,
                        help="Set a property of the Glance image. Can be repeated.")


def chosen(parsed_args: argparse.Namespace) -> Attributes:
    """Return what the options of :func:`add_options` say."""
    named_ones = {name: getattr(parsed_args, name)
                  for name in ("os_type", "vm_mode", "architecture")}
    return Attributes(
        parsed_args.visibility, parsed_args.min_disk, parsed_args.min_ram, parsed_args.protected,
        {**{name: value for name, value in named_ones.items() if value is not None},
         **dict(parsed_args.properties)})


def key(text: str) -> str:
    """Return *text* if it can be the name of a custom property.

    :raises ArgumentTypeError: it is that of an attribute which every image has.
    """
    if not text or text in image.BASE:
        raise argparse.ArgumentTypeError(
            "%r is no property of one's own choice; some such attributes have options" % text)
    return text


def property_pair(text: str) -> Tuple[str, str]:
    """Return key and value of *text*, for a property of an image.

    :raises ArgumentTypeError: it has none, or the key is an attribute's name.
    """
    name, value = pair(text)
    return key(name), value


def pair(text: str) -> Tuple[str, str]:
    """Return key and value of *text*.

    :raises ArgumentTypeError: it has none.
    """
    name, found, value = text.partition("=")
    if not found or not name:
        raise argparse.ArgumentTypeError("%r is not KEY=VALUE" % text)
    return name, value


def count(text: str) -> int:
    """Return the number that *text* is, 0 or more.

    :raises ArgumentTypeError: it is none.
    """
    if not text.isdigit():
        raise argparse.ArgumentTypeError("%r is no number (0, 1, ...)" % text)
    return int(text)
