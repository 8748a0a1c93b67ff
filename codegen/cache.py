"""The on-disk store of generated texts and objects.

Entries live in `$SYMNUM_CACHE`, or `symnum/` in the user's cache directory, one file per entry, named by
the content hash of everything that the entry depends on. Objects are executable code, so the directory
is private to its owner (mode 0700) and one that belongs to somebody else is not used. Files are written
to a temporary name and moved into place, so several processes may share the directory; a payload digest
in front makes a truncated or damaged file a miss. Where nothing can be written symnum works without a
cache: every function here then reports a miss. Beyond $SYMNUM_CACHE_LIMIT megabytes (1024 if it is not set)
the entries that were not used for the longest time are deleted.

``python -m symnum.codegen.cache`` shows what is there, ``python -m symnum.codegen.cache clear`` deletes it.

The key of an object must include `machine.target()`: another processor or another LLVM needs other code.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from pathlib import Path

try:
    from _blake2 import blake2b  # the same function without loading OpenSSL (8 ms)
except ImportError:  # pragma: no cover - interpreters without the accelerator module
    from hashlib import blake2b

__all__ = ["clear", "digest", "directory", "entries", "fetch", "limit", "store"]

_FORMAT = b"symnum-cache-1\n"
_DIGEST_BYTES = 20
_MEGABYTE = 1 << 20
_LIMIT = 1024  # megabytes, far more than a user's models need
_OFTEN = 16  # the size is looked at whenever a process has stored this part of the limit
_STALE_SECONDS = 3600.0  # a temporary file this old was left behind by a killed process

# What may be deleted: the directory may be one that the user keeps other things in.
_NAME = r"tmp-\d+-\d+-\d+|[a-z]+-[0-9a-f]{40}"

_serial = 0
_serial_lock = threading.Lock()
_stored: dict[Path, int] = {}  # bytes since the directory was last looked through


def digest(*parts: bytes | str) -> str:
    """Hexadecimal content hash of `parts`; their boundaries count, so ("ab", "c") and ("a", "bc") differ."""
    state = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def version_of(*files: str) -> str:
    """Changes with names, sizes and times of the Python files in the folders of ``files`` and below."""
    parts = []
    for file in files:
        folders = [os.path.dirname(file)]
        while folders:  # os.scandir: many times faster than pathlib
            with os.scandir(folders.pop()) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.name.endswith(".py"):
                        status = entry.stat()
                        parts.append(f"{entry.name} {status.st_size} {status.st_mtime_ns}")
                    elif entry.is_dir() and entry.name != "__pycache__":
                        folders.append(entry.path)
    return digest(*parts)


def directory() -> Path | None:
    """The cache directory, made on first use; None where there is none that is writable and ours alone."""
    chosen = os.environ.get("SYMNUM_CACHE")
    if chosen:
        path = Path(chosen)
    else:
        base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
        try:
            path = (Path(base) if base else Path.home() / ".cache") / "symnum"
        except RuntimeError:  # no home directory
            return None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    # Others' write permission would let them plant code that we then run.
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return path


def fetch(kind: str, key: str) -> bytes | None:
    """The payload stored as `kind` under `key`, or None (never stored, damaged, or no cache)."""
    base = directory()
    if base is None:
        return None
    path = base / f"{kind}-{key}"
    try:
        data = path.read_bytes()
    except OSError:
        return None
    start = len(_FORMAT) + _DIGEST_BYTES
    payload = data[start:]
    if data[:start] != _FORMAT + blake2b(payload, digest_size=_DIGEST_BYTES).digest():
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # the time of last use, for _prune
    return payload


def store(kind: str, key: str, data: bytes) -> None:
    """Keep `data` as `kind` under `key`; does nothing where no cache can be written."""
    global _serial
    base = directory()
    if base is None:
        return
    with _serial_lock:
        _serial += 1
        temporary = base / f"tmp-{os.getpid()}-{threading.get_ident()}-{_serial}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_FORMAT + blake2b(data, digest_size=_DIGEST_BYTES).digest())
            file.write(data)
        os.replace(temporary, base / f"{kind}-{key}")
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        return
    # At a process's first entry and then seldom: listing the directory costs more than storing.
    before = _stored.get(base)
    _stored[base] = (before or 0) + len(data)
    if before is None or _stored[base] > limit() // _OFTEN:
        _stored[base] = 0
        _prune(base)


def limit() -> int:
    """Bytes beyond which old entries are deleted; a setting that is no number is not one."""
    try:
        return int(float(os.environ["SYMNUM_CACHE_LIMIT"]) * _MEGABYTE)
    except (KeyError, ValueError, OverflowError):
        return _LIMIT * _MEGABYTE


def entries(base: Path) -> list[tuple[float, int, Path]]:
    """(time of last use, bytes, file) of everything that symnum has put into a directory, oldest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in base.iterdir():
            if re.fullmatch(_NAME, path.name):
                with contextlib.suppress(OSError):  # another process may have deleted it by now
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
    return sorted(found)


def clear(base: Path) -> int:
    """Delete everything that symnum has put into a directory; returns how many files that were."""
    return sum(_deleted(path) for _, _, path in entries(base))


def _prune(base: Path) -> None:
    """Delete leftovers, and the least recently used entries until the directory is below its limit."""
    present = entries(base)
    total = sum(size for _, size, _ in present)
    for used, size, path in present:
        leftover = path.name.startswith("tmp-") and time.time() - used > _STALE_SECONDS
        if (leftover or total > limit()) and _deleted(path):
            total -= size


def _deleted(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _main(arguments: list[str]) -> int:
    if arguments not in ([], ["clear"]):
        print("usage: python -m symnum.codegen.cache [clear]", file=sys.stderr)
        return 2
    base = directory()
    if base is None:
        print("no cache: its directory cannot be made or is not private; name another in SYMNUM_CACHE")
        return 1
    if arguments:
        print(f"{base}: {clear(base)} files deleted")
        return 0
    present = entries(base)
    size = sum(size for _, size, _ in present) / _MEGABYTE
    print(f"{base}: {len(present)} files, {size:.1f} MB of at most {limit() / _MEGABYTE:g} MB")
    for kind in sorted({path.name.partition("-")[0] for _, _, path in present}):
        sizes = [size for _, size, path in present if path.name.startswith(f"{kind}-")]
        print(f"  {kind:8} {len(sizes):6} files  {sum(sizes) / _MEGABYTE:8.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
