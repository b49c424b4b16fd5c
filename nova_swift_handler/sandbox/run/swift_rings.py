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

"""Build Swift's rings: ``swift_rings.py DIRECTORY IP DEVICE POLICIES KIND=PORT...``."""

import sys

from swift.common.ring import RingBuilder

PART_POWER, REPLICAS, MIN_PART_HOURS = 4, 1, 1


def build(path: str, ip: str, device: str, port: int) -> None:
    builder = RingBuilder(PART_POWER, REPLICAS, MIN_PART_HOURS)
    builder.add_dev({
        "id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": device, "meta": "",
        "ip": ip, "port": port, "replication_ip": ip, "replication_port": port})
    builder.rebalance()
    builder.get_ring().save(path)


def main() -> None:
    directory, ip, device, policies = sys.argv[1:5]
    for pair in sys.argv[5:]:
        kind, port = pair.split("=")
        # Storage policies other than the first have object rings of their own.
        for policy in range(int(policies) if kind == "object" else 1):
            name = kind if policy == 0 else f"{kind}-{policy}"
            build(f"{directory}/{name}.ring.gz", ip, device, int(port))


if __name__ == "__main__":
    main()
