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

"""Run one simulated XenServer host, or a pool of them.

    python -m nova_swift_handler.sandbox.xapi --root DIR --listen 127.0.0.1:8080 \\
        --sr-type ext --sr-size 107374182400 [--slave 127.0.0.2,lvm --shared-sr nfs]

When it serves, it prints one line: ``READY {"url": ..., "host_uuid": ..., "sr_uuid": ...,
"iso_sr_uuid": ..., "shared_sr_uuid": ..., "pid": ..., "hosts": [...]}``.  SIGTERM or SIGINT stops
it; everything is kept below DIR, and the same command brings it back.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import json
import logging
import os
import signal
import ssl
import sys
import threading
from typing import IO, List, Optional, Tuple

from nova_swift_handler.sandbox.xapi.pool import Pool
from nova_swift_handler.sandbox.xapi.server.listener import Listener, bind_all
from nova_swift_handler.sandbox.xapi.server.routes import routes
from nova_swift_handler.sandbox.xapi.settings import LOCAL_SRS, SHARED_SRS, Member, Settings


def parse(argv: Optional[List[str]] = None) -> Settings:
    """Read the command line; exits when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m nova_swift_handler.sandbox.xapi",
        description="Simulate a XenServer host, or a pool of them.")
    parser.add_argument("--root", required=True, help="directory everything is kept below")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDRESS:PORT",
                        help="where to serve; port 0 chooses a free one (default: %(default)s)")
    parser.add_argument("--sr-type", choices=LOCAL_SRS, default="ext")
    parser.add_argument("--sr-size", type=int, default=100 << 30, help="bytes")
    parser.add_argument("--iso-sr", action="store_true", help="make an ISO SR as well")
    parser.add_argument("--host-name", default="xenserver")
    parser.add_argument("--slave", action="append", default=[], metavar="ADDRESS[,SR_TYPE[,NAME]]",
                        help="one more host of the pool, at another loopback address and the same"
                             " port; may be repeated")
    parser.add_argument("--shared-sr", choices=SHARED_SRS,
                        help="make an SR that all hosts of the pool see, the pool's default")
    parser.add_argument("--password-file", help="first line: root's password (default: empty)")
    parser.add_argument("--tls-cert", metavar="FILE", help="PEM; serve with TLS")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM")
    parser.add_argument("--tls-port", type=int, metavar="PORT",
                        help="serve with TLS here and without it at the port of --listen; 0"
                             " chooses a free one (default: TLS there and nothing else)")
    parser.add_argument("--gc-interval", type=float, metavar="SECONDS",
                        help="collect garbage in the background (default: on demand only)")
    parser.add_argument("--gc-pause", type=float, default=0.0, metavar="SECONDS",
                        help="how long the background collector waits after a kick")
    parser.add_argument("--stop-with-stdin", action="store_true",
                        help="stop when standard input ends: with whoever started the host")
    args = parser.parse_args(argv)
    address, _, port = args.listen.rpartition(":")
    if not address.startswith("127.") or not port.isdigit():
        parser.error("--listen must be a loopback address and a port, as 127.0.0.1:8080")
    if args.tls_port is not None and args.tls_cert is None:
        parser.error("--tls-port needs --tls-cert")
    members = [Member(address, args.host_name, args.sr_type)]
    for number, text in enumerate(args.slave, 1):
        members.append(_slave(parser, text, "%s-slave-%d" % (args.host_name, number)))
    return Settings(
        root=os.path.abspath(args.root), members=tuple(members), port=int(port),
        sr_size=args.sr_size, iso_sr=args.iso_sr, shared_sr=args.shared_sr,
        password=_first_line(args.password_file), tls_certificate=args.tls_cert,
        tls_key=args.tls_key, tls_port=args.tls_port, gc_interval=args.gc_interval,
        gc_pause=args.gc_pause, stop_with_stdin=args.stop_with_stdin)


def _slave(parser: argparse.ArgumentParser, text: str, name: str) -> Member:
    given = dict(zip(("address", "sr_type", "name"), text.split(",", 2)))
    member = Member(**{"name": name, **given})
    if not member.address.startswith("127.") or member.sr_type not in LOCAL_SRS:
        parser.error("--slave must be a loopback address, a type of SR (%s) and a name, as "
                     "127.0.0.2,lvm,second" % " or ".join(LOCAL_SRS))
    return member


def _first_line(path: Optional[str]) -> str:
    if path is None:
        return ""
    with open(path, encoding="utf-8") as source:
        return source.readline().rstrip("\r\n")


def _lock(root: str) -> IO[str]:
    """Keep a second process away from the same directory."""
    os.makedirs(root, exist_ok=True)
    lock = open(  # noqa: SIM115 - held until the process ends
        os.path.join(root, "lock"), "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("%s is in use by another simulated host" % root)
    return lock


def _wait_for_end_of_stdin(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


def _tls(settings: Settings) -> Optional[ssl.SSLContext]:
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context


def main(argv: Optional[List[str]] = None) -> int:
    settings = parse(argv)
    logging.basicConfig(
        stream=sys.stderr, level=os.environ.get("XAPI_LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    lock = _lock(settings.root)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())
    listeners, settings = _bind(settings)
    pool = Pool(settings)
    tables = [routes(pool, host) for host in pool.hosts]
    pool.start()
    for index, listener in enumerate(listeners):
        listener.start(tables[index % len(tables)])
    print("READY %s" % json.dumps(pool.describe()), flush=True)
    if settings.stop_with_stdin:
        threading.Thread(target=_wait_for_end_of_stdin, args=(stop,), daemon=True).start()
    stop.wait()
    pool.faults.clear()  # wakes what hangs
    for listener in listeners:
        listener.close()
    pool.close()
    lock.close()
    return 0


def _bind(settings: Settings) -> Tuple[List[Listener], Settings]:
    """Take the ports: all hosts' first, then all hosts' for TLS if those are others."""
    addresses, tls = [member.address for member in settings.members], _tls(settings)
    listeners = bind_all(addresses, settings.port, None if settings.tls_port is not None else tls)
    settings = dataclasses.replace(settings, port=listeners[0].address[1])
    if settings.tls_port is not None:
        secure = bind_all(addresses, settings.tls_port, tls)
        settings = dataclasses.replace(settings, tls_port=secure[0].address[1])
        listeners += secure
    return listeners, settings


if __name__ == "__main__":
    sys.exit(main())
