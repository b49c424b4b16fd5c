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

"""Show the main job: start a cloud, snapshot and boot on it, compare every bit, stop it."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from nova_swift_handler.sandbox import plan
from nova_swift_handler.sandbox.demo.report import Report
from nova_swift_handler.sandbox.demo.story import Story
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.sandbox import Sandbox

_SR_SIZE = 64 * 1024 ** 3


def main() -> int:
    """Run it; return 0 if every check passed."""
    parser = argparse.ArgumentParser(prog="python -m nova_swift_handler.sandbox.demo",
                                     description=__doc__)
    parser.add_argument("--result", type=Path, default=Path("build/demo.json"),
                        help="where to write what was found (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the cloud running")
    parser.add_argument("--root", type=Path, help="directory of the cloud; a new one by default")
    parser.add_argument("--image-handler", default="swift_vhd", choices=plan.IMAGE_HANDLERS)
    args = parser.parse_args()
    root = args.root or Path(tempfile.mkdtemp(prefix="swift_vhd-cloud-"))
    report = Report()
    sandbox = Sandbox(Layout(root), report.say)
    try:
        with report.step("start Keystone, Swift, Glance, and Nova on two simulated hosts"):
            env = sandbox.up(lambda: plan.make(
                plan.default_hosts(args.image_handler, "all", "none", _SR_SIZE), "vhd"))
        with tempfile.TemporaryDirectory(prefix="swift_vhd-demo-") as scratch:
            Story(env, Path(scratch), report).run()
    except Exception as error:  # noqa: BLE001  (told by the report and the exit code)
        traceback.print_exc()
        report.check("the demonstration came to its end", False, str(error))
    finally:
        if args.keep:
            report.say("The cloud is left running: swift-vhd sandbox env --root %s" % root)
        else:
            with report.step("stop everything"):
                sandbox.down()
                if report.ok and args.root is None:
                    shutil.rmtree(root)
    report.write(args.result)
    sys.stdout.write(report.table())
    if not report.ok:
        sys.stdout.write("The services' logs are in %s\n" % root)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
