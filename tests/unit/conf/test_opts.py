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

import pathlib
import re

import pytest
from oslo_config import cfg

from nova_swift_handler.conf import opts, settings

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "etc" / "nova-compute.conf.example"


@pytest.mark.parametrize("opt", opts.own(), ids=lambda opt: opt.dest)
def test_every_option_is_explained(opt):
    assert len(opt.help.split()) >= 5


@pytest.mark.parametrize("opt", opts.own(), ids=lambda opt: opt.dest)
def test_what_could_let_someone_in_is_secret(opt):
    assert opt.secret == bool(re.search("key$|password|secret", opt.dest))


def test_registering_again_changes_nothing():
    conf = cfg.ConfigOpts()
    opts.register(conf)
    before = sorted(conf.swift_vhd)
    opts.register(conf)
    assert sorted(conf.swift_vhd) == before


def test_options_that_nova_registered_are_left_as_they_are():
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("connection_url", default="nova's own"), group="xenserver")
    opts.register(conf)
    assert conf.xenserver.connection_url == "nova's own"


def test_the_example_can_be_used_as_it_stands():
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(EXAMPLE)], project="nova")
    assert settings.credentials(conf).options["username"] == "swift_vhd"
    assert settings.xapi(conf).url.startswith("https://")
    assert settings.glance(conf).store_user == "images:glance-swift"
    assert settings.store(conf).container_prefix == "vhd"


def test_the_example_names_no_option_that_does_not_exist():
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(EXAMPLE)], project="nova")
    settings.credentials(conf)
    text = EXAMPLE.read_text().split("[swift_vhd]\n", 1)[1]
    for name in re.findall(r"^#?(\w+) = ", text, re.MULTILINE):
        assert name in conf.swift_vhd


def test_two_configurations_in_one_process_do_not_share_options():
    one, other = cfg.ConfigOpts(), cfg.ConfigOpts()
    opts.register(one)
    opts.register(other)
    one.register_opt(cfg.StrOpt("of_one"), group="swift_vhd")
    assert "of_one" not in other.swift_vhd
