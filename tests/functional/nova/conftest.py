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

"""The package as ``pip install`` leaves it, and nova-compute started with it."""

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
NOVA = importlib.util.find_spec("nova") is not None

NOVA_CONF = """
[DEFAULT]
transport_url = fake:/
compute_driver = {compute_driver}
state_path = {state_path}
host = host-1
[xenserver]
connection_url = {url}
connection_username = root
connection_password = {password}
independent_compute = true
check_host = false
disable_agent = true
ovs_integration_bridge = xapi1
{image_handler}
{swift_vhd}
"""


def pytest_ignore_collect(collection_path=None, path=None, config=None):
    """Without Nova in the environment there is nothing to test here."""
    return None if NOVA else True


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Install the tree with pip into a directory of its own; return that directory.

    From a copy without git's history, which also keeps the tree clean of what a build leaves.
    """
    copy = tmp_path_factory.mktemp("copy") / "tree"
    shutil.copytree(str(ROOT), str(copy), ignore=shutil.ignore_patterns(
        ".*", "build", "__pycache__", "*.egg-info", "tests"))
    target = tmp_path_factory.mktemp("installed")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
         "--disable-pip-version-check", "--target", str(target), str(copy)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()
    return target


def environment(installed):
    """Return the environment of a process that sees the installed package, not the tree."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env["PYTHONPATH"] = str(installed)
    env["PYTHONWARNINGS"] = "ignore"
    return env


@pytest.fixture(scope="session")
def start_compute(installed, tmp_path_factory):
    """Return a function that runs nova-compute's start-up.

    It returns what was built and all that was written to the log; None when nothing was built.
    Asked for the same again, it returns the same without starting anything.
    """
    known = {}

    def start(*arguments, **options):
        key = arguments, tuple(sorted(options.items()))
        if key not in known:
            known[key] = run(*arguments, **options)
        return known[key]

    def run(*arguments, image_handler="image_handler = swift_vhd", url="http://127.0.0.1:1",
              password="pw", swift_vhd="", compute_driver="xenapi.XenAPIDriver", fake=True):
        tmp_path = tmp_path_factory.mktemp("compute")
        conf = tmp_path / "nova.conf"
        conf.write_text(NOVA_CONF.format(
            compute_driver=compute_driver, state_path=tmp_path, url=url, password=password,
            image_handler=image_handler, swift_vhd=swift_vhd))
        script = pathlib.Path(__file__).with_name("start_compute.py")
        done = subprocess.run(
            [sys.executable, str(script), "--config-file", str(conf),
             *(["--fake"] if fake else []), *arguments],
            cwd=str(tmp_path), env=environment(installed), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=600, check=False)
        lines = done.stdout.decode().splitlines()
        built = [json.loads(line) for line in lines if line.startswith('{"driver"')]
        return (built[0] if built else None), "\n".join(lines)

    return start


@pytest.fixture(scope="session")
def xapi(tmp_path_factory):
    """Start a simulated host; return what it said when it was ready, and its password."""
    root = tmp_path_factory.mktemp("xapi")
    password = root / "password"
    password.write_text("a password")
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    process = subprocess.Popen(
        [sys.executable, "-m", "nova_swift_handler.sandbox.xapi", "--root", str(root / "host"),
         "--listen", "127.0.0.1:0", "--sr-type", "ext", "--sr-size", str(20 * 2 ** 30),
         "--password-file", str(password)],
        env=env, stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline().decode()
        assert line.startswith("READY "), line
        yield dict(json.loads(line[len("READY "):]), password=password.read_text())
    finally:
        process.terminate()
        process.communicate(timeout=120)
