"""Make the n-th file operation fail: SQLite's own (in its VFS, by ctypes) and Python's (in `os`).

    with sqlite_faults(directory=tmp_path) as faults:  # for connections opened in here
        faults.arm(after=n, fault=Fault.EIO)
        ...
    assert faults.fired  # [("sync", "tokens.db-wal")], [("os.fsync", "tokens.key")], ...

A copy of SQLite's default VFS is the default one inside the block; its xOpen gives every file a method table
with Python callbacks. On leaving, files that are still open get their own table back: nothing calls Python
any more. Not seen: connections from before the block, `?vfs=` URIs, :memory:, reads through mmap, other
processes; and of Python `open()`, file objects (C code) and names bound earlier by `from os import ...`.

One connection used by several threads at the same time, without a lock of their own, deadlocks in here: the
callback holds SQLite's mutex and wants the GIL, the other thread the reverse. A connection each is fine.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
import functools
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from ctypes import c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import Fault, Faults, os_faults

__all__ = ["Availability", "Fault", "Faults", "available", "os_faults", "sqlite_faults"]


class _File(ctypes.Structure):
    _fields_ = (("pMethods", c_void_p),)


class _IoMethods(ctypes.Structure):
    _v1 = "xClose xRead xWrite xTruncate xSync xFileSize xLock xUnlock xCheckReservedLock xFileControl"
    _v2 = "xSectorSize xDeviceCharacteristics xShmMap xShmLock xShmBarrier xShmUnmap xFetch xUnfetch"
    _next = ("xShmMap", "xFetch")  # where versions 2 and 3 begin
    _fields_ = (("iVersion", c_int), *((name, c_void_p) for name in f"{_v1} {_v2}".split()))


class _Vfs(ctypes.Structure):
    _v1 = "pNext zName pAppData xOpen xDelete xAccess xFullPathname xDlOpen xDlError xDlSym xDlClose"
    _v2 = "xRandomness xSleep xCurrentTime xGetLastError xCurrentTimeInt64"
    _v3 = "xSetSystemCall xGetSystemCall xNextSystemCall"
    _next = ("xCurrentTimeInt64", "xSetSystemCall")
    _ints = (("iVersion", c_int), ("szOsFile", c_int), ("mxPathname", c_int))
    _fields_ = (*_ints, *((name, c_void_p) for name in f"{_v1} {_v2} {_v3}".split()))


class _Operation(NamedTuple):
    name: str
    result: int  # when it fails, unless _RESULTS knows better for the reason
    prototype: Any


def _operation(name: str, result: int, *arguments: Any) -> _Operation:
    return _Operation(name, result, ctypes.CFUNCTYPE(c_int, c_void_p, *arguments))


_FILE_OPS = {
    "xRead": _operation("read", sqlite3.SQLITE_IOERR_READ, c_void_p, c_int, c_int64),
    "xWrite": _operation("write", sqlite3.SQLITE_IOERR_WRITE, c_void_p, c_int, c_int64),
    "xTruncate": _operation("truncate", sqlite3.SQLITE_IOERR_TRUNCATE, c_int64),
    "xSync": _operation("sync", sqlite3.SQLITE_IOERR_FSYNC, c_int),
    "xFileSize": _operation("file_size", sqlite3.SQLITE_IOERR_FSTAT, c_void_p),
    "xLock": _operation("lock", sqlite3.SQLITE_IOERR_LOCK, c_int),
    "xShmMap": _operation("shm_map", sqlite3.SQLITE_IOERR_SHMMAP, c_int, c_int, c_int, c_void_p),
}
_VFS_OPS = {
    "xOpen": _operation("open", sqlite3.SQLITE_CANTOPEN, c_void_p, c_void_p, c_int, c_void_p),
    "xDelete": _operation("delete", sqlite3.SQLITE_IOERR_DELETE, c_void_p, c_int),
    "xAccess": _operation("access", sqlite3.SQLITE_IOERR_ACCESS, c_void_p, c_int, c_void_p),
}
_CLOSE = ctypes.CFUNCTYPE(c_int, c_void_p)
_RESULTS = {
    ("write", Fault.ENOSPC): sqlite3.SQLITE_FULL,
    ("write", Fault.SHORT_WRITE): sqlite3.SQLITE_FULL,
    ("write", Fault.EACCES): sqlite3.SQLITE_READONLY,
    ("shm_map", Fault.EACCES): sqlite3.SQLITE_CANTOPEN,
}


def _copy(kind: Any, address: int) -> Any:
    """A copy of as much of the struct as its iVersion says there is."""
    copy, version = kind(), c_int.from_address(address).value
    known = len(kind._next) + 1
    size = getattr(kind, kind._next[version - 1]).offset if version < known else ctypes.sizeof(kind)
    ctypes.memmove(ctypes.addressof(copy), address, size)
    copy.iVersion = min(version, known)
    return copy


def _base_name(address: int | None) -> str:
    return Path(os.fsdecode(ctypes.string_at(address))).name if address else ""


class _Shim:
    """The VFS that takes the default one's place; never freed, as connections may live until exit."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.sqlite3_vfs_find.restype = c_void_p
        self._register = library.sqlite3_vfs_register
        self._register.argtypes = (c_void_p, c_int)
        self._base: int = library.sqlite3_vfs_find(None)
        self._vfs = _copy(_Vfs, self._base)
        self._name = ctypes.create_string_buffer(b"zoho-tokenstore-faults")
        self._vfs.zName, self._vfs.pNext = ctypes.addressof(self._name), None
        self._native: dict[str, int] = {member: getattr(self._vfs, member) for member in _VFS_OPS}
        self._thunks = {member: self._vfs_thunk(member) for member in _VFS_OPS}
        self._tables: dict[int, tuple[_IoMethods, dict[str, Any]]] = {}  # by the native table's address
        self._files: dict[int, tuple[int, str]] = {}  # open files: native table, base name
        self._faults: Faults | None = None
        self._errors: list[BaseException] = []
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))

    @contextlib.contextmanager
    def installed(self, faults: Faults) -> Iterator[None]:
        if self._faults is not None:
            raise RuntimeError("sqlite_faults() does not nest")
        self._faults, self._errors = faults, []
        _point(self._vfs, self._thunks)
        self._register(ctypes.addressof(self._vfs), 1)
        try:
            yield
        finally:
            self._uninstall()
            if self._errors:
                raise self._errors[0]

    def _uninstall(self) -> None:
        self._register(self._base, 1)  # ours stays known by name: VACUUM in a connection that lives on asks
        for member, address in self._native.items():
            setattr(self._vfs, member, address)
        for file, (table, _) in self._files.items():
            _File.from_address(file).pMethods = table
        self._files.clear()
        self._faults = None

    def _guarded(self, prototype: Any, function: Callable[..., int]) -> Any:
        def guard(*arguments: Any) -> int:
            try:
                return function(*arguments)
            except BaseException as error:  # noqa: BLE001 (ctypes would go on with SQLITE_OK, even on Ctrl-C)
                self._errors.append(error)  # raised on leaving the block
                return sqlite3.SQLITE_IOERR

        return prototype(guard)

    def _call(self, operation: _Operation, name: str, native: Callable[..., int], *arguments: Any) -> int:
        fault = self._faults.strike(operation.name, name) if self._faults else None
        if fault is None:
            return native(*arguments)
        if fault is Fault.SHORT_WRITE and operation.name == "write":
            file, data, amount, offset = arguments
            native(file, data, amount // 2, offset)
        return _RESULTS.get((operation.name, fault), operation.result)

    def _vfs_thunk(self, member: str) -> Any:
        operation = _VFS_OPS[member]
        native = operation.prototype(self._native[member])

        def call(_vfs: int, name: int | None, *rest: Any) -> int:
            return self._call(operation, _base_name(name), native, self._base, name, *rest)

        def open_(vfs: int, name: int | None, file: int, *rest: Any) -> int:
            opened = _File.from_address(file)
            opened.pMethods = None  # nor must a failed xOpen leave any
            result = call(vfs, name, file, *rest)
            if opened.pMethods:
                self._files[file] = opened.pMethods, _base_name(name)
                opened.pMethods = ctypes.addressof(self._table(opened.pMethods))
            return result

        return self._guarded(operation.prototype, open_ if member == "xOpen" else call)

    def _table(self, address: int) -> _IoMethods:
        if address not in self._tables:
            table = _copy(_IoMethods, address)
            present = [member for member in _FILE_OPS if getattr(table, member)]
            thunks = {member: self._file_thunk(member, getattr(table, member)) for member in present}
            thunks["xClose"] = self._close_thunk(table.xClose)
            _point(table, thunks)
            self._tables[address] = table, thunks
        return self._tables[address][0]

    def _file_thunk(self, member: str, address: int) -> Any:
        operation = _FILE_OPS[member]
        native = operation.prototype(address)

        def call(file: int, *rest: Any) -> int:
            return self._call(operation, self._files[file][1], native, file, *rest)

        return self._guarded(operation.prototype, call)

    def _close_thunk(self, address: int) -> Any:
        native = _CLOSE(address)

        def close(file: int) -> int:
            _File.from_address(file).pMethods = self._files.pop(file)[0]
            return int(native(file))

        return self._guarded(_CLOSE, close)


def _point(struct: Any, thunks: dict[str, Any]) -> None:
    for member, thunk in thunks.items():
        setattr(struct, member, c_void_p.from_buffer(thunk).value)


class Availability(NamedTuple):
    ok: bool
    reason: str
    shim: _Shim | None = None

    def __bool__(self) -> bool:
        return self.ok


def _places() -> list[str | None]:
    """What links SQLite: the extension module (on Windows a DLL beside it), or the interpreter (None)."""
    extension = getattr(_sqlite3, "__file__", None)
    if sys.platform == "win32":
        return [str(Path(extension or sys.executable).with_name("sqlite3.dll"))]
    return [extension, None] if extension else [None]


@functools.cache
def available() -> Availability:
    """Whether this interpreter's SQLite can be reached, and where, or why not."""
    reasons = []
    for place in _places():
        try:
            shim = _Shim(ctypes.CDLL(place))
        except (OSError, AttributeError) as error:
            reasons.append(f"{place}: {error}")
            continue
        if _serves(shim):
            return Availability(
                True, f"SQLite {sqlite3.sqlite_version}, in {place or 'the interpreter'}", shim
            )
        reasons.append(f"{place}: not the SQLite that the sqlite3 module uses")
    return Availability(False, "; ".join(reasons))


def _serves(shim: _Shim) -> bool:
    faults = Faults()
    with tempfile.TemporaryDirectory() as directory, shim.installed(faults):
        sqlite3.connect(Path(directory) / "probe.db").close()
    return faults.count > 0


@contextlib.contextmanager
def sqlite_faults(directory: Path | None = None) -> Iterator[Faults]:
    """Faults for connections opened inside and, if given, for Python's operations below `directory`."""
    found = available()
    if found.shim is None:
        raise RuntimeError(f"SQLite cannot be reached: {found.reason}")
    faults = Faults()
    with contextlib.ExitStack() as stack:
        stack.enter_context(found.shim.installed(faults))
        if directory is not None:
            stack.enter_context(os_faults(directory, faults))
        yield faults
