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

"""Make the virtual environments: ``python -m nova_swift_handler.sandbox.install [NAME...]``.

Standard library only, so that any Python 3.8 or newer can run it before anything is installed.  An
environment is left alone as long as nothing that decides its contents has changed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO, List, NamedTuple, Optional, Sequence

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import pythons, venv

SOURCE = Path(__file__).resolve().parents[2]
CONSTRAINTS = Path(__file__).resolve().parent / "constraints"
LOG_TAIL = 3000  # characters


class Environment(NamedTuple):
    """One virtual environment.

    :ivar requirements: what pip installs, within the constraints.
    :ivar ours: whether this package goes in too, editable.
    :ivar builders: what builds packages that are source only; installed before all else.
    """

    name: str
    python: str
    constraints: str
    requirements: List[str]
    ours: bool = False
    builders: Sequence[str] = ()


# setuptools: pkg_resources, which these releases import, went with 81; the one that comes with
# Python 3.8 does not find all distributions that today's pip installs.
_NOVA = ["nova==21.2.4", "openstack-placement==3.0.1", "setuptools>=68,<81"]
_UNIT_TESTS = ["pytest", "pytest-xdist", "hypothesis"]
_TESTS = [*_UNIT_TESTS, "libvhdi-python", "XenAPI"]
_CHECKS = ["mypy", "ruff", "reno"]
_DOCS = ["sphinx", "reno"]

# The package alone, without Nova, on every Python that it supports.
_MATRIX = [Environment("package-" + version, version,
                       "package-py%s.txt" % version.replace(".", ""), _UNIT_TESTS, ours=True,
                       builders=["setuptools", "wheel"])
           for version in ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")]


ENVIRONMENTS = {each.name: each for each in [
    Environment(
        venv.CLOUD, "3.11", "cloud-py311.txt",
        ["keystone", "glance", "swift", "keystonemiddleware", "python-swiftclient",
         "python-openstackclient", "cheroot"]),
    Environment(venv.NOVA, "3.11", "nova-py311.txt", [*_NOVA, *_TESTS, *_CHECKS], ours=True),
    # The oldest Python, with the libraries of Nova's own time.  Without wheel its pip runs each
    # setup.py in the half-made environment, where setuptools may meet a packaging too old for it.
    Environment("nova-py38", "3.8", "nova-py38.txt", [*_NOVA, *_TESTS], ours=True,
                builders=["setuptools", "wheel"]),
    Environment("docs", "3.11", "docs-py311.txt", _DOCS, ours=True),
    *_MATRIX,
]}


def install(environment: Environment) -> str:
    """Make or update one environment; return in a few words what was done.

    :raises SandboxError: there is no such Python, or pip failed.
    """
    target = venv.directory() / environment.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / f"{environment.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base = pythons.find(environment.python)
        if base is None:
            raise SandboxError(
                f"there is no Python {environment.python} on PATH or among pyenv's: install one, "
                f"or name it by PYTHON{environment.python.replace('.', '_')}")
        foundation = _hash(environment, base, [CONSTRAINTS / environment.constraints])
        whole = _hash(environment, base, [
            CONSTRAINTS / environment.constraints,
            *([SOURCE / "setup.cfg"] if environment.ours else [])])
        if _read(target / "whole") == whole:
            return "nothing to do"
        started = time.monotonic()
        if _read(target / "foundation") != foundation and target.exists():
            shutil.rmtree(target)
        log = target.parent / f"{environment.name}.log"
        with open(log, "wb") as output:
            if not target.exists():
                _run([str(base), "-m", "venv", str(target)], log, output)
            for packages in (environment.builders, environment.requirements):
                if packages:
                    _run(_pip(environment, target, packages), log, output)
            if environment.ours:
                # All of them write the package's metadata into the source tree.
                with open(target.parent / "ours.lock", "w") as one_at_a_time:
                    fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
                    _run(_pip(environment, target, ["--editable", str(SOURCE)]), log, output)
        (target / "foundation").write_text(foundation)
        (target / "whole").write_text(whole)
        return f"installed in {time.monotonic() - started:.0f} s"


def _pip(environment: Environment, target: Path, packages: Sequence[str]) -> List[str]:
    return [str(target / "bin" / "python"), "-m", "pip", "install", "--no-input",
            "--disable-pip-version-check", "--no-compile", "--constraint",
            str(CONSTRAINTS / environment.constraints), *packages]


def _run(command: List[str], log: Path, output: BinaryIO) -> None:
    code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=output,
                           stderr=subprocess.STDOUT)
    if code != 0:
        raise SandboxError(f"{' '.join(command)} ended with code {code}; the end of {log}:\n"
                           + log.read_text(errors="replace")[-LOG_TAIL:])


def _hash(environment: Environment, base: Path, files: List[Path]) -> str:
    version = subprocess.check_output([str(base), "-VV"]).decode()
    digest = hashlib.sha256(repr((environment, version, str(SOURCE))).encode())
    for each in files:
        digest.update(each.read_bytes())
    return digest.hexdigest()


def _read(marker: Path) -> Optional[str]:
    return marker.read_text() if marker.exists() else None


def main(argv: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="nova_swift_handler.sandbox.install")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"which environments: {', '.join(ENVIRONMENTS)}")
    parser.add_argument("--optional", action="append", default=[], metavar="NAME",
                        help="one to leave out where its Python is missing")
    parsed = parser.parse_args(argv)
    unknown = set(parsed.names + parsed.optional) - set(ENVIRONMENTS)
    if unknown:
        parser.error(f"no such environment: {', '.join(sorted(unknown))}")
    wanted = [ENVIRONMENTS[name] for name in parsed.names]
    wanted += [ENVIRONMENTS[name] for name in parsed.optional
               if pythons.find(ENVIRONMENTS[name].python)]
    failed = False
    print(f"environments in {venv.directory()}: " + ", ".join(each.name for each in wanted),
          flush=True)
    with concurrent.futures.ThreadPoolExecutor(max(1, len(wanted))) as pool:
        for each, result in [(each, pool.submit(install, each)) for each in wanted]:
            try:
                print(f"  {each.name}: {result.result()}", flush=True)
            except SandboxError as error:
                failed = True
                print(f"  {each.name}: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
