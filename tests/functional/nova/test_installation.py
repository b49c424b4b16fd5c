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

"""What ``pip install .`` puts into a Nova environment."""

import configparser
import json
import re
import subprocess
import sys

import pytest

from nova_swift_handler.conf import opts

from .conftest import ROOT, environment

LIST_ENTRY_POINTS = """
import json, sys
from importlib import metadata
found = {}
for dist in metadata.distributions(path=[sys.argv[1]]):
    for point in dist.entry_points:
        found.setdefault(point.group, {})[point.name] = point.value
print(json.dumps(found))
"""
RESOLVE = """
import json, sys
from nova import config
import nova.conf
from stevedore import driver
names = ["direct_vhd", "swift_vhd", "vdi_local_dev", "vdi_remote_stream"]
classes = [driver.DriverManager("nova.virt.xenapi.image_handlers", name).driver for name in names]
print(json.dumps({n: "%s.%s" % (c.__module__, c.__name__) for n, c in zip(names, classes)}))
"""
WITHOUT_NOVA = """
import sys
class NoNova:
    def find_spec(self, name, path=None, target=None):
        if name == "nova" or name.startswith("nova."):
            raise ModuleNotFoundError("No module named " + repr(name), name="nova")
sys.meta_path.insert(0, NoNova())
sys.argv = ["swift-vhd", "--version"]
from nova_swift_handler.cli import app
sys.exit(app.main(sys.argv[1:]))
"""


def run(installed, code, *args):
    done = subprocess.run([sys.executable, "-c", code, *args], env=environment(installed),
                          capture_output=True, cwd=str(installed), check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def entry_points(installed):
    return json.loads(run(installed, LIST_ENTRY_POINTS, str(installed)))


def test_the_four_image_handlers_resolve(installed):
    assert json.loads(run(installed, RESOLVE)) == {
        "swift_vhd": "nova_swift_handler.handler.SwiftVhdHandler",
        "direct_vhd": "nova.virt.xenapi.image.glance.GlanceStore",
        "vdi_local_dev": "nova.virt.xenapi.image.vdi_through_dev.VdiThroughDevStore",
        "vdi_remote_stream": "nova.virt.xenapi.image.vdi_stream.VdiStreamStore",
    }


def test_the_scripts_are_there(installed, entry_points):
    assert set(entry_points["console_scripts"]) == {"swift-vhd", "nova-compute-swift-vhd"}
    for name in entry_points["console_scripts"]:
        assert (installed / "bin" / name).is_file()


def test_every_entry_point_can_be_loaded(installed, entry_points):
    points = [value for group in entry_points.values() for value in group.values()]
    run(installed, "import sys, importlib, functools\n"
                   "for value in sys.argv[1:]:\n"
                   "    module, _, name = value.partition(':')\n"
                   "    functools.reduce(getattr, name.split('.'),\n"
                   "                     importlib.import_module(module))",
        *points)


def test_a_copy_without_history_has_the_announced_version(installed):
    setup = configparser.ConfigParser()
    setup.read(str(ROOT / "setup.cfg"))
    out = run(installed, "from importlib import metadata\n"
                         "print(metadata.version('nova-swift-handler'))")
    assert out.strip() == setup["metadata"]["version"]


def test_the_command_line_works_without_nova(installed):
    assert re.match(r"\S+ \d", run(installed, WITHOUT_NOVA))


def test_samples_are_installed(installed):
    folder = installed / "share" / "nova-swift-handler"
    kept = ROOT / "etc"
    assert {path.name for path in folder.iterdir()} == {path.name for path in kept.iterdir()}


def sample_blocks(text):
    """Return a sample's options: name -> the lines that explain and set it."""
    blocks = {}
    for block in re.split(r"\n\s*\n", text):
        setting = re.search(r"^#(\w+) = ?(.*)$", block, re.MULTILINE)
        if setting:
            blocks[setting.group(1)] = block
    return blocks


def test_the_sample_of_the_options_is_up_to_date(installed, tmp_path):
    """Our own options word for word; keystoneauth's by name, since their help text varies."""
    output = tmp_path / "sample"
    run(installed, "import sys; from oslo_config import generator; generator.main(sys.argv[1:])",
        "--config-file", str(ROOT / "etc" / "config-generator.conf"),
        "--output-file", str(output))
    fresh = sample_blocks(output.read_text())
    kept = sample_blocks((ROOT / "etc" / "swift_vhd.conf.sample").read_text())
    assert set(kept) == set(fresh)
    own = [opt.dest for opt in opts.own()]
    assert {name: kept[name] for name in own} == {name: fresh[name] for name in own}
