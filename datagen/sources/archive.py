"""Zip archives from strangers: sizes checked as declared and again while they are unpacked."""

from __future__ import annotations

import io
import zipfile

from datagen.sources.parsed import Unreadable

MOST_BYTES = 200_000_000  # unpacked, all files together
_MOST_RATIO = 200  # times the archive's size, once it is over the next number
_ALWAYS_ALLOWED = 20_000_000
_MOST_FILES = 20_000
_PIECE = 1 << 20
_OLE = b"\xd0\xcf\x11\xe0"


class Archive:
    """A zip archive whose files are read one by one, all within one budget of bytes.

    Raises:
        Unreadable: ``damaged``, ``password``, or ``too_large`` for what expands to too much.
    """

    def __init__(self, data: bytes) -> None:
        if data.startswith(_OLE):  # Office encrypts a document by wrapping it in another container
            raise Unreadable("password", "It is protected by a password, or in Office's format of before 2007.")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self._infos = self._zip.infolist()
        except Exception as error:  # zipfile raises many kinds on hostile bytes
            raise Unreadable("damaged", "It is not a complete zip archive, which files of this kind are.") from error
        self._left = max(min(MOST_BYTES, _MOST_RATIO * len(data)), min(_ALWAYS_ALLOWED, MOST_BYTES))
        if len(self._infos) > _MOST_FILES or sum(info.file_size for info in self._infos) > self._left:
            raise self._bomb()
        if any(info.flag_bits & 1 for info in self._infos):
            raise Unreadable("password", "It is an encrypted archive.")
        self.names = frozenset(info.filename for info in self._infos)

    def read(self, name: str) -> bytes:
        """The bytes of one file in the archive.

        Raises:
            KeyError: there is none of that name.
        """
        if name not in self.names:
            raise KeyError(name)
        pieces = []
        try:
            with self._zip.open(name) as file:
                while piece := file.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise self._bomb()
                    pieces.append(piece)
        except (Unreadable, MemoryError):
            raise
        except Exception as error:
            raise Unreadable("damaged", f"The part {name[:100]} of it cannot be unpacked.") from error
        return b"".join(pieces)

    def checked(self) -> io.BytesIO:
        """The same archive stored anew without compression, true to its sizes: safe to hand to a library.

        Pictures and other media are left out, as nothing reads them.
        """
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as copy:
            for name in sorted(self.names):
                if not name.endswith("/") and not _is_media(name):
                    copy.writestr(zipfile.ZipInfo(name), self.read(name))
        out.seek(0)
        return out

    def _bomb(self) -> Unreadable:
        return Unreadable(
            "too_large", f"Unpacked it is larger than the {MOST_BYTES:,} bytes or {_MOST_RATIO} times allowed."
        )


def _is_media(name: str) -> bool:
    return "/media/" in name or "/embeddings/" in name or "/fonts/" in name
