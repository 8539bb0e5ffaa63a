#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is counted for the ordinary run of things: connections, requests, hits,
misses, deletions, errors, leases, by the names that INFO and dashboards use."""
import os
import sys
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from raw_client import RawClient  # noqa: E402
from server_test import ServerTest  # noqa: E402


class Counters(ServerTest):
    def setUp(self):
        self.serve()
        self.client = RawClient(self.server)
        self.addCleanup(self.client.close)
        self.client.command("PING")  # accepted, and counted, before any test

    def gained(self, work, *names):
        """How much each counter gained while work() was done."""
        before = self.watch.info()
        work()
        after = self.watch.info()
        return [after[name] - before[name] for name in names]

    def commands(self, *commands):
        def work():
            for command in commands:
                self.client.command(*command.split())
        return work

    def test_a_connection_counts_when_it_is_accepted_and_when_it_ends(self):
        def work():
            client = RawClient(self.server)
            client.command("PING")
            client.close()
        before = self.watch["connections_closed"]
        self.assertEqual(self.gained(work, "connections_accepted"), [1])
        self.watch.until("connections_closed", before + 1)

    def test_each_verb_counts_as_what_it_is(self):
        gained = self.gained(
            self.commands("SET k v", "GET k", "EXISTS k", "DEL k", "ECHO hi"),
            "resp_put", "resp_get", "resp_exists", "drops")
        self.assertEqual(gained, [1, 1, 1, 1])
        # Two of these and the INFO that ends the count.
        self.assertEqual(self.gained(self.commands("ECHO a", "ECHO b"),
                                     "resp_other"), [3])

    def test_hits_and_misses_are_told_apart(self):
        gained = self.gained(
            self.commands("SET k 12345", "GET k", "GET none", "MGET k none"),
            "get_hits", "get_misses", "get_bytes", "put_bytes", "puts_stored")
        self.assertEqual(gained, [2, 2, 10, 5, 1])

    def test_an_equal_value_is_not_stored_again(self):
        self.client.command("SET", "k", "same")
        self.assertEqual(self.gained(self.commands("SET k same"), "puts_same",
                                     "puts_stored"), [1, 0])

    def test_exists_counts_what_it_found_and_leased(self):
        self.client.command("SET", "k", "v")
        gained = self.gained(self.commands("EXISTS k", "EXISTS none"),
                             "exists_hits", "exists_misses", "leases_granted")
        self.assertEqual(gained, [1, 1, 1])

    def test_an_error_reply_counts(self):
        before = self.watch["resp_errors"]
        try:
            self.client.command("GET")
        except Exception:  # however the client tells of an error
            pass
        self.assertEqual(self.watch["resp_errors"], before + 1)

    def test_a_page_counts(self):
        def work():
            url = f"http://127.0.0.1:{self.server.http_port}/livez"
            with urllib.request.urlopen(url) as page:
                self.assertEqual(page.status, 200)
        self.assertEqual(self.gained(work, "http_requests"), [1])


if __name__ == "__main__":
    unittest.main()
