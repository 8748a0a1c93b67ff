"""The on-disk store of generated texts and objects.

Entries live in `$SYMNUM_CACHE`, or `symnum/` in the user's cache directory, one file per entry, named by
the content hash of everything that the entry depends on. Objects are executable code, so the directory
is private to its owner (mode 0700) and one that belongs to somebody else is not used. Files are written
to a temporary name and moved into place, so several processes may share the directory; a payload digest
in front makes a truncated or damaged file a miss. Where nothing can be written symnum works without a
cache: every function here then reports a miss.

The key of an object must include `machine.target()`: another processor or another LLVM needs other code.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

try:
    from _blake2 import blake2b  # the same function without loading OpenSSL (8 ms)
except ImportError:  # pragma: no cover - interpreters without the accelerator module
    from hashlib import blake2b

__all__ = ["digest", "directory", "fetch", "store"]

_FORMAT = b"symnum-cache-1\n"
_DIGEST_BYTES = 20
_SIZE_LIMIT = 1 << 29  # half a gigabyte, far more than a user's models need
_STALE_SECONDS = 3600.0  # a temporary file this old was left behind by a killed process

_serial = 0
_serial_lock = threading.Lock()
_pruned: set[Path] = set()


def digest(*parts: bytes | str) -> str:
    """Hexadecimal content hash of `parts`; their boundaries count, so ("ab", "c") and ("a", "bc") differ."""
    state = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


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
    if base not in _pruned:  # once per process and directory: listing costs more than storing
        _pruned.add(base)
        _prune(base)


def _prune(base: Path) -> None:
    """Delete the least recently used entries until the directory is below its size limit."""
    entries = []
    try:
        for path in base.iterdir():
            with contextlib.suppress(OSError):
                status = path.stat()
                if path.name.startswith("tmp-") and time.time() - status.st_mtime > _STALE_SECONDS:
                    path.unlink()
                else:
                    entries.append((status.st_mtime, status.st_size, path))
    except OSError:
        return
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= _SIZE_LIMIT:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
