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

import types

import pytest
from stevedore import exception as stevedore_exceptions

from nova_swift_handler.nova_plugin import loader


class FakeUtils(types.SimpleNamespace):
    """Stands in for nova.virt.xenapi.image.utils; notes what Nova's own function is asked."""

    def __init__(self):
        asked = []

        def get_image_handler(handler_name):
            """Nova's."""
            asked.append(handler_name)
            return "Nova's " + handler_name

        super().__init__(asked=asked, get_image_handler=get_image_handler)


@pytest.fixture
def utils():
    return FakeUtils()


def nothing():
    pass


@pytest.mark.parametrize("name", ["direct_vhd", "vdi_local_dev", "vdi_remote_stream", "unknown"])
def test_other_names_go_to_novas_own_function(utils, name):
    loader.install(utils, nothing)
    assert utils.get_image_handler(name) == "Nova's " + name
    assert utils.asked == [name]


def test_novas_own_function_is_not_asked_for_ours(utils, monkeypatch):
    monkeypatch.setattr(loader, "load", lambda name: "ours")
    monkeypatch.setattr(loader, "tell_problems", nothing)
    repaired = []
    monkeypatch.setattr(loader.failed_boots, "repair", lambda: repaired.append(True))
    loader.install(utils, nothing)
    assert utils.get_image_handler("swift_vhd") == "ours"
    assert utils.asked == []
    assert repaired == [True]


def test_installing_twice_wraps_once(utils):
    loader.install(utils, nothing)
    once = utils.get_image_handler
    loader.install(utils, nothing)
    assert utils.get_image_handler is once


def test_the_wrapped_function_still_explains_itself(utils):
    loader.install(utils, nothing)
    assert utils.get_image_handler.__doc__ == "Nova's."


def test_a_name_nobody_offers_is_an_error():
    with pytest.raises(stevedore_exceptions.NoMatches):
        loader.load("nobody_offers_this")


def test_the_reason_why_a_handler_cannot_be_loaded_is_not_hidden():
    error = ImportError("No module named 'x'")
    with pytest.raises(ImportError) as caught:
        loader._raise(None, None, error)
    assert caught.value is error
