# Licensed under the Apache License, Version 2.0; see LICENSE.

"""How Sphinx makes the manual: ``make docs`` in the root of the tree."""

from __future__ import annotations

import argparse
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cliff.sphinxext
import reno.sphinxext
import yaml
from reno.loader import Loader

ROOT = Path(__file__).resolve().parents[2]

project = "nova_swift_handler"
release = version = metadata.version("nova-swift-handler")

extensions = [
    "cliff.sphinxext",           # the commands, from their classes
    "oslo_config.sphinxext",     # the options, from their definitions
    "reno.sphinxext",            # the release notes, from releasenotes/notes and git
    "sphinx.ext.autodoc",        # the exit codes
]
# Every reference must lead somewhere; types of options are explained nowhere.
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]

html_theme = "alabaster"
html_theme_options = {
    "description": "Disks of XenServer and XCP-ng instances in Swift",
    "fixed_sidebar": True,
    "page_width": "1080px",
}
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False

autoprogram_cliff_application = "swift-vhd"
autoprogram_cliff_app_dist_name = "nova-swift-handler"
# The same for every command: see doc/source/commands.rst.  Named so that a --format of our own
# is not meant.
autoprogram_cliff_ignored = [
    "--help", "-f", "-c", "--prefix", "--max-width", "--fit-width", "--print-empty", "--noindent",
    "--quote", "--sort-column", "--sort-ascending", "--sort-descending"]


def with_default(action: argparse.Action) -> Any:
    """Format an option as cliff does, its default put into its help, as ``--help`` does."""
    if action.help and "%(default)" in action.help:
        action.help %= {"default": action.default}
    return format_option(action)


format_option = cliff.sphinxext._format_optional_action
cliff.sphinxext._format_optional_action = with_default


class WorkTree:
    """Reno's loader where git's history is missing or cut, or nothing was released yet: all notes
    that there are, as one."""

    versions = ["0-1"]  # with a hyphen: not released

    def __init__(self, conf: Any) -> None:
        self._notes = Path(conf.reporoot) / conf.notespath

    def __enter__(self) -> WorkTree:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Nothing is open."""

    def __getitem__(self, _version: str) -> List[Tuple[str, str]]:
        return [(path.name, "work tree") for path in sorted(self._notes.glob("*.yaml"))]

    def parse_note_file(self, name: str, _sha: str) -> Dict[str, Any]:
        parsed: Dict[str, Any] = yaml.safe_load((self._notes / name).read_text(encoding="utf-8"))
        return parsed


def loader(conf: Any) -> Any:
    """Return what reads the release notes."""
    tags = subprocess.run(["git", "tag"], cwd=ROOT, capture_output=True, check=False).stdout
    whole = tags and not (ROOT / ".git" / "shallow").exists()
    return Loader(conf) if whole else WorkTree(conf)


reno.sphinxext.loader.Loader = loader
