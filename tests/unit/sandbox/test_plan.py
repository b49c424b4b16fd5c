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

from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path

import pytest

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import plan, ports, swift
from nova_swift_handler.sandbox.layout import Layout


def a_plan(port: int = 20000) -> plan.Plan:
    return plan.Plan(
        run_id="run", cloud_python="/c", nova_python="/n", container_prefix="vhd",
        hosts=plan.default_hosts("swift_vhd", "all", "none", 2 ** 30), ports={"glance": port})


def test_a_plan_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    plan.save(Layout(tmp_path), a_plan())
    assert plan.load(Layout(tmp_path)) == a_plan()


def test_a_plan_of_before_has_all_that_swift_can_do(tmp_path: Path) -> None:
    plan.save(Layout(tmp_path), a_plan())
    saved = json.loads(Layout(tmp_path).plan.read_text())
    del saved["slo"]
    Layout(tmp_path).plan.write_text(json.dumps(saved))
    assert plan.load(Layout(tmp_path)).slo == swift.SLO_FULL


def test_a_directory_without_a_sandbox_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=str(tmp_path)):
        plan.load(Layout(tmp_path))


def test_one_host_can_get_another_image_handler() -> None:
    changed = a_plan().changed("direct_vhd", None, ["lvm"])
    assert [(host.image_handler, host.cache_images) for host in changed.hosts] == [
        ("swift_vhd", "all"), ("direct_vhd", "none")]


def test_none_changes_nothing() -> None:
    assert a_plan().changed(None, None) == a_plan()


def test_both_hosts_are_regions_with_different_storage() -> None:
    hosts = a_plan().hosts
    assert {host.sr_type for host in hosts} == {"ext", "lvm"}
    assert len({host.region for host in hosts}) == 2


def test_a_taken_port_is_named_with_its_service() -> None:
    with socket.socket() as other:
        other.bind((ports.LOOPBACK, 0))
        other.listen(1)
        port = other.getsockname()[1]
        with pytest.raises(SandboxError, match=f"port {port} of glance"):
            plan.check_ports(a_plan(port))


def test_free_ports_are_accepted() -> None:
    plan.check_ports(a_plan(ports.find_free(1)[0]))


def test_hosts_of_a_pool_share_a_process_and_a_port_and_differ_in_address() -> None:
    hosts = plan.default_hosts("swift_vhd", "all", "none", 2 ** 30, pool=True)
    pool = dataclasses.replace(a_plan(), hosts=hosts, ports={"xapi-ext": 20001})
    assert [host.xapi for host in pool.hosts] == ["xapi-ext", "xapi-ext"]
    urls = [pool.xapi_url(host) for host in pool.hosts]
    assert urls == ["http://127.0.0.1:20001", "http://127.0.0.2:20001"]
    assert [pool.in_pool(host) for host in pool.hosts] == [True, True]
    assert not a_plan().in_pool(a_plan().hosts[0])


def test_a_plan_of_before_has_no_pools(tmp_path: Path) -> None:
    plan.save(Layout(tmp_path), a_plan())
    saved = json.loads(Layout(tmp_path).plan.read_text())
    for host in saved["hosts"]:
        del host["address"], host["master"]
    Layout(tmp_path).plan.write_text(json.dumps(saved))
    assert plan.load(Layout(tmp_path)) == a_plan()
