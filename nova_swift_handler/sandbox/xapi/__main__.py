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

"""Run one simulated XenServer host.

    python -m nova_swift_handler.sandbox.xapi --root DIR --listen 127.0.0.1:8080 \\
        --sr-type ext --sr-size 107374182400

When it serves, it prints one line: ``READY {"url": ..., "host_uuid": ..., "sr_uuid": ...,
"iso_sr_uuid": ..., "pid": ...}``.  SIGTERM or SIGINT stops it; everything is kept below DIR, and
the same command brings it back.
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
from typing import IO, Dict, List, Optional, Tuple

from nova_swift_handler.sandbox.xapi.host import Host
from nova_swift_handler.sandbox.xapi.server.connection import Handler
from nova_swift_handler.sandbox.xapi.server.listener import Listener
from nova_swift_handler.sandbox.xapi.server.routes import routes
from nova_swift_handler.sandbox.xapi.settings import Settings


def parse(argv: Optional[List[str]] = None) -> Settings:
    """Read the command line; exits when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m nova_swift_handler.sandbox.xapi", description="Simulate a XenServer host.")
    parser.add_argument("--root", required=True, help="directory everything is kept below")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDRESS:PORT",
                        help="where to serve; port 0 chooses a free one (default: %(default)s)")
    parser.add_argument("--sr-type", choices=("ext", "lvm"), default="ext")
    parser.add_argument("--sr-size", type=int, default=100 << 30, help="bytes")
    parser.add_argument("--iso-sr", action="store_true", help="make an ISO SR as well")
    parser.add_argument("--host-name", default="xenserver")
    parser.add_argument("--password-file", help="first line: root's password (default: empty)")
    parser.add_argument("--tls-cert", metavar="FILE", help="PEM; serve with TLS")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM")
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
    return Settings(
        root=os.path.abspath(args.root), address=address, port=int(port), sr_type=args.sr_type,
        sr_size=args.sr_size, iso_sr=args.iso_sr, host_name=args.host_name,
        password=_first_line(args.password_file), tls_certificate=args.tls_cert,
        tls_key=args.tls_key, gc_interval=args.gc_interval, gc_pause=args.gc_pause,
        stop_with_stdin=args.stop_with_stdin)


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
    # Routes need the host and the host its port, which binding tells.
    table: Dict[Tuple[str, str], Handler] = {}
    listener = Listener(settings.address, settings.port, table, _tls(settings))
    host = Host(dataclasses.replace(settings, port=listener.address[1]))
    table.update(routes(host))
    host.start()
    listener.start()
    print("READY %s" % json.dumps(host.describe()), flush=True)
    if settings.stop_with_stdin:
        threading.Thread(target=_wait_for_end_of_stdin, args=(stop,), daemon=True).start()
    stop.wait()
    host.faults.clear()  # wakes what hangs
    listener.close()
    host.close()
    lock.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
