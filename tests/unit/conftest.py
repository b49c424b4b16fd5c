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

"""What every unit test gets."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import HealthCheck, settings

# However slow the machine is; and the same examples each time, so that what chance finds keeps
# nobody from a change that has nothing to do with it.  For others set SWIFT_VHD_TEST_RANDOM.
settings.register_profile(
    "ours", deadline=None, derandomize="SWIFT_VHD_TEST_RANDOM" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


@pytest.fixture(autouse=True)
def logging_as_it_was():
    """Undo what a test, or the command line it ran, did to logging."""
    def loggers():
        found = [logging.getLogger()]
        for each in logging.Logger.manager.loggerDict.values():
            if isinstance(each, logging.Logger):
                found.append(each)
        return found

    before = {each: (each.level, each.propagate, each.disabled, list(each.handlers))
              for each in loggers()}
    yield
    for each in loggers():
        level, each.propagate, each.disabled, each.handlers[:] = before.get(
            each, (logging.NOTSET, True, False, []))
        each.setLevel(level)
