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

"""nova-compute tells of its transfers: by Nova's notifications, and by metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from prometheus_client import parser

from nova_swift_handler.sandbox.layout import Layout
from tests.functional.flows.site import MIB, Site

BLOCK = 2 * MIB


class Told:
    """What a region's nova-compute has told since it was asked to."""

    def __init__(self, site: Site, directory: Path) -> None:
        self._log = Layout(site.cloud.root).log(site.service)
        self._begun = self._log.stat().st_size
        self._directory = directory

    def text(self) -> str:
        with self._log.open("rb") as file:
            file.seek(self._begun)
            return file.read().decode("utf-8", "replace")

    def notifications(self, image: str) -> List[Dict[str, Any]]:
        """Return those about an image, oldest first."""
        found = [json.loads(line) for line in re.findall(
            r"oslo\.messaging\.notification\.swift_vhd\S* \[.*?\] (\{.*)", self.text())]
        return [each for each in found if image in json.dumps(each)]

    def metrics(self) -> Dict[str, float]:
        """Return the counters by name and what tells them apart."""
        (path,) = self._directory.glob("*.prom")
        return {"/".join([name, *(labels[key] for key in sorted(labels)
                                  if key not in ("host", "program"))]): value
                for family in parser.text_string_to_metric_families(path.read_text())
                for name, labels, value, *_more in family.samples}


@pytest.fixture
def told(ext: Site, tmp_path: Path) -> Iterator[Told]:
    """Notifications of both formats, into Nova's log, and metrics."""
    directory = tmp_path / "metrics"
    directory.mkdir()
    begun = Told(ext, directory)
    with ext.configured_all({
            "oslo_messaging_notifications": {"driver": "log"},
            "notifications": {"notification_format": "both"},
            "swift_vhd": {"metrics_directory": directory, "notify_progress_interval": 1}}):
        yield begun


def test_what_nova_and_monitoring_are_told(ext: Site, template: str, told: Told) -> None:
    server = ext.boot(template, "told-of")
    ext.write(server, "some", [40 * MIB, 3 * BLOCK])
    image = ext.stored(server)
    point = ext.point(server, image)

    start, *_progress, end = [each for each in told.notifications(image)
                              if each["publisher_id"] == "compute.nova-ext"]
    assert (start["event_type"], end["event_type"]) == (
        "swift_vhd.snapshot.start", "swift_vhd.snapshot.end")
    payload = end["payload"]
    assert (payload["version"], payload["instance_uuid"], payload["project_id"]) == (
        "1.0", server, point["project_id"])
    assert (payload["sent_blocks"], payload["shared_blocks"], payload["blocks"]) == (
        point["sent_blocks"], point["blocks"] - point["sent_blocks"], point["blocks"])
    assert payload["sent_bytes"] > point["sent_bytes"] > 0
    assert payload["read_bytes"] > point["blocks"] * BLOCK
    assert payload["parent"] == template
    versioned = [each for each in told.notifications(image)
                 if each["publisher_id"] == "nova-compute:nova-ext"][-1]
    assert versioned["payload"]["nova_object.data"] == {
        name: value for name, value in payload.items() if name != "version"}

    # The template may have been booted here before, and be cached; the snapshot was not.
    copy = ext.boot(image, "copy")
    booted = next(each for each in told.notifications(copy)
              if each["event_type"] == "swift_vhd.boot.end")["payload"]
    assert (booted["image_id"], booted["source"], booted["virtual_size"]) == (
        image, "swift", point["virtual_size"])
    assert booted["read_bytes"] > point["blocks"] * BLOCK

    ext.control.set_fault("export_cut", after=MIB)
    refused = ext.alice.snapshot(server, "refused")
    ext.alice.gone(refused)
    ext.alice.settled(server)
    ext.control.clear_faults()
    failed = told.notifications(refused)[-1]
    assert (failed["event_type"], failed["priority"]) == ("swift_vhd.snapshot.error", "ERROR")
    assert failed["payload"]["nova_object.data"]["error_type"] == "TaskFailed"
    assert "exporting VDI" in failed["payload"]["nova_object.data"]["error"]

    counted = told.metrics()
    assert counted["swift_vhd_transfers_total/success/snapshot"] == 1
    assert counted["swift_vhd_transfers_total/TaskFailed/snapshot"] == 1
    assert counted["swift_vhd_blocks_total/sent"] == point["sent_blocks"]
    assert counted["swift_vhd_blocks_total/shared"] == point["blocks"] - point["sent_blocks"]
    assert payload["sent_bytes"] <= sum(
        counted["swift_vhd_bytes_total/sent/" + service] for service in ("swift", "glance"))
