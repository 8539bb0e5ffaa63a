#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser: all of it is drawn, in light and dark, at
360 pixels and wide; what clients name their models is text and nothing else; it
follows the server.  Screenshots are left in PREFIXCACHE_OUTPUT."""
import http.client
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from chromium import Chromium, need_chromium  # noqa: E402
from nvme_test import NvmeTest  # noqa: E402
from server_test import MIB  # noqa: E402

OUTPUT = os.environ.get("PREFIXCACHE_OUTPUT") or \
    os.environ.get("PREFIXCACHE_TMP") or "."
PARTS = ("hits", "models", "tiers", "times", "traffic", "curve", "room")
MARKUP = "<img src=x onerror=\"document.title='taken'\">"
LONG_NAME = "/models/" + "a-directory-of-a-rather-long-name/" * 4 + "model"
DRAWN = "document.documentElement.dataset.drawn == 'yes'"


class Page(unittest.TestCase):
    """What needs no browser."""

    def test_it_needs_nothing_from_elsewhere(self):
        source = os.environ.get("PREFIXCACHE_SOURCE", os.path.join(
            os.path.dirname(os.path.abspath(__file__)), "..", ".."))
        with open(os.path.join(source, "server", "observe",
                               "status.html")) as file:
            text = file.read()
        # The name of a format is the only address.
        self.assertEqual(text.count("http://"),
                         text.count("http://www.w3.org/2000/svg"))
        for word in "https://", "src=", "@import", "url(", "innerHTML":
            self.assertNotIn(word, text)


class StatusPage(NvmeTest):
    def setUp(self):
        super().setUp()
        self.serve(lease_ms="10s", dram_size="16MiB", limits_value="1MiB")
        self.client = self.connect()
        self.url = f"http://{self.server.http_address}/"

    def browse(self):
        browser = Chromium()
        self.addCleanup(browser.close)
        return browser

    def work(self, *models):
        """Some hits and misses of each model, in both tiers."""
        for model in models:
            names = [f"{model}@1@0@{number:x}@half" for number in range(12)]
            for name in names:
                if self.client.command("EXISTS", name) == b":0":
                    self.client.command("SET", name, b"x" * (MIB - len(name)))
            self.await_written()
            for name in names[:8]:
                if self.client.command("EXISTS", name) == b":1":
                    self.client.command("GET", name)

    def text_of(self, browser, part):
        return browser.ask(f"document.getElementById('{part}').innerText")

    def test_it_is_one_page_of_html(self):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.http_port, timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode()
        self.assertEqual((answer.status, answer.getheader("Content-Type")),
                         (200, "text/html; charset=utf-8"))
        self.assertTrue(text.startswith("<!DOCTYPE html>"))
        self.assertTrue(text.endswith("</html>\n"))
        connection.request("POST", "/", "x")
        self.assertEqual(connection.getresponse().status, 405)

    def test_it_is_readable_at_any_width_in_light_and_dark(self):
        self.work("Qwen/Qwen3-0.6B", LONG_NAME)
        browser = self.browse()
        grounds = set()
        for width in 360, 1100:
            for scheme in "light", "dark":
                browser.show(width, 800, scheme)
                browser.open(self.url)
                browser.until(DRAWN)
                with self.subTest(width=width, scheme=scheme):
                    self.check_drawn(browser, width)
                grounds.add(browser.ask(
                    "getComputedStyle(document.body).backgroundColor"))
                browser.screenshot(os.path.join(
                    OUTPUT, f"status_page-{width}-{scheme}.png"))
        self.assertEqual(len(grounds), 2)
        self.assertEqual(browser.said, [])

    def check_drawn(self, browser, width):
        self.assertLessEqual(
            browser.ask("document.documentElement.scrollWidth"), width)
        for part in PARTS:
            self.assertGreater(browser.ask(
                f"document.getElementById('{part}').childElementCount"), 0,
                part)
        # Nothing written is cut off at either side, nor too small to read.
        self.assertEqual(browser.ask(
            "[...document.querySelectorAll('svg text, td, th, b')]"
            ".filter(node => node.getClientRects().length)"
            ".map(node => [node.textContent, node.getBoundingClientRect()])"
            ".filter(([text, box]) => box.left < -1 || box.right > "
            f"{width} + 1)"
            ".map(([text, box]) => text)"), [])
        self.assertEqual(browser.ask(
            "[...document.querySelectorAll('svg text, td, th, span, p')]"
            ".filter(node => parseFloat(getComputedStyle(node).fontSize) < 12)"
            ".length"), 0)
        self.assertIn("Qwen/Qwen3-0.6B", self.text_of(browser, "models"))
        self.assertIn(LONG_NAME, self.text_of(browser, "models"))
        tiers = browser.ask(
            "document.getElementById('tiers').textContent")
        self.assertIn("dram", tiers)
        self.assertIn("nvme", tiers)

    def test_names_are_text(self):
        self.client.command("GET", MARKUP + "@1")
        browser = self.browse()
        browser.open(self.url)
        browser.until(DRAWN)
        self.assertIn(MARKUP, self.text_of(browser, "models"))
        self.assertEqual(browser.ask("document.images.length"), 0)
        self.assertEqual(browser.ask("document.title"), "prefixcache")

    def test_it_is_drawn_before_anything_was_asked_for(self):
        browser = self.browse()
        browser.open(self.url)
        browser.until(DRAWN)
        self.assertIn("not measured yet", browser.ask(
            "document.getElementById('times').textContent"))
        self.assertEqual(browser.said, [])

    def test_it_follows_the_server(self):
        browser = self.browse()
        browser.open(self.url)
        browser.until(DRAWN)
        self.assertNotIn("later", self.text_of(browser, "models"))
        self.client.command("GET", "later@1")
        browser.until("document.getElementById('models').innerText"
                      ".includes('later')")
        self.server.kill()
        browser.until("document.getElementById('trouble').innerText"
                      ".includes('no answer')")


if __name__ == "__main__":
    need_chromium()
    unittest.main()
