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

"""What ``direct_vhd`` boots by: os_xenapi's own code for dom0, with what it needs there.

Written for Python 2, so a few things are given to it that have changed since: a module ``md5``,
``getheader``, and an end of a file that is a str.  ``vhd-util`` is one that reads VHDs by a reader
that is not ours.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import pathlib
import sys
import types
import urllib.error
import urllib.request
from typing import Any, Dict

import os_xenapi
import pytest

_PLUGINS = pathlib.Path(os_xenapi.__file__).parent / "dom0/etc/xapi.d/plugins"
_ROOT = pathlib.Path(__file__).parents[3]

_VHD_UTIL = """\
#!%s
import sys
sys.path.insert(0, %r)
from tests.unit.vhd import independent
verb, path, what = sys.argv[1], sys.argv[3], sys.argv[4]
parsed = independent.parse(open(path, "rb").read())
assert parsed.kind == independent.DYNAMIC
print({"check": path + " is valid", "query-f": "hidden: 0",
       "query-p": path + " has no parent"}[verb if verb == "check" else verb + what])
"""


def download(monkeypatch: pytest.MonkeyPatch, sr: pathlib.Path, glance: str, token: str,
             image_id: str, vdi_uuid: str) -> Dict[str, Any]:
    """Do what dom0 does when Nova with ``direct_vhd`` boots an image; return its answer.

    :param sr: where the VHD is put, as ``<vdi_uuid>.vhd``.
    """
    program = sr / "vhd-util"
    program.write_text(_VHD_UTIL % (sys.executable, str(_ROOT)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "%s%s%s" % (sr, os.pathsep, os.environ["PATH"]))
    for name in ("XenAPI", "XenAPIPlugin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    _give(monkeypatch, "md5", new=hashlib.md5)
    _give(monkeypatch, "dom0_pluginlib", configure_logging=lambda name: None, logging=logging,
          PluginError=Exception)
    utils = _load("utils")
    run = utils.run_command
    utils.run_command = lambda *args, **more: run(*args, **more).decode()
    monkeypatch.setitem(sys.modules, "utils", utils)
    plugin: Any = _load("glance")
    plugin.urllib = types.SimpleNamespace(error=urllib.error, request=types.SimpleNamespace(
        Request=urllib.request.Request, urlopen=_Answer))
    answer: Dict[str, Any] = plugin.download_vhd2(
        None, image_id, glance, [vdi_uuid], str(sr), {"X-Auth-Token": token}, api_version=2)
    return answer


class _Answer:
    """An answer as Python 2's urllib2 gave it."""

    def __init__(self, request: urllib.request.Request) -> None:
        self._answer = urllib.request.urlopen(request)

    def read(self, size: int) -> Any:
        return self._answer.read(size) or ""

    def info(self) -> _Answer:
        return self

    def getheader(self, name: str, default: Any = None) -> Any:
        return self._answer.headers.get(name, default)


def _give(monkeypatch: pytest.MonkeyPatch, name: str, **values: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(values)
    monkeypatch.setitem(sys.modules, name, module)


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location("dom0_" + name, str(_PLUGINS / (name + ".py")))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
