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
"""All scenarios, in the order in which they are run."""

from __future__ import annotations

from typing import Dict

from bench.scenario import Scenario
from bench.scenarios import (
    coalesce,
    deletes,
    deltas,
    files,
    listings,
    memory,
    restores,
    resumes,
    snapshots,
    syncing,
    templates,
)

ALL: Dict[str, Scenario] = {scenario.name: scenario for scenario in [
    *files.SCENARIOS, *snapshots.SCENARIOS, *deltas.SCENARIOS, *restores.SCENARIOS,
    *coalesce.SCENARIOS, *resumes.SCENARIOS, *deletes.SCENARIOS, *memory.SCENARIOS,
    *listings.SCENARIOS, *templates.SCENARIOS, *syncing.SCENARIOS]}
