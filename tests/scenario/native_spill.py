#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The native wire over values that have sunk into the spill."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as native  # noqa: E402
from native_wire import OBJECT, OK, NativeClient  # noqa: E402
from nvme_test import body, on_threads_too  # noqa: E402
from spill_test import SpillTest  # noqa: E402

META = bytes(range(128))


@on_threads_too
class SunkValues(SpillTest):
    def setUp(self):
        super().setUp()
        self.start()

    def begin(self):
        """Values that are in the spill alone."""
        self.native = NativeClient(self.server.data_port)
        self.addCleanup(self.native.close)
        names = self.put_many(self.client, 20, 200_000)
        # PREFIX finds an object by the names of its halves, as RESP does.
        self.assertEqual(self.native.put("o", body("o", 5000), kind=OBJECT,
                                         meta=META, form=1), OK)
        self.sizes["o"] = 5000, 0
        self.sink(*names, "okv_bytes")
        return names

    def test_they_come_as_they_were_put(self):
        names = self.begin()
        for name, answer in zip(names, self.native.get_all(names)):
            self.assert_is(name, answer.body)
            self.assertEqual(answer.reply["tier"], "spill")
        answer = self.native.get("o", wants_checksum=True)
        self.assert_is("o", answer.body)
        self.assertEqual((answer.reply["tier"], answer.reply["kind"],
                          answer.reply["form"], answer.reply["meta"]),
                         ("spill", OBJECT, 1, META))
        self.assertEqual(self.watch["hits_spill"], len(names) + 1)
        self.assertEqual(self.native.get("o").reply["tier"], "dram")

    def test_prefix_and_walk_say_that_they_are_there(self):
        names = self.begin()
        reply, states = self.native.prefix(names, wants_states=True)
        self.assertEqual(reply["matched"], len(names))
        self.assertEqual([tier["name"] for tier in reply["tiers"]],
                         ["dram", "nvme", "spill"])
        self.assertEqual([tier["matched"] for tier in reply["tiers"]],
                         [0, 0, len(names)])
        self.assertEqual(states, b"\4" * len(names))
        tiers = {entry.key.decode(): entry.tiers
                 for entry in self.native.walk()}
        self.assertEqual({tiers[name] for name in [*names, "o"]}, {4})

    def test_what_is_dropped_there_is_gone(self):
        names = self.begin()
        self.assertEqual(self.native.drop([*names, "o"]),
                         [OK] * (len(names) + 1))
        for name in (*names, "o"):
            self.assertIsNone(self.native.value(name))
        self.assertEqual(self.native.exists(names),
                         [native.MISS] * len(names))


if __name__ == "__main__":
    unittest.main()
