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

"""What a transfer says that it has sent and received is what Swift and the host saw."""

from __future__ import annotations

import collections
import urllib.parse
from typing import Any, Counter, Dict, List, NamedTuple

from nova_swift_handler import tally
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.transfer import process
from tests.functional.handler.bench import MIB, Bench, Host
from tests.functional.proxy import Proxy


class Entry(NamedTuple):
    """A line of Swift's access log, for a request of a client."""

    method: str
    path: str
    received: int
    sent: int


class Log:
    """What Swift's proxy has logged since this was made."""

    def __init__(self, bench: Bench) -> None:
        self._path = Layout(bench.cloud.root).log("swift-proxy")
        self._begun = self._path.stat().st_size

    def entries(self) -> List[Entry]:
        """Return the requests of clients."""
        with self._path.open("rb") as file:
            file.seek(self._begun)
            lines = file.read().decode("utf-8", "replace").splitlines()
        found = []
        for line in lines:
            # Documented in Swift's proxy_logging.py; requests it makes itself have a source.
            words = line.partition("proxy-server: ")[2].split(" ")
            if len(words) > 16 and words[3].isupper() and words[16] == "-":
                found.append(Entry(words[3], urllib.parse.unquote(words[4]).partition("?")[0],
                                   _number(words[10]), _number(words[11])))
        return found


def _number(word: str) -> int:
    return int(word) if word.isdigit() else 0


class Counted:
    """Takes a job's events."""

    def __init__(self) -> None:
        self._counts: Dict[tally.Key, float] = {}

    def listen(self, event: Dict[str, Any]) -> None:
        if event["event"] == "counts":
            self._counts = tally.parse(event["counts"])

    def __call__(self, name: str, **labels: str) -> int:
        return int(self._counts.get(tally.key(name, labels), 0))

    def verbs(self, service: str) -> Dict[str, int]:
        """Return how many requests went to a service, by verb."""
        return {dict(labels)["verb"]: int(value) for (name, labels), value
                in self._counts.items() if name == tally.REQUESTS
                and dict(labels)["service"] == service}


def _verbs(proxy: Proxy) -> Counter[str]:
    return collections.Counter(line.split(" ")[0] for line in proxy.lines)


def test_the_counts_of_a_transfer_are_those_of_the_services(bench: Bench, ext: Host) -> None:
    vdi = ext.disk(written=[[0, 24 * MIB]])
    seen, log = Counted(), Log(bench)
    with Proxy(bench.env["images_account_url"]) as swift, Proxy(bench.env["glance_url"]) as glance:
        job = bench.snapshot_job(ext, ext.snapshot(vdi), registration="upload", swift=swift.url,
                                 glance=glance.url)
        # Swift takes the closing at the second attempt, which is another request.
        refused = swift.refuse("^PUT .*/data/.*/closing", 503, times=1)
        process.run(job, seen.listen)
        assert refused.hits == 1
        assert seen.verbs(tally.SWIFT) == _verbs(swift)
        assert seen.verbs(tally.GLANCE) == _verbs(glance)
    assert seen(tally.RETRIES, service="swift") == 1
    # Glance keeps the copy that was uploaded to it in Swift, too.
    stored = [each for each in log.entries()
              if each.method == "PUT" and "-images/" not in each.path]
    # What was refused was sent as well, and Swift did not see it.
    closing = [each.received for each in stored if each.path.endswith("/closing")]
    assert len(closing) == 1
    assert seen(tally.BYTES, service="swift", direction="sent") == sum(
        each.received for each in stored) + closing[0]
    assert seen(tally.BYTES, service="glance", direction="sent") > bench.image(
        job.image_id)["size"]

    booted, log = Counted(), Log(bench)
    with Proxy(bench.env["images_account_url"]) as swift:
        process.run(bench.boot_job(ext, job.image_id, swift=swift.url), booted.listen)
        assert booted.verbs(tally.SWIFT) == _verbs(swift)
    assert booted(tally.BYTES, service="swift", direction="received") == sum(
        each.sent for each in log.entries() if (each.method == "GET" and "-volume-" in each.path)
        or each.path.endswith("-index/" + job.image_id))
    # A host gives a VHD in which no sector is absent, as ours is: they are equally long.
    assert booted(tally.BYTES, service="xapi", direction="sent") == seen(
        tally.BYTES, service="xapi", direction="received")
