# SPDX-License-Identifier: Apache-2.0
"""The Python packages of client/, over the libprefixcache of this build.

Imported before them.  Skips the test where the build has no library.  Under
AddressSanitizer the library needs its runtime in the process from the start,
so that the test starts over with it; leaks are then not looked for, as those
of the interpreter would be found.  ThreadSanitizer's runtime does not start in
an interpreter that was built without it: skipped.
"""
import os
import re
import subprocess
import sys

MARK = "PREFIXCACHE_TEST_PRELOADED"
HERE = os.path.dirname(os.path.abspath(__file__))


def skip(why):
    print(why)
    sys.exit(77)


def library():
    path = os.environ.get("PREFIXCACHE_LIBRARY")
    if not path or not os.path.exists(path):
        skip(f"PREFIXCACHE_LIBRARY names no library: {path}")
    return path


def runtime(path):
    """Where the linker finds the sanitizer's runtime of a library."""
    said = subprocess.run(["ldd", path], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    found = re.search(r"libasan\S* => (\S+)", said)
    return found and found[1]


def start_over(preload):
    options = os.environ.get("ASAN_OPTIONS", "")
    os.environ.update({MARK: options, "LD_PRELOAD": preload,
                       "PYTHONMALLOC": "malloc",
                       "ASAN_OPTIONS": options + ":detect_leaks=0"})
    os.execv(sys.executable, [sys.executable] + sys.argv)


def prepare():
    path = library()
    sanitizer = os.environ.get("PREFIXCACHE_SANITIZER", "")
    if "thread" in sanitizer:
        skip("ThreadSanitizer does not start in this interpreter")
    if MARK in os.environ:
        # What is started from here is as it was.
        os.environ["ASAN_OPTIONS"] = os.environ.pop(MARK)
        del os.environ["LD_PRELOAD"], os.environ["PYTHONMALLOC"]
    elif "address" in sanitizer:
        preload = runtime(path)
        if preload is None:
            skip(f"{path} has no runtime of AddressSanitizer that is shared")
        start_over(preload)
    client = os.path.join(HERE, "..", "..", "client")
    sys.path[:0] = [os.path.join(client, "python"),
                    os.path.join(client, "lmcache")]


prepare()
