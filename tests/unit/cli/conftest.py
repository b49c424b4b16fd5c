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

"""The application with commands of a test's own."""

from __future__ import annotations

import io
import logging

import pytest
from cliff import commandmanager

from nova_swift_handler.cli import app


@pytest.fixture
def runs(monkeypatch):
    """Return what makes a function that runs the application with the commands that it is given.

    The function gives (exit code, stdout, stderr).  What the application does to the process's
    loggers is undone.
    """
    root, ours = logging.getLogger(), logging.getLogger("nova_swift_handler")
    before = root.handlers[:], root.level, ours.level

    def make(**commands):
        manager = commandmanager.CommandManager("nova_swift_handler.no_commands")
        for name, command in commands.items():
            manager.add_command(name.replace("_", " "), command)
        monkeypatch.setattr(
            app.commandmanager, "CommandManager", lambda *args, **kwargs: manager)

        def call(*argv):
            out, err = io.StringIO(), io.StringIO()
            code = app.SwiftVhd(stdout=out, stderr=err).run(list(argv))
            return code, out.getvalue(), err.getvalue()

        return call

    yield make
    root.handlers[:], root.level, ours.level = before
