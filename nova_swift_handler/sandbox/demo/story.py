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

"""The main job, step by step."""

from __future__ import annotations

import io
import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox.demo import disks, readers
from nova_swift_handler.sandbox.demo.cloud import Cloud
from nova_swift_handler.sandbox.demo.disks import Content
from nova_swift_handler.sandbox.demo.report import Report
from nova_swift_handler.sandbox.xapi.control import Control

_FLAVOR = "disk-1g"


class Story:
    """Runs on a sandbox that is up.

    :param env: what ``swift-vhd sandbox env`` prints.
    :param scratch: a directory for files.
    """

    def __init__(self, env: Dict[str, Any], scratch: Path, report: Report) -> None:
        self._env = env
        self._scratch = scratch
        self._report = report
        self._alice = Cloud(env, "alice")
        self._admin = Cloud(env, "admin")
        self._regions = {region["sr_type"]: region for region in env["regions"]}
        self._hosts = {kind: Control(region["xapi_url"])
                       for kind, region in self._regions.items()}
        self._servers: List[Any] = []

    def run(self) -> None:
        """Tell it from beginning to end."""
        report = self._report
        for host in self._hosts.values():
            host.gc_background(1.0)  # as on real hosts, it runs in the midst of everything
        with report.step("store a template and boot it on both hosts"):
            template = disks.operating_system("template")
            template_id = self._template(template)
            servers = self._boot_everywhere("from-template", template_id, template)
        with report.step("write as the guests, and snapshot both"):
            contents, images = {}, {}
            for kind, server in servers.items():
                contents[kind] = self._write_as_guest(kind, server, template)
                images[kind] = self._alice.snapshot(
                    self._regions[kind]["name"], server, "snapshot-" + kind)
            for kind, image_id in images.items():
                image = self._alice.wait_image(image_id)
                self._alice.wait_active(self._regions[kind]["name"], servers[kind])
                report.check("snapshot on %s is active in Glance" % kind,
                             (image.disk_format, image.container_format) == ("vhd", "bare"),
                             "%s, %d bytes" % (image_id, image.size))
        with report.step("boot each snapshot on the other SR type"):
            crossed = [(kind, other, self._boot(other, "%s-from-%s" % (other, kind), images[kind]))
                       for kind, other in (("ext", "lvm"), ("lvm", "ext"))]
            for kind, other, server in crossed:
                self._compare("snapshot of %s booted on %s" % (kind, other), other, server,
                              contents[kind])
        with report.step("boot a chain of two VHDs that direct_vhd made, on both hosts"):
            archive, content = disks.stock_image(template, [
                (1024, disks.noise("one sector", 512)),
                (9 * disks.MIB + 512, disks.noise("some sectors", 2048)),
                (30 * disks.MIB, bytes(512)),
                (40 * disks.MIB, disks.noise("a block that the base lacks", 5 * 512))])
            stock_id = self._upload_stock_image(archive)
            self._boot_everywhere("from-direct_vhd", stock_id, content)
        with report.step("list and download the snapshot with the Glance client"):
            self._download(images["ext"], contents["ext"])
        with report.step("delete the servers"):
            self._delete_everything()

    def _template(self, content: Content) -> str:
        path = self._scratch / "template.vhd"
        disks.write_vhd(content, path)
        done = subprocess.run(
            [sys.executable, "-m", "nova_swift_handler.cli.app",
             "--config-file", self._env["regions"][0]["nova_conf"],
             "template", "create", "demo-" + secrets.token_hex(3), "--from", str(path),
             "--public", "-f", "json"],
            stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise SandboxError("swift-vhd template create ended with %d" % done.returncode)
        self._report.check("template is stored and registered", True)
        return str(json.loads(done.stdout.decode("utf-8"))["id"])

    def _boot(self, kind: str, name: str, image_id: str) -> str:
        region = self._regions[kind]["name"]
        server = self._alice.boot(region, name, image_id, _FLAVOR)
        self._servers.append((region, server))
        return server

    def _boot_everywhere(self, name: str, image_id: str, content: Content) -> Dict[str, str]:
        servers = {kind: self._boot(kind, name, image_id) for kind in self._regions}
        for kind, server in servers.items():
            self._compare("%s booted on %s" % (name, kind), kind, server, content)
        return servers

    def _vdi(self, kind: str, server: str) -> str:
        found = self._admin.wait_active(self._regions[kind]["name"], server)
        attached = self._hosts[kind].vm_disks(found["OS-EXT-SRV-ATTR:instance_name"])
        return str(attached[0]["vdi_uuid"])

    def _compare(self, name: str, kind: str, server: str, content: Content) -> None:
        host, vdi = self._hosts[kind], self._vdi(kind, server)
        size = self._env_disk_size()
        same = host.guest_sha256(vdi) == content.sha256(size)
        self._report.check(name + ": every bit as expected", same, "%d MiB disk" % (
            size // disks.MIB))

    def _env_disk_size(self) -> int:
        gib = next(flavor["disk"] for flavor in self._env["flavors"] if flavor["id"] == _FLAVOR)
        return int(gib) * 1024 * disks.MIB

    def _write_as_guest(self, kind: str, server: str, before: Content) -> Content:
        content = Content(self._env_disk_size())
        content.write(0, before.read(0, before.size))
        host, vdi = self._hosts[kind], self._vdi(kind, server)
        for offset, data in (
                (4096, disks.noise(kind + "/log", 3000 * 512)),
                (20 * disks.MIB, bytes(2 * disks.MIB)),  # a block that becomes zero
                (333 * disks.MIB + 512, disks.noise(kind + "/home", 9 * disks.MIB)),
                (content.size - 512, disks.noise(kind + "/last sector", 512))):
            host.guest_write(vdi, offset, data)
            content.write(offset, data)
        return content

    def _upload_stock_image(self, archive: bytes) -> str:
        image = self._alice.images.images.create(
            name="from direct_vhd", disk_format="vhd", container_format="ovf",
            visibility="private")
        self._alice.images.images.upload(image.id, io.BytesIO(archive))
        return str(image.id)

    def _download(self, image_id: str, content: Content) -> None:
        report = self._report
        listed = {image.id: image for image in self._alice.images.images.list()}
        report.check("the owner's listing has the snapshot", image_id in listed)
        path = self._scratch / "snapshot.vhd"
        with path.open("wb") as file:
            for piece in self._alice.images.images.data(image_id):
                file.write(piece)
        report.check("the download is as long as Glance says",
                     path.stat().st_size == listed[image_id].size, "%d bytes" %
                     path.stat().st_size)
        for reader, difference in readers.differences(path, content).items():
            report.check("%s reads the same disk in the download" % reader, not difference,
                         difference)
        others = [image.id for image in Cloud(self._env, "bob").images.images.list()]
        report.check("another project does not see it", image_id not in others)
        report.figures["snapshot_vhd_bytes"] = path.stat().st_size

    def _delete_everything(self) -> None:
        for region, server in self._servers:
            self._alice.delete_server(region, server)
        for kind, host in self._hosts.items():
            state = host.state()
            left = {name: state[name] for name in ("VM", "VBD", "task") if state[name]}
            self._report.check("nothing is left attached or running on %s" % kind, not left,
                               "%d cached images" % state["VDI"] if not left else str(left))
