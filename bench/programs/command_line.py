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

"""``swift-vhd``'s commands that list very much, whether or not the package is installed.

Takes the command line's arguments.
"""

from __future__ import annotations

import sys

from nova_swift_handler.cli import app, image, report


def main() -> int:
    """Do it."""
    application = app.SwiftVhd()
    application.command_manager.add_command("image list", image.Listing)
    application.command_manager.add_command("report", report.Report)
    return application.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
