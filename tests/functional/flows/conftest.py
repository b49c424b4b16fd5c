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

"""The two regions of the cloud, and a template that both can boot."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from nova_swift_handler.sandbox.demo import disks
from tests.functional.flows.site import Site

pytest.importorskip("nova.virt.xenapi")

COLLECTOR = 0.5
"""Seconds between two runs of the SR's collector, which works in the midst of everything."""


@pytest.fixture(scope="session")
def sites(cloud: Any) -> Iterator[Dict[str, Site]]:
    made = {kind: Site(cloud, kind) for kind in ("ext", "lvm")}
    for site in made.values():
        site.control.gc_background(COLLECTOR)
    yield made
    for site in made.values():
        site.control.gc_background(None)


@pytest.fixture
def regions(sites: Dict[str, Site]) -> Iterator[Dict[str, Site]]:
    """Both regions; each host is in the end as it was before the test."""
    with contextlib.ExitStack() as stack:
        for site in sites.values():
            stack.enter_context(_unharmed(site))
        yield sites


@pytest.fixture(params=["ext", "lvm"])
def site(request: Any, sites: Dict[str, Site]) -> Iterator[Site]:
    """A region; the host is in the end as it was before the test."""
    with _unharmed(sites[request.param]) as made:
        yield made


@pytest.fixture
def ext(sites: Dict[str, Site]) -> Iterator[Site]:
    """The region whose images Nova caches, for what is the same in both."""
    with _unharmed(sites["ext"]) as made:
        yield made


@contextlib.contextmanager
def _unharmed(site: Site) -> Iterator[Site]:
    try:
        with site.nothing_left():
            yield site
    finally:
        site.control.clear_faults()
        if not site.is_up():  # a test that failed killed it
            site.start_again()
        with contextlib.suppress(AssertionError):
            site.delete_servers()
        site.delete_images()


@pytest.fixture(scope="session")
def content() -> disks.Content:
    """What is on the template's disk."""
    return disks.operating_system("flows")


@pytest.fixture(scope="session")
def template(cloud: Any, content: disks.Content,
             tmp_path_factory: pytest.TempPathFactory) -> str:
    """A public template of ours, which everybody's servers are booted from."""
    return make_template(cloud, content, tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def other_template(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Another one."""
    return make_template(cloud, disks.operating_system("other"),
                         tmp_path_factory.mktemp("template"))


def make_template(cloud: Any, content: disks.Content, directory: Path) -> str:
    path = directory / "template.vhd"
    disks.write_vhd(content, path)
    done = subprocess.run(
        [sys.executable, "-m", "nova_swift_handler.cli.app",
         "--config-file", cloud.env["config_file"],
         "template", "create", "flows-" + uuid.uuid4().hex[:6], "--from", str(path), "--public",
         "-f", "json"], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["id"])
