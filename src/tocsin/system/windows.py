"""Windows: paths and descriptors go in, what the Win32 API makes of them leaves. Seen under Wine only.

Python's own `open` denies others to rename or remove a file as long as it is open; files of the spool are opened by
CreateFileW instead, which shares them. Locks are LockFileEx's: each belongs to its handle and ends with it.
"""

# mypy: disable-error-code="unreachable"
from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

if sys.platform != "win32":
    raise ImportError("for Windows only")

import msvcrt
from ctypes import wintypes

__all__ = [
    "HAS_MODES",
    "NOFOLLOW",
    "NONBLOCK",
    "allocate",
    "close_locked",
    "file_system",
    "is_in_place",
    "is_locked",
    "is_read_only",
    "is_removable",
    "is_removed",
    "let_faults_through",
    "lock",
    "make_folder",
    "open_file",
    "remove",
    "set_mode",
    "sync_data",
    "user_id",
    "write_at",
    "write_promptly",
]

HAS_MODES: Final = False  # of permission bits there is only "read-only"; who may do what is in access lists
NOFOLLOW: Final = 1 << 30  # none of the C library's flags; open_file translates it
NONBLOCK: Final = 0

_GENERIC_READ, _GENERIC_WRITE, _DELETE, _APPEND = 0x80000000, 0x40000000, 0x00010000, 0x00000004
_SHARE_ALL: Final = 0x7  # others may read, write, and rename or remove
_CREATE_NEW, _OPEN_EXISTING, _OPEN_ALWAYS = 1, 3, 4
_NORMAL, _REPARSE_POINT_ITSELF, _IS_REPARSE_POINT = 0x80, 0x00200000, 0x400
_NO_HANDLE: Final = ctypes.c_void_p(-1).value
_LOCK_AT_ONCE, _LOCK_EXCLUSIVE = 1, 2
_FILE_NOT_FOUND, _PATH_NOT_FOUND, _ACCESS_DENIED, _LOCK_VIOLATION, _IO_PENDING = 2, 3, 5, 33, 997
_ALREADY_EXISTS: Final = 183
_STANDARD_INFO: Final = 1
_REMOTE_DRIVE: Final = 4
_READ_ONLY_VOLUME: Final = 0x00080000

# Two bytes far behind any content, so that people can read what a locked file says of its holder. A holder has both.
# Who wants to hold tries the first, who only looks tries the second: a look never keeps anybody from holding.
_HELD_AT: Final = 1 << 62
_SEEN_AT: Final = _HELD_AT + 1
_LOOKS: Final = 50  # a look takes microseconds; so often a holder waits a millisecond for others' to end
_LOOK_S: Final = 0.001
_REMOVAL_PAUSES_S: Final = (0.001, 0.005, 0.025, 0.1)  # a virus scanner or a listing holds a file for moments

# The folder's owner, the system and administrators, for the folder and all in it; nothing is inherited from above.
_PRIVATE: Final = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


class _StandardInfo(ctypes.Structure):
    _fields_ = (
        ("allocated", ctypes.c_int64),
        ("size", ctypes.c_int64),
        ("links", wintypes.DWORD),
        ("is_going", ctypes.c_ubyte),
        ("is_folder", ctypes.c_ubyte),
    )


class _SecurityAttributes(ctypes.Structure):
    _fields_ = (("length", wintypes.DWORD), ("descriptor", ctypes.c_void_p), ("is_inherited", wintypes.BOOL))


def _function(dll: Any, name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(dll, name)
    function.restype, function.argtypes = result, arguments
    return function


# Instances of our own: the prototypes set on `ctypes.windll` are everybody's.
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_D, _H, _P, _W = wintypes.DWORD, wintypes.HANDLE, ctypes.c_void_p, wintypes.LPCWSTR
_create_file = _function(_kernel32, "CreateFileW", _P, _W, _D, _D, _P, _D, _D, _H)
_close_handle = _function(_kernel32, "CloseHandle", wintypes.BOOL, _H)
_lock_file = _function(_kernel32, "LockFileEx", wintypes.BOOL, _H, _D, _D, _D, _D, ctypes.POINTER(_Overlapped))
_unlock_file = _function(_kernel32, "UnlockFileEx", wintypes.BOOL, _H, _D, _D, _D, ctypes.POINTER(_Overlapped))
_write_file = _function(
    _kernel32, "WriteFile", wintypes.BOOL, _H, _P, _D, ctypes.POINTER(wintypes.DWORD), ctypes.POINTER(_Overlapped)
)
_information = _function(_kernel32, "GetFileInformationByHandleEx", wintypes.BOOL, _H, ctypes.c_int, _P, _D)
_create_directory = _function(_kernel32, "CreateDirectoryW", wintypes.BOOL, _W, _P)
_local_free = _function(_kernel32, "LocalFree", _P, _P)
_drive_type = _function(_kernel32, "GetDriveTypeW", wintypes.UINT, _W)
_volume = _function(_kernel32, "GetVolumeInformationW", wintypes.BOOL, _W, _P, _D, _P, _P, _P, _P, _D)
_volume_path = _function(_kernel32, "GetVolumePathNameW", wintypes.BOOL, _W, wintypes.LPWSTR, _D)
_descriptor_of = _function(
    _advapi32, "ConvertStringSecurityDescriptorToSecurityDescriptorW", wintypes.BOOL, _W, _D, ctypes.POINTER(_P), _P
)


def _fault(path: str | os.PathLike[str] | None = None) -> OSError:
    code = ctypes.get_last_error()
    return OSError(0, ctypes.FormatError(code), None if path is None else os.fspath(path), code)


# -- files -------------------------------------------------------------------------------------------------


def open_file(path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
    """Return a descriptor that no program started from here inherits. Others may rename and remove the file.

    ``flags`` are O_RDWR, O_WRONLY, O_APPEND, O_CREAT, O_EXCL and NOFOLLOW; never translates newlines.
    """
    if flags & os.O_RDWR:
        access = _GENERIC_READ | _GENERIC_WRITE
    elif flags & os.O_WRONLY:
        access = _APPEND if flags & os.O_APPEND else _GENERIC_WRITE  # with this right alone, the kernel appends
    else:
        access = _GENERIC_READ
    creation = _OPEN_EXISTING
    if flags & os.O_CREAT:
        creation = _CREATE_NEW if flags & os.O_EXCL else _OPEN_ALWAYS
    handle = _opened(path, access, creation, is_followed=not flags & NOFOLLOW)
    fd = msvcrt.open_osfhandle(handle, (flags & (os.O_APPEND | os.O_RDWR | os.O_WRONLY)) | os.O_NOINHERIT)
    if flags & NOFOLLOW and getattr(os.fstat(fd), "st_file_attributes", 0) & _IS_REPARSE_POINT:
        os.close(fd)
        raise OSError(0, "is a link", os.fspath(path), _ACCESS_DENIED)
    return fd


def _opened(path: str | os.PathLike[str], access: int, creation: int, *, is_followed: bool = True) -> int:
    attributes = _NORMAL if is_followed else _NORMAL | _REPARSE_POINT_ITSELF
    handle = _create_file(os.fspath(path), access, _SHARE_ALL, None, creation, attributes, None)
    if handle is None or handle == _NO_HANDLE:
        raise _fault(path)
    return int(handle)


def make_folder(path: Path) -> None:
    """Create a folder for this user, administrators and the system; one that is there stays as it is.

    Not by mkdir's mode, which means that only from Python 3.12.4 on.
    """
    descriptor = ctypes.c_void_p()
    if not _descriptor_of(_PRIVATE, 1, ctypes.byref(descriptor), None):
        raise _fault(path)
    try:
        attributes = _SecurityAttributes(ctypes.sizeof(_SecurityAttributes), descriptor, False)
        is_made = _create_directory(os.fspath(path), ctypes.byref(attributes))
        if not is_made and not (ctypes.get_last_error() == _ALREADY_EXISTS and path.is_dir()):
            raise _fault(path)
    finally:
        _local_free(descriptor)


def allocate(fd: int, size: int) -> None:
    """Give a new file its size, with the space on the disk."""
    os.lseek(fd, 0, os.SEEK_SET)
    if os.write(fd, bytes(size)) != size:
        raise OSError(28, "No space left on device")


def write_at(fd: int, data: bytes | memoryview, offset: int) -> int:
    """Write at ``offset``; return how many bytes were taken. One call, so that no other thread's position gets in."""
    if isinstance(data, memoryview) and not data.readonly:
        bytes_ = (ctypes.c_char * data.nbytes).from_buffer(data)  # the very memory, not what was in it
    else:
        bytes_ = (ctypes.c_char * len(bytes(data))).from_buffer_copy(bytes(data))
    place = _Overlapped(offset=offset & 0xFFFFFFFF, offset_high=offset >> 32)
    written = wintypes.DWORD()
    if not _write_file(msvcrt.get_osfhandle(fd), bytes_, len(bytes_), ctypes.byref(written), ctypes.byref(place)):
        raise _fault()
    return written.value


def write_promptly(fd: int, data: bytes) -> int:
    """Return -1: nothing tells whether a pipe has room, and a console is written to in its own way."""
    return -1


def sync_data(fd: int) -> None:
    """Force a file's data to the disk."""
    os.fsync(fd)


def set_mode(fd: int, mode: int) -> None:
    """Do nothing: a file has the access list of its folder."""


def remove(path: Path) -> None:
    """Remove a file; one that is gone already is fine. Waits a moment for whoever has it open unshared."""
    for pause_s in _REMOVAL_PAUSES_S:
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            time.sleep(pause_s)
        else:
            return
    path.unlink(missing_ok=True)


def is_removable(path: Path) -> bool:
    """Tell whether others leave this file free to be removed: nobody has it open unshared."""
    try:
        _close_handle(_opened(path, _DELETE, _OPEN_EXISTING))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def is_in_place(fd: int, path: Path) -> bool:
    """Tell whether the path still names the open file."""
    try:
        other = open_file(path, os.O_RDONLY)
    except OSError as fault:
        # Denied: it is being removed, and gone when its last user closes it. Else somebody has it for a moment.
        return fault.winerror not in (_FILE_NOT_FOUND, _PATH_NOT_FOUND, _ACCESS_DENIED)
    try:
        ours, theirs = os.fstat(fd), os.fstat(other)
        # Under Wine an open file that was renamed has no volume any more.
        is_one_volume = ours.st_dev == theirs.st_dev or not (ours.st_dev and theirs.st_dev)
        return ours.st_ino == theirs.st_ino and is_one_volume
    finally:
        os.close(other)


def is_removed(fd: int) -> bool:
    """Tell whether somebody has removed an open file; Windows may let it stand until it is closed."""
    found = _StandardInfo()
    handle = msvcrt.get_osfhandle(fd)
    if not _information(handle, _STANDARD_INFO, ctypes.byref(found), ctypes.sizeof(found)):
        return False
    return bool(found.is_going) or found.links == 0


def is_read_only(path: Path) -> bool:
    """Tell whether the path lies on a disk that is read-only."""
    flags = wintypes.DWORD()
    if not _volume(_root(path), None, 0, None, None, ctypes.byref(flags), None, 0):
        return False
    return bool(flags.value & _READ_ONLY_VOLUME)


def file_system(path: Path) -> str:
    """Return "network drive" where the path is on one; "" else."""
    return "network drive" if _drive_type(_root(path)) == _REMOTE_DRIVE else ""


def _root(path: Path) -> str:
    """Return where the volume below a path is mounted, ending in a backslash."""
    buffer = ctypes.create_unicode_buffer(1024)
    if _volume_path(os.fspath(path.absolute()), buffer, len(buffer)):
        return buffer.value
    return path.absolute().anchor


# -- locks -------------------------------------------------------------------------------------------------


def lock(fd: int) -> bool:
    """Lock an open file for this descriptor; return False where another one has it. Raises OSError."""
    handle = msvcrt.get_osfhandle(fd)
    if not _lock_byte(handle, _HELD_AT, _LOCK_EXCLUSIVE):
        return False
    for _ in range(_LOOKS):
        if _lock_byte(handle, _SEEN_AT, _LOCK_EXCLUSIVE):
            return True
        time.sleep(_LOOK_S)
    _unlock_byte(handle, _HELD_AT)
    return False


def close_locked(fd: int) -> None:
    """Close a file that was locked here, and with it give the lock up."""
    handle = msvcrt.get_osfhandle(fd)
    for offset in (_SEEN_AT, _HELD_AT):  # Windows gives up what a closed handle held when it gets round to it
        _unlock_byte(handle, offset)
    os.close(fd)


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock on ``path``; keeps nobody from taking it, creates nothing."""
    try:
        fd = open_file(path, os.O_RDONLY | NOFOLLOW)
    except OSError:
        return False
    try:
        handle = msvcrt.get_osfhandle(fd)
        if not _lock_byte(handle, _SEEN_AT, 0):
            return True
        _unlock_byte(handle, _SEEN_AT)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _at(offset: int) -> _Overlapped:
    return _Overlapped(None, None, offset & 0xFFFFFFFF, offset >> 32, None)


def _lock_byte(handle: int, offset: int, exclusive: int) -> bool:
    if _lock_file(handle, _LOCK_AT_ONCE | exclusive, 0, 1, 0, ctypes.byref(_at(offset))):
        return True
    if ctypes.get_last_error() in (_LOCK_VIOLATION, _IO_PENDING):
        return False
    raise _fault()


def _unlock_byte(handle: int, offset: int) -> None:
    _unlock_file(handle, 0, 1, 0, ctypes.byref(_at(offset)))


# -- signals -----------------------------------------------------------------------------------------------


def let_faults_through() -> None:
    """Do nothing: there is no blocking of faults."""


# -- users -------------------------------------------------------------------------------------------------


def user_id() -> int:
    """Return 0, which is the owner that Python's stat tells of every file here."""
    return 0
