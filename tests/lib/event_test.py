# SPDX-License-Identifier: Apache-2.0
"""A test case whose server publishes events, with readers of them.  Exit status
77 where there are none to read, or nobody to read them."""
import os
import sys

from event_reader import EventReader
from resp_client import RespClient
from server import Server
from server_test import ServerTest
from watch import until

ANY = "tcp://127.0.0.1:*"


def skip_without_events():
    server = Server(**{"events.listen": ANY})
    try:
        server.start().stop()
    except AssertionError as error:
        if "built without events" in str(error):
            print("this build has no events (configure --without-events)")
            sys.exit(77)
        raise
    finally:
        server.log.close()
        os.unlink(server.log.name)


def key_of(name, tenant="default", kind="value"):
    return tenant, kind, name


def listed(server):
    """What SCAN lists of namespace 0, as the keys of a reader."""
    with RespClient(server.data_port) as client:
        return {key_of(name.decode()) for name in client.scan(count=1000)}


class EventsTest(ServerTest):
    def start(self, **options):
        self.serve(**dict({"events.listen": ANY, "events.replay": ANY},
                          **options))
        self.client = self.connect()
        return self.read()

    def read(self, **more):
        reader = EventReader(self.watch["events_listen"],
                             self.watch["events_replay"], **more)
        self.addCleanup(reader.close)
        # Listening for sure: something was heard.
        self.assertIsNotNone(reader.hear())
        return reader

    def ask(self, reply, *command):
        self.assertEqual(self.client.command(*command), reply, command[:2])

    def put(self, name, size=100):
        self.ask(b"+OK", "SET", name, b"x" * size)

    def events_of(self, reader, count):
        """The next so many, with nothing missed between."""
        events, last = [], reader.messages[-1].number
        while len(events) < count:
            message = reader.hear()
            self.assertIsNotNone(message, events)
            self.assertEqual(message.number, last + 1)
            last = message.number
            events += message.events
        self.assertEqual(len(events), count, events)
        return events

    def assert_agrees(self, reader):
        """With SCAN, in the end: some keys may still have to expire."""
        def agrees():
            while reader.follow(0.05):
                pass
            return reader.keys() == listed(self.server)
        until(agrees, lambda: f"{len(reader.keys())} keys at {reader.last}, "
              f"{len(listed(self.server))} there", seconds=60)


skip_without_events()
