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

"""VHDs made to reach what is not in them, or to take more than there is, get nothing.

Those that are merely damaged are in ``handler/test_bad_images.py``.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import uuid
from typing import Any, Callable, Dict, List, Tuple, Type

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.transfer import process
from tests.functional.handler.bench import MIB, Bench, Host
from tests.functional.tenancy.conftest import Victim, booted
from tests.unit.transfer import images
from tests.unit.vhd import independent
from tests.unit.vhd.independent import Block

BLOCK = independent.MIB2
SIZE = 3 * BLOCK
_OWN = {1: Block(independent.full(BLOCK), b"\x5a" * BLOCK)}
# Where fields stand: footer, then the dynamic header at 512.
_SIZES, _ENTRIES, _BLOCK_SIZE, _TABLE = 40, 512 + 28, 512 + 32, 512 + 16


def locators(victim: Victim, vdi: str) -> List[Tuple[bytes, int, bytes]]:
    """Return locators of a parent that is alice's, of a file of the host's, and of a URL."""
    paths = ["../%s/delta.vhd" % victim.image_id, "/var/run/sr-mount/sr/%s.vhd" % vdi,
             "file:///etc/passwd"]
    return [(b"W2ku", 512, paths[1].encode("utf-16-le")), (b"W2ru", 512, paths[0].encode(
        "utf-16-le")), (b"MacX", 512, paths[2].encode("utf-8"))]


def patched(offset: int, form: str, *values: int) -> bytes:
    """Return a VHD with other numbers in a footer or header whose checksum is right."""
    data = bytearray(independent.build(SIZE, _OWN))
    struct.pack_into(form, data, offset, *values)
    data[:512] = independent.resum(bytes(data[:512]), independent.FOOTER_SUM)
    data[512:1536] = independent.resum(bytes(data[512:1536]), independent.HEADER_SUM)
    data[-512:] = data[:512]
    return bytes(data)


def test_a_vhd_that_names_anothers_as_parent(bench: Bench, ext: Host, victim: Victim) -> None:
    """By unique id, by name, by every kind of locator: the parent must be in the image."""
    vdi = ext.vdis()[0]
    data = independent.build(
        SIZE, {}, independent.DIFFERENCING, unique_id=uuid.uuid4().bytes,
        parent_id=uuid.UUID(victim.image_id).bytes,
        parent_name="../%s/delta.vhd" % victim.image_id, locators=locators(victim, vdi))
    for made, container_format in ((data, "bare"), (images.numbered([data]), "ovf")):
        image_id = bench.uploaded(made, container_format, user="bob")
        with bench.nothing_left(ext):
            bench.refuses(bench.boot_job(ext, image_id, user=bench.token("bob")),
                          exceptions.ChainBroken, "not")


def test_a_whole_vhd_with_locators_has_its_own_bytes(bench: Bench, ext: Host,
                                                     victim: Victim) -> None:
    data = independent.build(SIZE, _OWN, parent_id=uuid.UUID(victim.image_id).bytes,
                             locators=locators(victim, ext.vdis()[0]))
    made = process.run(bench.boot_job(ext, bench.uploaded(data, "bare", "bob"),
                                      user=bench.token("bob")))
    held = ext.control.guest_read(made["vdi_uuid"], 0, SIZE)
    assert held == bytes(BLOCK) + b"\x5a" * BLOCK + bytes(BLOCK)


def test_a_chain_whose_locators_lead_out_of_it(bench: Bench, ext: Host, victim: Victim) -> None:
    """Its parent is beside it in the image, whatever path it gives."""
    base = independent.build(SIZE, _OWN, unique_id=b"the base of both")
    leaf = independent.build(
        SIZE, {0: Block(independent.full(BLOCK), b"\xa5" * BLOCK)}, independent.DIFFERENCING,
        unique_id=b"and this is leaf", parent_id=b"the base of both", parent_name="1.vhd",
        locators=locators(victim, ext.vdis()[0]))
    made = process.run(bench.boot_job(
        ext, bench.uploaded(images.numbered([leaf, base]), user="bob"), user=bench.token("bob")))
    held = ext.control.guest_read(made["vdi_uuid"], 0, SIZE)
    assert held == b"\xa5" * BLOCK + b"\x5a" * BLOCK + bytes(BLOCK)


_ABSURD: Dict[str, Callable[[], bytes]] = {
    "a disk of 16 EiB": lambda: patched(_SIZES, ">QQ", 2 ** 64 - 512, 2 ** 64 - 512),
    "a disk of 2041 GiB": lambda: patched(_SIZES, ">QQ", 2041 << 30, 2041 << 30),
    "a disk of no byte": lambda: patched(_SIZES, ">QQ", 0, 0),
    "a table of 4 billion blocks": lambda: patched(_ENTRIES, ">I", 2 ** 32 - 1),
    "a table without a block": lambda: patched(_ENTRIES, ">I", 0),
    "blocks of 2 GiB": lambda: patched(_BLOCK_SIZE, ">I", 2 ** 31),
    "blocks of no byte": lambda: patched(_BLOCK_SIZE, ">I", 0),
    "blocks of an odd size": lambda: patched(_BLOCK_SIZE, ">I", 3 * 512),
    "a table far away": lambda: patched(_TABLE, ">Q", 2 ** 63),
    "a table over the header": lambda: patched(_TABLE, ">Q", 512),
}


@pytest.mark.parametrize("name", list(_ABSURD))
def test_absurd_sizes(bench: Bench, ext: Host, name: str) -> None:
    data = _ABSURD[name]()
    forms = [(images.numbered([data]), "ovf")]
    if name != "a disk of 16 EiB":  # of which Glance itself makes an error 500
        forms.append((data, "bare"))
    for made, container_format in forms:
        image_id = bench.uploaded(made, container_format, "bob")
        with bench.nothing_left(ext):
            bench.refuses(bench.boot_job(ext, image_id, user=bench.token("bob")),
                          exceptions.VhdError)


def test_a_disk_that_the_sr_has_no_room_for(bench: Bench, ext: Host) -> None:
    """2040 GiB, nothing of it written: what an EXT SR promises costs it nothing, and no more."""
    size = 2040 << 30
    data = independent.build(size, {0: Block(independent.full(BLOCK), b"\x5a" * BLOCK)})
    image_id = bench.uploaded(data, "bare", "bob")
    made = process.run(bench.boot_job(ext, image_id, user=bench.token("bob")))
    assert made["virtual_size"] == size
    assert ext.control.guest_read(made["vdi_uuid"], 0, 4) == b"\x5a" * 4
    assert int(ext.record(made["vdi_uuid"])["physical_utilisation"]) < 64 * MIB


def tar(*members: Tuple[str, bytes, bytes]) -> bytes:
    """Return a tgz of members of any kind; what a link has for data is where it leads to."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as made:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(data)
            else:
                info.linkname = data.decode("utf-8")
            made.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
    return gzip.compress(raw.getvalue(), 1)


_TARS: Dict[str, Tuple[Callable[[], bytes], Type[exceptions.SwiftVhdError]]] = {
    "links to files of the machine": (lambda: tar(
        ("0.vhd", tarfile.SYMTYPE, b"/etc/passwd"), ("1.vhd", tarfile.LNKTYPE, b"/etc/shadow")),
        exceptions.ImageUnsupported),
    "a device": (lambda: tar(("0.vhd", tarfile.CHRTYPE, b"")), exceptions.ImageUnsupported),
    "a pipe": (lambda: tar(("0.vhd", tarfile.FIFOTYPE, b"")), exceptions.ImageUnsupported),
    "a bomb beside the disk": (lambda: tar(
        ("bomb", tarfile.REGTYPE, bytes(300 * MIB))), exceptions.ImageUnsupported),
}


@pytest.mark.parametrize("name", list(_TARS))
def test_archives_that_reach_out(bench: Bench, ext: Host, name: str) -> None:
    make, kind = _TARS[name]
    image_id = bench.uploaded(make(), user="bob")
    with bench.nothing_left(ext):
        bench.refuses(bench.boot_job(ext, image_id, user=bench.token("bob")), kind)


def test_an_archive_whose_names_lead_elsewhere(bench: Bench, ext: Host, tmp_path: Any) -> None:
    """The names of its members are never those of files on the compute host."""
    chain = images.chain(2, block_size=BLOCK, blocks=3)
    marks = [tmp_path / "1.vhd", bench.staging.parent / "0.vhd"]
    data = tar(("../../1.vhd", tarfile.REGTYPE, chain.vhds[1]),
               ("%s/0.vhd" % tmp_path, tarfile.REGTYPE, chain.vhds[0]))
    made = process.run(bench.boot_job(ext, bench.uploaded(data, user="bob"),
                                      user=bench.token("bob")))
    assert ext.control.guest_read(made["vdi_uuid"], 0, len(chain.disk)) == chain.disk
    assert not any(mark.exists() for mark in marks)
    assert not list(bench.staging.iterdir())


def test_a_guest_that_writes_a_vhd_onto_its_disk(bench: Bench, ext: Host,
                                                 victim: Victim) -> None:
    """What looks like a VHD inside a disk is so many bytes."""
    crafted = independent.build(
        SIZE, {}, independent.DIFFERENCING, parent_id=uuid.UUID(victim.image_id).bytes,
        parent_name="../%s/delta.vhd" % victim.image_id,
        locators=locators(victim, ext.vdis()[0]))
    vdi = ext.disk(seed="bob's own")
    ext.control.guest_write(vdi, 0, crafted)
    ext.control.guest_write(vdi, 42 * MIB - 512, crafted[-512:])
    job = bench.snapshot_job(ext, ext.snapshot(vdi), bench.queued("bob"), bench.token("bob"))
    process.run(job)
    assert booted(bench, ext, job.image_id) == ext.control.guest_sha256(vdi)
