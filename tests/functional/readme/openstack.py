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

"""The commands of ``openstack`` that the documentation shows, for the sandbox's user alice.

The real client is no part of the tests' environments; these go to the same APIs and take the same
words.  Servers live: before each snapshot the guest writes something.
``python -m tests.functional.readme.openstack ENV COMMAND...``
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

from nova_swift_handler.sandbox.demo import disks
from nova_swift_handler.sandbox.demo.cloud import Cloud, wait
from nova_swift_handler.sandbox.xapi.control import Control

_FLAVORS = {"m1.tiny": "disk-1g"}


def _image(cloud: Cloud, name: str) -> Any:
    found = [each for each in cloud.images.images.list() if name in (each.id, each.name)]
    assert len(found) == 1, "%d images are called %s" % (len(found), name)
    return found[0]


def _server(cloud: Cloud, region: str, name: str) -> str:
    rows = cloud._nova(region).get("/servers").json()["servers"]
    (found,) = [row["id"] for row in rows if name in (row["id"], row["name"])]
    return str(found)


def _live(env: Dict[str, Any], region: str, server: str, what: str) -> None:
    """Write into a server's disk, as its guest."""
    found = Cloud(env, "admin").server(region, server)
    (host,) = [Control(each["xapi_url"]) for each in env["regions"] if each["name"] == region]
    vdi = host.vm_disks(found["OS-EXT-SRV-ATTR:instance_name"])[0]["vdi_uuid"]
    host.guest_write(vdi, 300 * disks.MIB, disks.noise(what, 3 * disks.MIB))


def _server_create(cloud: Cloud, region: str, said: argparse.Namespace) -> str:
    made = cloud.boot(region, said.name, _image(cloud, said.image).id, _FLAVORS[said.flavor])
    cloud.wait_active(region, made)
    return made


def _server_image_create(cloud: Cloud, region: str, said: argparse.Namespace) -> str:
    server = _server(cloud, region, said.name)
    _live(said.env, region, server, said.image_name)
    made = cloud.snapshot(region, server, said.image_name)
    cloud.wait_image(made)
    cloud.wait_active(region, server)
    return made


def _server_delete(cloud: Cloud, region: str, said: argparse.Namespace) -> str:
    server = _server(cloud, region, said.name)
    cloud.delete_server(region, server)
    return server


def _server_show(cloud: Cloud, region: str, said: argparse.Namespace) -> str:
    return _server(cloud, region, said.name)


def _image_create(cloud: Cloud, _region: str, said: argparse.Namespace) -> str:
    made = cloud.images.images.create(
        name=said.name, disk_format=said.disk_format, container_format=said.container_format)
    with open(said.file, "rb") as file:
        cloud.images.images.upload(made.id, file)
    return str(cloud.wait_image(made.id).id)


def _image_show(cloud: Cloud, _region: str, said: argparse.Namespace) -> str:
    image = _image(cloud, said.name)
    return "\n".join(str(image[column]) for column in said.column)


def _image_save(cloud: Cloud, _region: str, said: argparse.Namespace) -> str:
    with open(said.file, "wb") as file:
        for piece in cloud.images.images.data(_image(cloud, said.name).id):
            file.write(piece)
    return ""


def _image_delete(cloud: Cloud, _region: str, said: argparse.Namespace) -> str:
    image = _image(cloud, said.name).id
    cloud.images.images.delete(image)
    wait("image %s to be gone" % image, lambda: image not in {
        each.id for each in cloud.images.images.list()} or None)
    return ""


_COMMANDS: Dict[str, Callable[[Cloud, str, argparse.Namespace], str]] = {
    "server create": _server_create, "server image create": _server_image_create,
    "server delete": _server_delete, "server show": _server_show, "image create": _image_create,
    "image show": _image_show, "image save": _image_save, "image delete": _image_delete,
}


def main(argv: List[str]) -> None:
    """Do what *argv* says and print what the command would with ``-f value``."""
    env = json.loads(Path(argv[0]).read_text())
    words = argv[1:]
    command = next(name for name in _COMMANDS if words[:len(name.split())] == name.split())
    parser = argparse.ArgumentParser(prog="openstack " + command)
    parser.add_argument("name")
    for option in ("--image", "--flavor", "--file", "--disk-format", "--container-format"):
        parser.add_argument(option)
    parser.add_argument("--name", dest="image_name")
    parser.add_argument("--os-region-name", default=env["regions"][0]["name"])
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("-f", dest="format")
    parser.add_argument("-c", dest="column", action="append", default=[])
    parser.set_defaults(env=env)
    said = parser.parse_args(words[len(command.split()):])
    told = _COMMANDS[command](Cloud(env, "alice"), said.os_region_name, said)
    if said.format and told:
        print(told)


if __name__ == "__main__":
    main(sys.argv[1:])
