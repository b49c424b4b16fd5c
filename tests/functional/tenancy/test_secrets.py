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

"""No password, token, key or session's reference is in any log, or in the list of processes."""

from __future__ import annotations

import abc
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Type, TypeVar

import pytest

from nova_swift_handler.sandbox.layout import Layout
from tests.functional.flows.conftest import (  # noqa: F401  (fixtures)
    content,
    ext,
    sites,
    template,
)
from tests.functional.flows.site import Site
from tests.functional.flows.tenant import Tenant

MIB = 1024 * 1024
_PAUSE = 0.02
_LEAST = 8
"""Characters below which a word may be in a text by chance."""


class Looking(abc.ABC):
    """Looks again and again, in a thread of its own; a context manager.

    :ivar seen: what there was to be seen.
    """

    def __init__(self) -> None:
        self.seen: Set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self: L) -> L:
        self._thread.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(_PAUSE):
            self.seen.update(self.look())

    @abc.abstractmethod
    def look(self) -> Iterable[str]:
        """Return what there is to be seen now."""


L = TypeVar("L", bound=Looking)


class Processes(Looking):
    """The command lines of all processes."""

    def look(self) -> Iterator[str]:
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    words = Path("/proc", name, "cmdline").read_bytes()
                    yield words.replace(b"\0", b" ").decode("utf-8", "replace")


class Sessions(Looking):
    """The references of the sessions that XAPI has."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site

    def look(self) -> List[str]:
        return self._site.control.sessions()


def secrets_of(cloud: Any, site: Site, tokens: List[str], sessions: Set[str]) -> Dict[str, str]:
    """Return everything that nobody else may read, by what it is."""
    env = cloud.env
    found = {"password of " + name: user["password"] for name, user in env["users"].items()}
    found.update({
        "key of Glance's Swift user": env["glance_store_key"],
        "key of TempURLs": env["tempurl_key"], "password of XAPI": site.env["xapi_password"]})
    found.update({"token %d" % number: token for number, token in enumerate(tokens)})
    found.update({"session %d" % number: ref for number, ref in enumerate(sorted(sessions))})
    assert all(len(value) >= _LEAST for value in found.values())
    return found


@pytest.fixture
def logs(ext: Site) -> Iterator[Dict[Path, int]]:  # noqa: F811
    """The logs of all services, and how long each was when the test began."""
    yield {path: path.stat().st_size for path in Layout(ext.cloud.root).logs.glob("*.log")}


def test_no_secret_is_seen(ext: Site, template: str, logs: Dict[Path, int],  # noqa: F811
                           tmp_path: Path) -> None:
    """In a snapshot, a boot, one that fails, and commands that say all they can."""
    said: List[str] = []

    def swift_vhd(*argv: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "nova_swift_handler.cli.app", "--debug", "--log-file",
             str(tmp_path / "swift-vhd.log"), "--config-file", ext.env["nova_conf"], *argv],
            capture_output=True, check=False, text=True)
        said.append(done.stdout + done.stderr)

    tenants = {name: Tenant(ext.cloud, name, "ext") for name in ("alice", "bob")}
    with Processes() as processes, Sessions(ext) as sessions:
        server = ext.boot(template)
        ext.write(server, "alice", (8 * MIB, 24 * MIB))
        image = ext.stored(server)
        ext.boot(image, "second")
        assert tenants["bob"].image(image) is None
        ext.control.set_fault("export_cut", after=MIB)
        ext.alice.gone(ext.alice.snapshot(server, "cut"))
        ext.alice.settled(server)
        ext.control.clear_faults()
        for argv in (["setup", "--dry-run"], ["doctor"], ["snapshot", "list"],
                     ["snapshot", "show", image], ["snapshot", "verify", image],
                     ["snapshot", "show", "no-such-image"], ["sr", "list"], ["sr", "chain"],
                     ["image", "list"], ["image", "show", image], ["template", "list"],
                     ["store", "probe"], ["snapshot", "delete", "no-such-image"]):
            swift_vhd(*argv)
    tokens = [ext.alice._nova.session.get_token(), ext.admin._nova.session.get_token(),
              *(tenant._nova.session.get_token() for tenant in tenants.values())]
    assert len(sessions.seen) > 2
    assert any("nova_swift_handler.transfer" in line for line in processes.seen)
    texts = {"the list of processes": "\n".join(processes.seen),
             "what commands said": "\n".join(said),
             "the commands' log": (tmp_path / "swift-vhd.log").read_text("utf-8", "replace")}
    for path, before in logs.items():
        with path.open("rb") as file:
            file.seek(before)
            texts[path.name] = file.read().decode("utf-8", "replace")
    assert len(texts["nova-ext.log"]) > 1000
    found = ["%s in %s" % (what, where)
             for what, secret in secrets_of(ext.cloud, ext, tokens, sessions.seen).items()
             for where, text in texts.items() if secret in text]
    assert not found
