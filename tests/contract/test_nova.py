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

"""What this package relies on in Nova, and that Nova 18 to 20 have it as Nova 21 does.

The wheels are read, never imported or installed: Nova 18 to 20 do not run on this Python.  That
the contract is kept there does not make them supported (see doc/source/support.rst); it tells
that what works in Nova 21 does not rest on something that only Nova 21 has.
"""

from __future__ import annotations

import ast
import os
import pathlib
from typing import Any, Dict, Iterator, List, Set

import pytest

from .wheel import Wheel, calls, code, parameters

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHEELS = pathlib.Path(os.environ.get("SWIFT_VHD_TEST_WHEELS") or ROOT / ".venv" / "wheels")

# The first and the last release of each series.
OLDER = ["18.0.2", "18.3.0", "19.0.1", "19.3.2", "20.0.1", "20.6.1"]
LAST = "21.2.4"

# Of sources that were written for Python 2.7.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence")

# -- the contract -----------------------------------------------------------------------------

# Called, read or replaced by our code, by full name; a test sees that nothing is missing here.
# Each with the parameters it is given, where it is called.
TOUCHED: Dict[str, Any] = {
    "nova.cmd.compute.main": [],
    "nova.compute.task_states.DELETING": None,
    "nova.conf.CONF": None,
    "nova.conf.xenserver.ALL_XENSERVER_OPTS": None,
    "nova.config.parse_args": ["argv"],
    "nova.context.RequestContext": None,
    "nova.exception.CertificateValidationFailed": None,
    "nova.exception.CouldNotFetchImage": None,
    "nova.exception.CouldNotUploadImage": None,
    "nova.exception.ImageNotFound": None,
    "nova.exception.ImageUnacceptable": None,
    "nova.exception.InstanceNotFound": None,
    "nova.image.glance.GlanceImageServiceV2._get_verifier": [
        "self", "context", "image_id", "trusted_certs"],
    "nova.image.glance.GlanceImageServiceV2.show": [
        "self", "context", "image_id", "include_locations", "show_deleted"],
    "nova.image.glance.get_api_servers": ["context"],
    "nova.objects.Instance.get_by_uuid": ["cls", "context", "uuid", "expected_attrs"],
    "nova.rpc.LEGACY_NOTIFIER": None,
    "nova.rpc.NOTIFIER": None,
    "nova.rpc.get_notifier": ["service", "host"],
    "nova.rpc.get_versioned_notifier": ["publisher_id"],
    "nova.utils.get_auto_disk_config_from_instance": ["instance"],
    "nova.utils.is_auto_disk_config_disabled": ["auto_disk_config_raw"],
    "nova.version.version_string": None,
    "nova.virt.xenapi.driver.XenAPIDriver.unplug_vifs": ["self", "instance", "network_info"],
    "nova.virt.xenapi.image.utils.get_image_handler": ["handler_name"],
    "nova.virt.xenapi.vm_utils.lookup": ["session", "name_label"],
    "nova.virt.xenapi.vm_utils.safe_find_sr": ["session"],
    "nova.virt.xenapi.vmops.VMOps": None,
}
# Nova 21 moved the class here.  Older ones have it as nova.image.API; without it a snapshot whose
# image is deleted runs on to its end.
SINCE_21 = {"nova.image.glance.API"}

# Must be the same, statement by statement: how the handler is chosen and called, what Nova does
# before it and what after.
SAME = [
    "nova.virt.xenapi.driver.XenAPIDriver.unplug_vifs",
    "nova.virt.xenapi.image.utils.IMAGE_HANDLERS",
    "nova.virt.xenapi.image.utils.get_image_handler",
    "nova.virt.xenapi.vm_utils._fetch_vhd_image",
    "nova.virt.xenapi.vm_utils.safe_find_sr",
    "nova.virt.xenapi.vmops.VMOps.post_interrupted_snapshot_cleanup",
    "nova.virt.xenapi.vmops.VMOps.snapshot",
    "nova.virt.xenapi.vmops.VMOps.unplug_vifs",
]

# The two verbs, as Nova calls them.
VERBS = {
    "nova.virt.xenapi.vmops.VMOps.snapshot": (
        "self.image_handler.upload_image",
        ["context", "self._session", "instance", "image_id", "vdi_uuids"]),
    "nova.virt.xenapi.vm_utils._fetch_vhd_image": (
        "image_handler.download_image", ["context", "session", "instance", "image_id"]),
}

OPTIONS = {
    "nova.conf.xenserver": ["connection_url", "connection_username", "connection_password",
                            "image_handler", "default_os_type"],
    "nova.conf.glance": ["api_servers", "verify_glance_signatures",
                         "enable_certificate_validation", "default_trusted_certificate_ids"],
    "nova.conf.netconf": ["host"],
    "nova.conf.compute": ["compute_driver"],
}
STOCK = ["direct_vhd", "vdi_local_dev", "vdi_remote_stream"]

# nova-compute's start: the plugins of os_vif, ours among them, come after the configuration and
# before the driver, which Service.create builds.
START = ["config.parse_args", "os_vif.initialize", "service.Service.create"]

# ---------------------------------------------------------------------------------------------


def _wheel(release: str) -> Wheel:
    path = WHEELS / ("nova-%s-py2.py3-none-any.whl" % release)
    if not path.exists():
        path = WHEELS / ("nova-%s-py3-none-any.whl" % release)
    assert path.exists(), "%s is not there: run `make contract`" % path
    return Wheel(path)


@pytest.fixture(scope="module")
def last() -> Wheel:
    return _wheel(LAST)


@pytest.fixture(scope="module", params=[*OLDER, LAST])
def nova(request: Any) -> Wheel:
    """Each release in turn."""
    return _wheel(request.param)


def _found(nova: Wheel, name: str) -> ast.AST:
    """Return a definition; objects are put into nova.objects when they are registered."""
    node = nova.find(name.replace("nova.objects.Instance", "nova.objects.instance.Instance"))
    assert node is not None, "%s is not there" % name
    return node


@pytest.mark.parametrize("name", sorted(TOUCHED))
def test_what_we_touch_is_there(nova: Wheel, name: str) -> None:
    node = _found(nova, name)
    if TOUCHED[name] is not None:
        got = parameters(node)
        assert got[:len(TOUCHED[name])] == TOUCHED[name]


@pytest.mark.parametrize("name", SAME)
def test_what_we_rely_on_is_the_same(nova: Wheel, last: Wheel, name: str) -> None:
    assert code(_found(nova, name)) == code(_found(last, name))


@pytest.mark.parametrize("caller", sorted(VERBS))
def test_the_verbs_are_called_with_the_same_arguments(nova: Wheel, caller: str) -> None:
    function, arguments = VERBS[caller]
    (call,) = calls(_found(nova, caller), function)
    assert [ast.unparse(each) for each in call.args] == arguments
    assert not call.keywords


def test_the_handler_is_built_once_and_without_arguments(nova: Wheel) -> None:
    init = _found(nova, "nova.virt.xenapi.vmops.VMOps.__init__")
    (call,) = calls(init, "image_utils.get_image_handler")
    chosen = ast.unparse(call.args[0])
    assert "CONF.xenserver.image_handler" in (chosen, *(
        ast.unparse(node.value) for node in ast.walk(init)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == chosen))


@pytest.mark.parametrize("module", sorted(OPTIONS))
def test_the_options_are_there(nova: Wheel, module: str) -> None:
    defined = {node.args[0].value for node in ast.walk(nova.tree(module))
               if isinstance(node, ast.Call) and node.args
               and ast.unparse(node.func).endswith("Opt")
               and isinstance(node.args[0], ast.Constant)}
    assert set(OPTIONS[module]) <= defined


def test_the_choices_of_image_handler_are_the_stock_ones(nova: Wheel) -> None:
    (option,) = [node for node in ast.walk(nova.tree("nova.conf.xenserver"))
                 if isinstance(node, ast.Call) and node.args
                 and ast.unparse(node.args[0]) == "'image_handler'"]
    choices: Any = next(each.value for each in option.keywords if each.arg == "choices")
    names = [each.value if isinstance(each, ast.Constant) else each.elts[0].value
             for each in choices.elts]
    assert sorted(names) == STOCK


def test_the_option_is_among_all_of_its_section(nova: Wheel) -> None:
    (group,) = [node for node in ast.walk(nova.tree("nova.conf.xenserver"))
                if isinstance(node, ast.Assign)
                and ast.unparse(node.targets[0]) == "xenapi_vmops_opts"]
    assert "'image_handler'" in ast.unparse(group)
    assert "xenapi_vmops_opts" in ast.unparse(
        _found(nova, "nova.conf.xenserver.ALL_XENSERVER_OPTS"))


def test_our_hook_is_loaded_before_the_driver(nova: Wheel) -> None:
    main = _found(nova, "nova.cmd.compute.main")
    lines = [next(calls(main, function)).lineno for function in START]
    assert lines == sorted(lines)


def test_os_xenapi_is_required(nova: Wheel) -> None:
    assert any(line.startswith("Requires-Dist: os-xenapi")
               for line in nova.metadata().splitlines())


def test_only_nova_21_is_for_python_3_alone(nova: Wheel, last: Wheel) -> None:
    """Why the older ones are not supported: on Python 3 os_xenapi cannot log in."""
    python_2 = "Programming Language :: Python :: 2.7" in nova.metadata()
    assert python_2 == (nova is not last and nova.metadata() != last.metadata())


def test_what_only_nova_21_has_is_not_there_before(nova: Wheel, last: Wheel) -> None:
    for name in SINCE_21:
        assert (nova.find(name) is None) == (nova.metadata() != last.metadata())


# -- that the contract is whole ---------------------------------------------------------------

def _ours() -> List[pathlib.Path]:
    package = ROOT / "nova_swift_handler"
    return [package / "handler.py", *sorted(
        path for part in ("nova_plugin", "telemetry", "doctor")
        for path in (package / part).rglob("*.py"))]


def _touched(tree: ast.Module) -> Set[str]:
    """Return the full names of what a module of ours touches in Nova."""
    aliases: Dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "nova":
            for alias in node.names:
                aliases[alias.asname or alias.name] = "%s.%s" % (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "nova":
                    aliases["nova"] = "nova"
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)):
            # What follows a call is no longer Nova's name; a bare name is a module passed on.
            parts = ast.unparse(node).partition("(")[0].split(".")
            if parts[0] in aliases:
                found.add(".".join([aliases[parts[0]], *parts[1:]]))
    # The longest chain says it all.
    return {name for name in found if not any(other.startswith(name + ".") for other in found)}


def _names() -> Iterator[str]:
    for path in _ours():
        yield from _touched(ast.parse(path.read_text(encoding="utf-8")))


def _is_of(name: str, listed: str) -> bool:
    """Return whether a name that we touch is what is listed, a part of it, or its module."""
    return (name + ".").startswith(listed + ".") or listed.startswith(name + ".")


def test_all_that_our_code_touches_is_in_the_contract() -> None:
    listed = {*TOUCHED, *SINCE_21}
    assert not [name for name in _names() if not any(_is_of(name, each) for each in listed)]


def test_the_contract_has_nothing_that_our_code_does_not_touch() -> None:
    names = list(_names())
    assert not [each for each in [*TOUCHED, *SINCE_21]
                if not any(_is_of(name, each) for name in names)]
