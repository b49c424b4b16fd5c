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

"""Sizes as people and programs want them."""

import pytest

from nova_swift_handler.cli.columns import Bytes


@pytest.mark.parametrize("value, shown", [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2 ** 30 + 2 ** 29, "5.5 GiB"),
    (2 ** 70, "1048576.0 PiB"), (None, "")])
def test_a_size_has_a_unit_for_people_and_none_for_programs(value, shown):
    assert Bytes(value).human_readable() == shown
    assert Bytes(value).machine_readable() == value
