# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, spoken to over two pipes (its DevTools protocol: JSON
messages, each ended by a zero byte).

    with Chromium() as browser:
        browser.show(width=360, height=800, scheme="dark")
        browser.open("http://127.0.0.1:7655/")
        browser.until("document.title == 'prefixcache'")
        browser.screenshot("page.png")
"""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

SECONDS = 60
PROGRAM = "chromium"
# Beside the usual: nothing but the page is asked for over the network.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-dev-shm-usage", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--hide-scrollbars", "--remote-debugging-pipe")


def need_chromium():
    """A skip of the whole program where there is none."""
    if not shutil.which(PROGRAM):
        print("chromium is missing (Debian package chromium)")
        sys.exit(77)


def high_pipe():
    """Ends that are out of the way of the two descriptors Chromium expects."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
    for end in ends:
        os.close(end)
    return high


class Chromium:
    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(
            dir=os.environ.get("PREFIXCACHE_TMP"))
        self.log = open(os.path.join(self.profile.name, "log"), "w+")
        its_in, self.out = high_pipe()
        self.into, its_out = high_pipe()
        command = ["bash", "-c",
                   f'exec "$@" 3<&{its_in} 4>&{its_out} {its_in}<&- '
                   f'{its_out}>&-', "bash", PROGRAM, *FLAGS,
                   "--user-data-dir=" + self.profile.name, "about:blank"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, pass_fds=(its_in, its_out))
        os.close(its_in)
        os.close(its_out)
        self.read, self.number, self.session = b"", 0, None
        self.said, self.loads = [], 0
        target = self.call("Target.createTarget",
                           url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.call("Log.enable")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        os.close(self.out)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.into)
        self.log.close()
        for _ in range(20):
            # Its children may still be writing as they go.
            try:
                self.profile.cleanup()
                return
            except OSError:
                time.sleep(0.1)

    def _message(self, deadline):
        while b"\0" not in self.read:
            left = max(0, deadline - time.monotonic())
            readable, _, _ = select.select([self.into], [], [], left)
            got = os.read(self.into, 1 << 20) if readable else b""
            if not got:
                self.log.seek(0)
                raise AssertionError("Chromium does not answer; it said:\n" +
                                     self.log.read()[-2000:])
            self.read += got
        text, _, self.read = self.read.partition(b"\0")
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self.out, left):]
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _note(self, event):
        """What the page complains of, and that it is there."""
        self.loads += event.get("method") == "Page.loadEventFired"
        if event.get("method") == "Runtime.exceptionThrown":
            details = event["params"]["exceptionDetails"]
            self.said.append(details.get("exception", details).get(
                "description", details["text"]))
        elif event.get("method") == "Log.entryAdded":
            self.said.append(event["params"]["entry"]["text"])

    def show(self, width, height, scheme="light"):
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        before, deadline = self.loads, time.monotonic() + SECONDS
        self.call("Page.navigate", url=url)
        while self.loads == before:
            self._note(self._message(deadline))

    def ask(self, expression):
        """What JavaScript says it is."""
        answer = self.call("Runtime.evaluate", expression=expression,
                           returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: "
                                 f"{answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression):
        deadline = time.monotonic() + SECONDS
        while not self.ask(expression):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {SECONDS} s: {expression}")
            time.sleep(0.05)

    def screenshot(self, path):
        """Of the whole page, as long as it is."""
        answer = self.call("Page.captureScreenshot", format="png",
                           captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))
