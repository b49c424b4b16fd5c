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

"""A point in the middle of a volume's chain is deleted."""

from __future__ import annotations

import contextlib
from typing import Iterator, List

from bench import ours
from bench.scenario import LOWER, OURS, Contender, Options, Run, Scenario, check, duration
from bench.scenarios.restores import DELTAS
from bench.site import Site


@contextlib.contextmanager
def _middle(site: Site, options: Options) -> Iterator[List[Contender]]:
    chain = ours.chain(site, options.size, DELTAS - 1)
    left = list(chain.image_ids)

    def delete() -> Run:
        image_id = left.pop(len(left) // 2)
        before = site.data(chain.container)
        cost = ours.delete(site, image_id)
        check(site.data(chain.container) == before, "deleting a point changed segments")
        return duration(cost, 0, requests_in_all=cost.requests)

    yield [Contender(OURS, delete)]


SCENARIOS = [
    Scenario("delete_middle", "the middle one of 30 points is deleted; no data is moved", "s",
             LOWER, _middle)]
