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


from __future__ import annotations

import pathlib
from typing import Any, Dict, Optional

import pytest

from nova_swift_handler import exceptions, settings
from nova_swift_handler.cli import monitor
from nova_swift_handler.telemetry import metrics
from tests.unit.telemetry.test_metrics import read


class Command:
    """As much of a command as its metrics are about."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory

    def monitor_settings(self) -> settings.MonitorSettings:
        return settings.MonitorSettings(metrics_directory=str(self._directory))


def run(directory: pathlib.Path, problems: Optional[int], code: int = 0) -> Dict[str, float]:
    """Return what is known after a run; of which nothing is found wrong if it fails at once."""
    command: Any = Command(directory)
    try:
        with monitor.recorded(command, "verify") as told:
            if problems is None:
                raise exceptions.StoreUnreachable("no Swift")
            told.code, told.problems = code, problems
    except exceptions.StoreUnreachable:
        pass
    return {"/".join([key[0], *(value for name, value in key[1:] if name == "result")]): value
            for key, value in read(directory).items()}


def test_what_was_found_wrong_is_told_until_a_run_has_looked_again(
        tmp_path: pathlib.Path) -> None:
    assert run(tmp_path, 3, code=7)[metrics.PROBLEMS] == 3
    found = run(tmp_path, None)
    assert found[metrics.PROBLEMS] == 3
    assert found[metrics.RUNS + "/failure"] == 2
    assert metrics.SUCCESS not in found
    found = run(tmp_path, 0)
    assert (found[metrics.PROBLEMS], found[metrics.RUNS + "/success"]) == (0, 1)
    assert metrics.SUCCESS in found


def test_a_first_run_that_fails_at_once_has_found_nothing_out(tmp_path: pathlib.Path) -> None:
    assert metrics.PROBLEMS not in run(tmp_path, None)


def test_a_run_is_not_kept_from_its_error(tmp_path: pathlib.Path) -> None:
    command: Any = Command(tmp_path / "not there")
    with pytest.raises(KeyError), monitor.recorded(command, "drill"):
        raise KeyError
