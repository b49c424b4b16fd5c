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

"""The application behind ``swift-vhd``: global options, logging, errors."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from importlib import metadata
from typing import Any, List, Optional, Sequence

from cliff import app, commandmanager
from oslo_config import cfg

from nova_swift_handler import exceptions
from nova_swift_handler.cli import config, exit_codes, log, plain

LOG = logging.getLogger(__name__)

NAME = "swift-vhd"
NAMESPACE = "nova_swift_handler.cli"
_DISTRIBUTION = "nova-swift-handler"
_DESCRIPTION = """\
Work with XenServer / XCP-ng disks kept in Swift.

Reads the section [swift_vhd] of nova.conf, as nova-compute does."""


class SwiftVhd(app.App):
    """The application; commands are entry points of the namespace ``nova_swift_handler.cli``."""

    NAME = NAME

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            description=_DESCRIPTION,
            version=version(),
            command_manager=commandmanager.CommandManager(NAMESPACE),
            deferred_help=True,
            **kwargs)
        self._conf: Optional[cfg.ConfigOpts] = None

    @property
    def conf(self) -> cfg.ConfigOpts:
        """The configuration, read when first asked for.

        :raises ConfigError: a file is missing, unreadable or malformed.
        """
        if self._conf is None:
            self._conf = config.read(self.options.config_file, self.options.config_dir)
        return self._conf

    def build_option_parser(self, *args: Any, **kwargs: Any) -> argparse.ArgumentParser:
        """Add the options that all commands know."""
        kwargs["argparse_kwargs"] = {"prog": NAME,
                                     "formatter_class": argparse.RawDescriptionHelpFormatter}
        parser = super().build_option_parser(*args, **kwargs)
        parser.add_argument(
            "--config-file", action="append", default=[], metavar="FILE",
            help="Read this file instead of nova.conf and nova-compute.conf in /etc/nova. "
                 "Can be repeated.")
        parser.add_argument(
            "--config-dir", action="append", default=[], metavar="DIR",
            help="Read all *.conf in this directory, after the files. Can be repeated.")
        return parser

    def configure_logging(self) -> None:
        """Log to stderr as much as -v, -q and --debug ask for."""
        verbosity = log.VERBOSE if self.options.debug else self.options.verbose_level
        log.setup(verbosity, self.options.log_file)

    def prepare_to_run_command(self, cmd: Any) -> None:
        """Let our errors end in one line and their exit code, whatever cliff does with them."""
        run = cmd.run

        def guarded(parsed_args: argparse.Namespace) -> int:
            try:
                return int(run(parsed_args) or 0)
            except Exception as error:  # noqa: BLE001  (told to the person, code and all)
                return self.report(error)

        cmd.run = guarded

    def report(self, error: BaseException) -> int:
        """Tell the person at the terminal about *error*; return the exit code."""
        if self.options.debug:
            LOG.error("%s failed", NAME, exc_info=error)
        if isinstance(error, OSError) and error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        elif isinstance(error, (exceptions.SwiftVhdError, OSError, argparse.ArgumentTypeError)):
            text = str(error)
        else:
            text = (f"unexpected {type(error).__name__}: {error} "
                    f"(run again with --debug to see where)")
        if not isinstance(error, BrokenPipeError):
            self.stderr.write(f"{NAME}: {plain.line(text)}\n")
        return exit_codes.of(error)

    def run(self, argv: List[str]) -> int:
        """Run the command in *argv*; without one, show the help."""
        code = int(super().run(argv) or 0)
        return exit_codes.USAGE if getattr(self, "interactive_mode", False) else code

    def interact(self) -> None:
        """Show the help: there is no interactive mode."""
        self.parser.print_help(self.stderr)
        self.stderr.write(f"\n{NAME} --help lists the commands.\n")


def version() -> str:
    """Return the release of this package."""
    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run ``swift-vhd`` and return its exit code (see :mod:`nova_swift_handler.cli.exit_codes`).
    """
    arguments: List[str] = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not have shall not keep others from being seen.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return SwiftVhd().run(arguments)
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
