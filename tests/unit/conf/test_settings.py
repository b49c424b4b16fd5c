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

import dataclasses
import json
import pickle

import pytest

from nova_swift_handler.conf import settings
from nova_swift_handler.exceptions import ConfigError

STORE = {"glance_store_auth_address": "http://keystone:5000/v3",
         "glance_store_user": "service:glance", "glance_store_key": "hush"}


@pytest.mark.parametrize("part", ["credentials", "store", "transfer", "xapi", "glance"])
def test_the_shortest_configuration_is_enough(conf, part):
    assert dataclasses.is_dataclass(getattr(settings, part)(conf()))


def test_sizes_become_bytes(conf):
    made = conf(swift_vhd={"segment_size": "64", "staging_limit": "3"})
    assert settings.store(made).segment_size == 64 * 2 ** 20
    assert settings.transfer(made).staging_limit == 3 * 2 ** 30


def test_no_limit_of_time_is_none(conf):
    assert settings.transfer(conf()).timeout is None
    assert settings.transfer(conf(swift_vhd={"transfer_timeout": "90"})).timeout == 90.0


def test_the_address_and_password_of_the_host_are_novas(conf):
    made = settings.xapi(conf())
    assert (made.url, made.username, made.password) == ("https://192.0.2.10", "root", "host's")
    assert made.verify is True


def test_how_long_a_host_may_take_is_configurable(conf):
    made = settings.xapi(conf(swift_vhd={
        "xapi_connect_timeout": "1", "xapi_read_timeout": "2", "xapi_finish_timeout": "3",
        "transfer_idle_timeout": "4"}))
    assert (made.connect_timeout, made.read_timeout, made.finish_timeout,
            made.idle_timeout) == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize("section, option", [
    ("swift_vhd", "auth_type"), ("swift_vhd", "auth_url"), ("swift_vhd", "username"),
    ("swift_vhd", "password"), ("swift_vhd", "project_name"),
])
def test_a_missing_option_of_the_account_is_named_with_a_line_to_add(conf, section, option):
    with pytest.raises(ConfigError) as caught:
        settings.credentials(conf(**{section: {option: None}}))
    assert "option '%s' in section [%s] is not set" % (option, section) in str(caught.value)
    assert "for example: %s = " % option in str(caught.value)


@pytest.mark.parametrize("option", ["connection_url", "connection_password"])
def test_a_missing_option_of_the_host_is_named_with_a_line_to_add(conf, option):
    with pytest.raises(ConfigError) as caught:
        settings.xapi(conf(xenserver={option: None}))
    assert "option '%s' in section [xenserver]" % option in str(caught.value)
    assert "for example: %s = " % option in str(caught.value)


@pytest.mark.parametrize("url", ["unix://local", "192.0.2.10", "ftp://192.0.2.10", "http://[::1",
                                 "http://192.0.2.10:port"])
def test_a_host_is_reached_over_http_only(conf, url):
    with pytest.raises(ConfigError, match="connection_url"):
        settings.xapi(conf(xenserver={"connection_url": url}))


@pytest.mark.parametrize("option, value", [
    ("segment_size", "1"), ("segment_size", "big"), ("upload_threads", "0"),
    ("container_prefix", "a/b"), ("glance_registration", "sometimes"), ("xapi_verify", "perhaps"),
    ("transfer_idle_timeout", "0"), ("chain_depth_warning", "31"),
])
def test_a_value_out_of_range_is_refused_by_name(conf, option, value):
    with pytest.raises(ConfigError) as caught:
        settings.store(conf(swift_vhd={option: value}))
    assert "'%s' in section [swift_vhd]" % option in str(caught.value)


def test_a_staging_directory_that_is_not_there_is_refused(conf):
    with pytest.raises(ConfigError, match=r"staging_dir.*/no/such/directory"):
        settings.transfer(conf(swift_vhd={"staging_dir": "/no/such/directory"}))


def test_an_unknown_authentication_type_is_refused(conf):
    with pytest.raises(ConfigError, match=r"auth_type.*handshake"):
        settings.credentials(conf(swift_vhd={"auth_type": "handshake"}))


def test_images_are_registered_in_the_container_of_the_prefix(conf):
    made = settings.glance(conf(swift_vhd=dict(STORE, container_prefix="site-7")))
    assert made.images_container == "site-7-images"
    assert made.store_user == "service:glance"


def test_registration_by_location_needs_glances_account(conf):
    with pytest.raises(ConfigError, match="glance_store_auth_address"):
        settings.glance(conf(swift_vhd={"glance_registration": "location"}))


@pytest.mark.parametrize("left_out", sorted(STORE))
def test_half_of_glances_account_is_refused(conf, left_out):
    with pytest.raises(ConfigError, match=left_out):
        settings.glance(conf(swift_vhd=dict(STORE, **{left_out: None})))


@pytest.mark.parametrize("user", ["glance-swift", "service:", ":glance-swift"])
def test_a_user_of_glances_store_without_a_project_is_refused(conf, user):
    with pytest.raises(ConfigError, match=r"glance_store_user.*a colon"):
        settings.glance(conf(swift_vhd=dict(STORE, glance_store_user=user)))


def test_glance_is_where_nova_says_unless_told_otherwise(conf):
    theirs = {"glance": {"api_servers": "http://a:9292,http://b:9292"}}
    assert settings.glance(conf()).endpoints == ()
    assert settings.glance(conf(**theirs)).endpoints == ("http://a:9292", "http://b:9292")
    ours = {"swift_vhd": {"glance_api_servers": "http://c:9292"}}
    assert settings.glance(conf(**theirs, **ours)).endpoints == ("http://c:9292",)


def test_credentials_survive_the_way_into_a_child_process(conf):
    made = settings.credentials(conf(swift_vhd={"region_name": "RegionOne", "insecure": "true"}))
    assert pickle.loads(pickle.dumps(made)) == made
    again = json.loads(json.dumps(dataclasses.asdict(made)))
    again["interface"] = tuple(again["interface"])
    assert type(made)(**again) == made
    assert made.session().verify is False
    assert made.session().auth.auth_url == "http://keystone:5000/v3"


@pytest.mark.parametrize("auth_type, options", [
    ("v3applicationcredential", {"application_credential_id": "id",
                                 "application_credential_secret": "sesame"}),
    ("v3password", {"username": "swift_vhd", "password": "sesame", "project_id": "p"}),
])
def test_other_ways_to_authenticate_work(conf, auth_type, options):
    blank = dict.fromkeys(("username", "password", "project_name"))
    made = settings.credentials(conf(swift_vhd={**blank, "auth_type": auth_type, **options}))
    assert made.auth_type == auth_type
    assert {name: made.options[name] for name in options} == options
    assert made.session().auth is not None


def test_the_account_may_stand_in_another_section(conf):
    blank = dict.fromkeys(("auth_type", "auth_url", "username", "password", "project_name"))
    made = settings.credentials(conf(
        swift_vhd={**blank, "auth_section": "account"},
        account={"auth_type": "password", "auth_url": "http://other:5000/v3", "username": "u",
                 "password": "p", "project_name": "x"}))
    assert made.options["auth_url"] == "http://other:5000/v3"


@pytest.mark.parametrize("part", ["credentials", "xapi", "glance"])
def test_no_secret_shows(conf, part):
    made = getattr(settings, part)(conf(swift_vhd=STORE))
    for secret in ("sesame", "host's", "hush"):
        assert secret not in repr(made)
        assert secret not in str(made)
