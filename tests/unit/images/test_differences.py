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

"""What another cloud's catalogue may not say of an image."""

from __future__ import annotations

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.images import differences
from nova_swift_handler.images.catalogue import Entry


@pytest.mark.parametrize("key", [
    "visibility", "owner", "protected", "os_hidden", "locations", "os_glance_import_task",
    "os_glance\x1b[2J"])
def test_properties_that_would_be_something_else_are_refused(key: str) -> None:
    entry = Entry("template", "debian", 4096, 8192, "ab" * 32,
                  Attributes(properties={"os_type": "linux", key: "x"}), "debian.vhd")
    with pytest.raises(exceptions.CatalogueInvalid, match="one's own choice") as caught:
        differences.check_properties(entry)
    assert "os_type" not in str(caught.value)
    assert str(caught.value).isprintable()
