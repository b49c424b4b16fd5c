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

"""Run by a test: stores a disk and reads it back, then says how much memory that took.

Usage: move_disk.py VHD PREFIX VOLUME IMAGE_ID < credentials.json > report.json
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import time

from nova_swift_handler.catalog import lookup, names
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.transfer import fetch, jobs, snapshot
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import FileSource


def _peak() -> int:
    """Return the most memory this process has ever had, bytes."""
    # Not ru_maxrss: that begins with what the process had from which this one was forked.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main() -> None:
    """Do it with the settings' defaults, as a transfer process would."""
    path, prefix, volume, image_id = sys.argv[1:]
    services = jobs.Services(
        Credentials(**json.load(sys.stdin)), StoreSettings(prefix), TransferSettings(),
        GlanceSettings())
    account = services.account()
    report = {"at_start": _peak()}
    began = time.monotonic()
    subject = Subject(image_id, "snapshot", volume, "project", "now", {})
    with snapshot.stored(services, account, subject, FileSource(path),
                         names.Containers(prefix).volume(volume), Report(lambda event: None),
                         for_glance=True) as point:
        pass
    report["stored"] = _peak()
    report["seconds_to_store"] = round(time.monotonic() - began)
    began = time.monotonic()
    blocks, stored = lookup.blocks(account, point)
    digest, count = hashlib.sha256(), 0
    for number, data in fetch.fetch(account, blocks, stored,
                                    services.transfer.download_threads):
        digest.update(b"%d:" % number)
        digest.update(data)
        count += 1
    report["read_back"] = _peak()
    report["seconds_to_read"] = round(time.monotonic() - began)
    json.dump(dict(report, blocks=count, sha256=digest.hexdigest(),
                   point=dataclasses.asdict(point)), sys.stdout)


main()
