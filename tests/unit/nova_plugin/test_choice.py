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

import pytest
from oslo_config import cfg

from nova_swift_handler.nova_plugin import choice

STOCK = ["direct_vhd", "vdi_local_dev", "vdi_remote_stream"]


def option(choices=tuple(STOCK)):
    return cfg.StrOpt("image_handler", default="direct_vhd", choices=choices)


def configured(opt, value, tmp_path):
    path = tmp_path / "nova.conf"
    path.write_text("[xenserver]\nimage_handler = %s\n" % value)
    conf = cfg.ConfigOpts()
    conf.register_opt(opt, group="xenserver")
    conf(["--config-file", str(path)])
    return conf


@pytest.mark.parametrize("choices", [STOCK, [(name, "words") for name in STOCK]],
                         ids=["names, as in Nova 18", "names with help, as from Nova 19 on"])
def test_the_name_becomes_valid_beside_the_stock_names(choices, tmp_path):
    opt = option(choices)
    choice.allow(opt)
    assert list(opt.type.choices) == [*STOCK, "swift_vhd"]
    for name in [*STOCK, "swift_vhd"]:
        assert configured(opt, name, tmp_path).xenserver.image_handler == name


def test_other_names_stay_invalid(tmp_path):
    opt = option()
    choice.allow(opt)
    with pytest.raises(ValueError, match="Valid values"):
        configured(opt, "swift_vdi", tmp_path).xenserver.image_handler  # noqa: B018


def test_it_works_after_the_configuration_was_parsed(tmp_path):
    opt = option()
    conf = configured(opt, "swift_vhd", tmp_path)
    choice.allow(opt)
    assert conf.xenserver.image_handler == "swift_vhd"
    conf.reload_config_files()
    assert conf.xenserver.image_handler == "swift_vhd"


def test_allowing_twice_adds_it_once():
    opt = option()
    choice.allow(opt)
    choice.allow(opt)
    assert list(opt.type.choices).count("swift_vhd") == 1


def test_an_option_without_choices_is_left_alone():
    opt = cfg.StrOpt("image_handler")
    choice.allow(opt)
    assert opt.type.choices is None


@pytest.mark.parametrize("value, expected", [
    ("swift_vhd", True), ("direct_vhd", False), ("nonsense", False),
])
def test_whether_it_is_configured_can_be_told_before_it_is_valid(value, expected, tmp_path):
    assert choice.is_configured(configured(option(), value, tmp_path)) is expected


def test_whether_it_is_configured_can_be_told_afterwards(tmp_path):
    opt = option()
    choice.allow(opt)
    assert choice.is_configured(configured(opt, "swift_vhd", tmp_path))


def test_a_nova_before_rocky_has_no_such_option():
    assert choice.find_option([cfg.StrOpt("image_upload_handler")]) is None
