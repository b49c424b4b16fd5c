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

"""A simulated XenServer / XCP-ng host, or a pool of them: a standalone server, one process a pool.

    python -m nova_swift_handler.sandbox.xapi --root DIR --listen 127.0.0.1:PORT ...

It needs the standard library only and imports nothing of the product, so that the two cannot
share a mistake.  From the outside in:

    server/     HTTP over plain sockets; which path is served by what; the control end point
    rpc/        XML-RPC and JSON-RPC on the wire, the dispatcher, the verbs that all classes have
    verbs/      the verbs each class has of its own, one file a class
    datapath/   /export_raw_vdi and /import_raw_vdi
    plugins/    what host.call_plugin runs in dom0
    services/   what the pool does: disks, copies, attachments, power, tasks, sessions, events...
    records/    the database: classes as tables of fields, records, filters, changes, the file
    storage/    SRs on files and on volumes, and of ISO images: real VHD files
    pool.py     all of that together; host.py: one host of it
    faults.py   what can be made to go wrong, by name
    control.py  the client of the control end point, for tests and for the sandbox

What is as in XAPI and what is not: doc/source/simulator.rst.
"""
