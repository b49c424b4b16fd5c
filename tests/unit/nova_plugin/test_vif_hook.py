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

import sys
import types

import os_vif
import pytest
from os_vif import objects

from nova_swift_handler.nova_plugin import activation, vif_hook


@pytest.fixture
def enabled(monkeypatch):
    """Note the calls of enable()."""
    calls = []
    monkeypatch.setattr(activation, "enable", lambda **kwargs: calls.append(kwargs))
    return calls


def nova_with(monkeypatch, compute_driver):
    conf = types.SimpleNamespace(compute_driver=compute_driver)
    monkeypatch.setitem(sys.modules, "nova.conf", types.SimpleNamespace(CONF=conf))


def test_it_acts_in_a_compute_with_the_xenapi_driver(monkeypatch, enabled):
    nova_with(monkeypatch, "xenapi.XenAPIDriver")
    vif_hook.StartupHook.load("nova_swift_handler")
    assert enabled == [{"only_if_configured": True}]


@pytest.mark.parametrize("driver", ["libvirt.LibvirtDriver", None, ""])
def test_it_does_nothing_in_another_compute(monkeypatch, enabled, driver):
    nova_with(monkeypatch, driver)
    vif_hook.StartupHook.load("nova_swift_handler")
    assert enabled == []


def test_it_does_nothing_outside_nova(monkeypatch, enabled):
    monkeypatch.delitem(sys.modules, "nova.conf", raising=False)
    vif_hook.StartupHook.load("nova_swift_handler")
    assert enabled == []


def test_loading_never_raises(monkeypatch, caplog):
    class Broken:
        @property
        def CONF(self):  # noqa: N802
            raise RuntimeError("no configuration today")

    monkeypatch.setitem(sys.modules, "nova.conf", Broken())
    assert isinstance(vif_hook.StartupHook.load("nova_swift_handler"), vif_hook.StartupHook)
    assert "no configuration today" in caplog.text


def test_enabling_never_raises(monkeypatch, caplog):
    def broken(only_if_configured):
        raise RuntimeError("not today")

    monkeypatch.setattr(activation, "_enable", broken)
    assert activation.enable() is False
    assert "not today" in caplog.text


def test_it_offers_no_kind_of_vif():
    objects.register_all()
    info = vif_hook.StartupHook(None).describe()
    assert info.plugin_name == "nova_swift_handler"
    assert info.vif_info == []


def test_plugging_through_it_does_nothing():
    hook = vif_hook.StartupHook(None)
    assert hook.plug(None, None) is None
    assert hook.unplug(None, None) is None


def test_it_is_what_os_vif_takes_for_a_plugin():
    assert issubclass(vif_hook.StartupHook, os_vif.plugin.PluginBase)
