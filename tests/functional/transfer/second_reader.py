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

"""A second reader of format 1, written from doc/source/format.rst and nothing else.

Nothing of the package is used: the standard library, HTTP and a token.  It believes nothing that
it can check.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import struct
import urllib.parse
import zlib
from typing import Any, Dict, Iterator, List, Optional, Tuple

BLOCK = 2 * 1024 * 1024
STRIDE = 512 + BLOCK
PER_REGION = 2000

Record = Tuple[int, Dict[str, Any], int, bytes]
"""Block number, segment, slot, SHA-256."""


class Wrong(Exception):
    """Something is not as the specification says."""


def check(so: bool, what: str) -> None:
    if not so:
        raise Wrong(what)


class Reader:
    """Reads points of one account.

    :param url: the account's storage URL.
    """

    def __init__(self, url: str, token: str, prefix: str) -> None:
        self._parsed = urllib.parse.urlsplit(url)
        self._token = token
        self._prefix = prefix

    def get(self, path: str, first: Optional[int] = None, last: Optional[int] = None) -> bytes:
        """GET an object, or some bytes of it; a cut answer is an error."""
        headers = {"X-Auth-Token": self._token}
        if first is not None:
            headers["Range"] = "bytes=%d-%d" % (first, last)
        assert self._parsed.hostname
        connection = http.client.HTTPConnection(self._parsed.hostname, self._parsed.port)
        try:
            connection.request("GET", "%s/%s" % (self._parsed.path, urllib.parse.quote(path)),
                               headers=headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        check(answer.status == (200 if first is None else 206), "%s: %d" % (path, answer.status))
        check(first is None or len(data) == (last or 0) - first + 1, "%s was cut" % path)
        return data

    def restore(self, image_id: str) -> Iterator[Tuple[int, bytes]]:
        """Yield number and bytes of an image's blocks that are not zero, all proven."""
        point = self.point(image_id)
        return self._blocks(point["virtual_size"], self.records(point))

    def _blocks(self, virtual_size: int, records: List[Record]) -> Iterator[Tuple[int, bytes]]:
        for number, segment, slot, digest in records:
            data = self.get("%s/%s" % (segment["container"], segment["name"]),
                            slot * STRIDE + 512, (slot + 1) * STRIDE - 1)
            check(hashlib.sha256(data).digest() == digest, "block %d is damaged" % number)
            check(not any(data[max(0, virtual_size - number * BLOCK):]),
                  "something lies beyond the disk's end")
            yield number, data

    def point(self, image_id: str) -> Dict[str, Any]:
        """Find an image's point by the index."""
        entry = json.loads(self.get("%s-index/%s" % (self._prefix, image_id)))
        point = json.loads(self.get("%s/points/%s/point.json" % (entry["container"], image_id)))
        check(point["format"] == 1, "format %s" % point["format"])
        check((point["image_id"], point["container"]) == (image_id, entry["container"]),
              "the index leads to another point")
        return dict(point)

    def records(self, point: Dict[str, Any]) -> List[Record]:
        """Return where a point's blocks are, by its regions' tables."""
        records: List[Record] = []
        for region in point["regions"]:
            found = self._table(point, region)
            check(len(found) == region["blocks"], "a region's number of blocks")
            records += found
        numbers = [record[0] for record in records]
        check(numbers == sorted(set(numbers)), "the blocks do not ascend")
        check(not numbers or numbers[-1] * BLOCK < point["virtual_size"], "a block too far")
        check(len(records) == point["blocks"], "the number of blocks")
        check(disk_digest(point["virtual_size"], records) == point["digest"],
              "the disk's digest")
        used = {(each["container"], each["name"]) for _number, each, _slot, _sha in records}
        check(used == {(each["container"], each["name"]) for each in point["segments"]},
              "the list of segments")
        return records

    def _table(self, point: Dict[str, Any], region: Dict[str, Any]) -> List[Record]:
        data = self.get("%s/%s" % (point["container"], region["table"]))
        check(region["table"] == "regions/%05d-%s.table" % (
            region["index"], hashlib.sha256(data).hexdigest()), "a table's name")
        check(data[:8] == b"SVHDTBL1", "a table's magic")
        length, = struct.unpack_from(">I", data, 8)
        header = json.loads(data[12:12 + length])
        check(header["region"] == region["index"], "a table's region")
        records = []
        for number, which, slot, digest in struct.iter_unpack(">III32s", data[12 + length:]):
            segment = header["segments"][which]
            check(slot < segment["blocks"], "a slot that its segment does not have")
            check(number // PER_REGION == region["index"], "a block of another region")
            records.append((number, segment, slot, digest))
        check(len(records) == header["count"], "a table's count")
        return records

    # -- from data/ alone ---------------------------------------------------------------------

    def rebuild(self, container: str,
                upload_id: str) -> Tuple[Dict[str, Any], Iterator[Tuple[int, bytes]]]:
        """Return point and blocks of an upload, from its closing and segments alone."""
        data = zlib.decompress(self.get("%s/data/%s/closing" % (container, upload_id)))
        check(hashlib.sha256(data[:-32]).digest() == data[-32:], "a closing's SHA-256")
        check(data[:8] == b"SVHDEND1", "a closing's magic")
        length, = struct.unpack_from(">I", data, 8)
        point = json.loads(data[12:12 + length])
        records: List[Record] = []
        trailers = [self._trailer(segment) for segment in point["segments"]]
        for first, count, which, slot in struct.iter_unpack(">IIII", data[12 + length:-32]):
            for offset in range(count):
                records.append((first + offset, point["segments"][which], slot + offset,
                                trailers[which][slot + offset][1]))
        check(disk_digest(point["virtual_size"], records) == point["digest"],
              "the digest of what was made anew")
        return dict(point), self._blocks(point["virtual_size"], records)

    def _trailer(self, segment: Dict[str, Any]) -> List[Tuple[int, bytes]]:
        count = segment["size"] // STRIDE
        length = -(-(36 * count + 144) // 512) * 512
        check(segment["size"] == count * STRIDE + length, "a segment's size")
        data = self.get("%s/%s" % (segment["container"], segment["name"]),
                        segment["size"] - length, segment["size"] - 1)
        check(hashlib.sha256(data[:-32]).digest() == data[-32:], "a trailer's SHA-256")
        magic, version, found, block = struct.unpack_from(">8sIII", data, length - 144)
        check((magic, version, found, block) == (b"SVHDSEG1", 1, count, BLOCK), "a trailer")
        entries = [struct.unpack_from(">I32s", data, 36 * slot) for slot in range(count)]
        check(not any(data[36 * count:length - 144]), "a trailer's padding")
        numbers = [number for number, _digest in entries]
        check(numbers == sorted(set(numbers)), "a segment's blocks do not ascend")
        return entries


def disk_digest(virtual_size: int, records: List[Record]) -> str:
    """Return the digest of a disk."""
    total = hashlib.sha256(struct.pack(">Q", virtual_size))
    for number, _segment, _slot, digest in sorted(records, key=lambda record: record[0]):
        total.update(struct.pack(">I", number) + digest)
    return total.hexdigest()
