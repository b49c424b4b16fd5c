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

"""A second Glance or Keystone beside the cloud's, on the same data, configured differently."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Type

from nova_swift_handler.sandbox import control, glance, keystone, plan, ports
from nova_swift_handler.sandbox.layout import Layout

Options = Dict[str, Dict[str, str]]


class Side:
    """A running second instance of a service; a context manager.

    :ivar url: where it listens.
    """

    def __init__(self, root: Path, directory: Path, name: str, options: Options) -> None:
        layout = Layout(root)
        python = Path(plan.load(layout).cloud_python)
        port = ports.find_free(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        for one in layout.of(name).iterdir():
            if one.suffix == ".conf":
                shutil.copy(str(one), str(directory))
                self._change(directory / one.name, options)
        make: Any = {"glance": glance, "keystone": keystone}[name].service
        service = make(python, directory, port)
        self._log = open(directory / "log", "wb")  # noqa: SIM115
        self._process = subprocess.Popen(
            service.argv, env=dict(os.environ, **service.environ), stdout=self._log,
            stderr=subprocess.STDOUT)

    @staticmethod
    def _change(path: Path, options: Options) -> None:
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read(str(path))
        for section, values in options.items():
            if section != "DEFAULT" and not parser.has_section(section):
                parser.add_section(section)
            for option, value in values.items():
                parser.set(section, option, value)
        with open(path, "w") as file:
            parser.write(file)

    def __enter__(self) -> Side:
        deadline = time.monotonic() + control.PATIENCE
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self._end()
                    raise AssertionError(
                        f"no service at {self.url}, see {self._log.name}") from None
                time.sleep(0.1)

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
