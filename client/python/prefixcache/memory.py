# SPDX-License-Identifier: Apache-2.0
"""The bytes of somebody's buffer: where they are and how many."""
from __future__ import annotations

import ctypes
from ctypes import byref, c_int, c_ssize_t, c_void_p, py_object

_WRITABLE = 1  # PyBUF_WRITABLE; 0 is PyBUF_SIMPLE, bytes without a gap


class _View(ctypes.Structure):
    """Py_buffer, which is a part of CPython's stable ABI."""
    _fields_ = [("buf", c_void_p), ("obj", c_void_p), ("len", c_ssize_t),
                ("itemsize", c_ssize_t), ("readonly", c_int), ("ndim", c_int),
                ("format", c_void_p), ("shape", c_void_p),
                ("strides", c_void_p), ("suboffsets", c_void_p),
                ("internal", c_void_p)]


_get = ctypes.pythonapi.PyObject_GetBuffer
_get.restype, _get.argtypes = c_int, [py_object, c_void_p, c_int]
_release = ctypes.pythonapi.PyBuffer_Release
_release.restype, _release.argtypes = None, [c_void_p]


class Memory:
    """Holds a buffer until release(), so that it can neither go nor move.

    Any object with the buffer protocol does, of any format, if its bytes
    follow each other; a read-only one too unless it is to be written to (which
    ctypes' from_buffer() would refuse in either case).  BufferError, or
    TypeError for an object without buffer.
    """
    __slots__ = ("address", "size", "_view")

    def __init__(self, owner: object, *, writable: bool):
        self._view = None
        view = _View()
        _get(owner, byref(view), _WRITABLE if writable else 0)
        self._view = view
        self.address = view.buf
        self.size = view.len

    def release(self) -> None:
        """Lets the buffer go; the address is not to be used any more."""
        view, self._view = self._view, None
        if view is not None:
            _release(byref(view))

    def __del__(self) -> None:
        self.release()
