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

"""What monitoring gets of commands: a page of what is stored, and metrics."""

from __future__ import annotations

import configparser
import pathlib
from typing import Dict

from prometheus_client import parser

from tests.functional.cli.conftest import Place, Terminal
from tests.unit.report.test_page import Parsed


def _metrics(directory: pathlib.Path) -> Dict[str, float]:
    return {"/".join([name, *(labels[key] for key in sorted(labels) if key != "host")]): value
            for path in directory.glob("*.prom")
            for family in parser.text_string_to_metric_families(path.read_text())
            for name, labels, value, *_more in family.samples}


def test_a_page_and_metrics_of_a_volume(place: Place, tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "metrics"
    directory.mkdir()
    conf = configparser.RawConfigParser()
    conf.read(place.conf)
    conf.set("swift_vhd", "metrics_directory", str(directory))
    with open(tmp_path / "own.conf", "w", encoding="utf-8") as file:
        conf.write(file)
    typed = Terminal(tmp_path / "own.conf")

    assert typed.value("store", "verify", "--level", "all") == []
    typed.value("store", "drill", "--id", place.ids[1])
    shown = typed.value("report", "--html", str(tmp_path / "page.html"), "--no-glance")

    assert (shown["volumes"], shown["points"]) == (1, 2)
    page = Parsed((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert set(place.ids) <= set(page.texts["code"])
    assert "restored" in page.texts["small"]
    assert "all" in page.texts["small"]
    found = _metrics(directory)
    assert found["swift_vhd_runs_total/verify/verify/success"] == 1
    assert found["swift_vhd_problems/verify/verify"] == 0
    assert found["swift_vhd_last_success_timestamp_seconds/drill/drill"] > 0
    assert found["swift_vhd_bytes_total/received/drill/swift"] > 0
