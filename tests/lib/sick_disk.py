# SPDX-License-Identifier: Apache-2.0
"""Block devices and filesystems that fail when they are told to: loop devices
over files, ext4 in them, and a control group that makes them slow.  Root only;
what this machine does not allow is a skip that says why.

    disk = Disk(directory, 64 << 20)    disk.path is a block device
    disk.cut(at)                        reads behind it end with EIO
    disk.mend()                         ... and now they do not
    disk.forbid_writes()                EPERM
    disk.limit(size)                    writes behind it end with ENOSPC

    filesystem = Filesystem(disk, directory)    filesystem.directory is on it
    filesystem.abort()                  EROFS for who has a file open
    filesystem.shut_down()              EIO for everything, for good

    slow = Slow(disk)                   a control group
    slow.add(pid)
    slow.limit(read=1 << 20)            bytes a second
"""
import fcntl
import os
import struct
import subprocess
import unittest

LOOP_SET_STATUS64, LOOP_GET_STATUS64, LOOP_INFO_SIZE = 0x4C04, 0x4C05, 232
LOOP_SIZE_LIMIT_AT = 32
EXT4_IOC_SHUTDOWN, SHUTDOWN_NO_LOG_FLUSH = 0x8004587D, 2
GROUPS = "/sys/fs/cgroup/blkio"


def run(*command):
    """Its output; a skip where this machine does not do that."""
    try:
        result = subprocess.run(command, capture_output=True, text=True,
                                timeout=60, check=False)
    except FileNotFoundError:
        raise unittest.SkipTest(f"{command[0]} is missing") from None
    if result.returncode != 0:
        raise unittest.SkipTest(f"{' '.join(command)}: "
                                f"{result.stderr.strip()}")
    return result.stdout.strip()


def try_to(*command):
    subprocess.run(command, capture_output=True, check=False)


def refusal():
    """Why there can be no sick disks here, or None."""
    if os.geteuid() != 0:
        return "not root, and so no loop devices"
    if not os.path.exists("/dev/loop-control"):
        return "no loop devices"
    return None


class Disk:
    def __init__(self, directory, size):
        self.image = os.path.join(directory, "disk.img")
        self.path = None
        with open(self.image, "wb") as file:
            file.truncate(size)
        self.size, self.saved = size, None
        self.path = run("losetup", "--find", "--show", self.image)

    def close(self):
        """Also one that is still in use goes when that ends."""
        if self.path:
            try_to("blockdev", "--setrw", self.path)  # the next user's too
            try_to("losetup", "--detach", self.path)
        self.path = None

    def number(self):
        seen = os.stat(self.path).st_rdev
        return f"{os.major(seen)}:{os.minor(seen)}"

    # The device stays as large as it was, and nothing is behind it.

    def cut(self, at):
        with open(self.image, "r+b") as file:
            self.saved = file.read()
            file.truncate(at)

    def mend(self):
        """As it was before the cut."""
        with open(self.image, "r+b") as file:
            file.write(self.saved)
        self.saved = None

    def forbid_writes(self):
        run("blockdev", "--setro", self.path)

    def allow_writes(self):
        run("blockdev", "--setrw", self.path)

    def limit(self, size):
        """The device ends there; 0: where it ended at first."""
        info = bytearray(LOOP_INFO_SIZE)
        with open(self.path, "rb") as device:
            fcntl.ioctl(device, LOOP_GET_STATUS64, info)
            struct.pack_into("<Q", info, LOOP_SIZE_LIMIT_AT, size)
            fcntl.ioctl(device, LOOP_SET_STATUS64, info)

    # What lies where, past whoever has it open.

    def find(self, content):
        """Where it is on the disk, whose writer has passed the cache by."""
        with open(self.image, "rb") as file:
            return file.read().find(content)

    def flip(self, at):
        with open(self.image, "r+b") as file:
            file.seek(at)
            byte, = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 0x10]))


class Filesystem:
    MAKE = {"ext4": ("mkfs.ext4", "-q", "-m", "0"),
            # Which knows what it has written: a changed block ends with EIO.
            "btrfs": ("mkfs.btrfs", "-q", "-m", "single", "-d", "single")}

    def __init__(self, disk, directory, kind="ext4"):
        self.disk, self.directory = disk, directory
        run(*self.MAKE[kind], disk.path)
        run("mount", disk.path, directory)
        self.is_mounted = True

    def close(self):
        if self.is_mounted:
            try_to("umount", "--lazy", self.directory)
        self.is_mounted = False

    def leave(self):
        """Gone from the tree of files, though somebody is in it."""
        run("umount", "--lazy", self.directory)
        self.is_mounted = False

    def remount(self, meanwhile):
        """Nobody may be in it; what was cached is read again."""
        run("umount", self.directory)
        self.is_mounted = False
        meanwhile()
        run("mount", self.disk.path, self.directory)
        self.is_mounted = True

    def abort(self):
        run("mount", "-o", "remount,abort", self.directory)

    def shut_down(self):
        top = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.ioctl(top, EXT4_IOC_SHUTDOWN,
                        struct.pack("I", SHUTDOWN_NO_LOG_FLUSH))
        finally:
            os.close(top)

    def free_bytes(self):
        seen = os.statvfs(self.directory)
        return seen.f_bavail * seen.f_frsize


class Slow:
    def __init__(self, disk):
        self.disk = disk
        self.group = f"{GROUPS}/prefixcache.{os.getpid()}"
        if not os.path.exists(f"{GROUPS}/blkio.throttle.read_bps_device"):
            raise unittest.SkipTest("no control group v1 of block devices")
        try:
            os.makedirs(self.group, exist_ok=True)
        except OSError as error:
            raise unittest.SkipTest(f"{self.group}: {error}") from None

    def close(self):
        """Its processes go back, and what waited goes on."""
        self.limit()
        with open(f"{self.group}/cgroup.procs") as file:
            pids = file.read().split()
        for pid in pids:
            self._write(f"{GROUPS}/cgroup.procs", pid)
        os.rmdir(self.group)

    def add(self, pid):
        self._write(f"{self.group}/cgroup.procs", str(pid))

    def limit(self, read=0, write=0):
        """Bytes a second; 0: as fast as it is."""
        for what, rate in ("read", read), ("write", write):
            self._write(f"{self.group}/blkio.throttle.{what}_bps_device",
                        f"{self.disk.number()} {rate}")

    @staticmethod
    def _write(path, text):
        with open(path, "w") as file:
            file.write(text)
