"""Where things stand in the structures of XLA's foreign function interface (xla/ffi/api/c_api.h), in bytes.

The header comes with jaxlib. Before anything is compiled the places below are looked for in it: where they stand
elsewhere, or cannot be found, our operations are not used.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# In the call frame.
EXTENSION, ARGUMENTS, RESULT_COUNT, RESULTS = 8, 72, 96, 112

# In a buffer, which is an argument or a result.
BUFFER_DATA, BUFFER_RANK, BUFFER_DIMENSIONS = 24, 32, 40

# In an extension of a call frame; that of this kind asks for the handler's version, which goes into its metadata.
EXTENSION_KIND, EXTENSION_METADATA, METADATA_VERSION = 8, 24, 24
METADATA_EXTENSION = 1

_PLACES = {
    "CallFrame.extension_start": EXTENSION,
    "CallFrame.args.args": ARGUMENTS,
    "CallFrame.rets.size": RESULT_COUNT,
    "CallFrame.rets.rets": RESULTS,
    "Buffer.data": BUFFER_DATA,
    "Buffer.rank": BUFFER_RANK,
    "Buffer.dims": BUFFER_DIMENSIONS,
    "Metadata_Extension.extension_base.type": EXTENSION_KIND,
    "Metadata_Extension.metadata": EXTENSION_METADATA,
    "Metadata.api_version.major_version": METADATA_VERSION,
    "Metadata.api_version.minor_version": METADATA_VERSION + 4,
}

_WORD = 8
_SIZES = {"*": _WORD, "size_t": _WORD, "int64_t": _WORD, "int": 4, "int32_t": 4, "uint32_t": 4}


class LayoutError(Exception):
    """The header has not what we look for, or has it elsewhere."""


def check_layout() -> None:
    """Raise `LayoutError` unless all that handlers use stands in the header of this jaxlib where they look for it."""
    header = _header()
    for path, place in _PLACES.items():
        structure, *fields = path.split(".")
        found = 0
        for field in fields:
            at, structure = _place(header, structure, field)
            found += at
        if found != place:
            raise LayoutError(f"XLA_FFI_{path} stands at byte {found}, not {place}")
    if f"XLA_FFI_Extension_Metadata = {METADATA_EXTENSION}," not in header:
        raise LayoutError("the extension that asks for metadata has another number")


def version_of_header() -> tuple[int, int]:
    """The version of the interface, major and minor. Raises `LayoutError` where there is no header, or it has none."""
    found = [re.search(rf"#define XLA_FFI_API_{part} (\d+)", _header()) for part in ("MAJOR", "MINOR")]
    if None in found:
        raise LayoutError("the header of the interface gives no version")
    return tuple(int(part[1]) for part in found)  # type: ignore[return-value,index]


@cache
def _header() -> str:
    found = find_spec("jaxlib")  # which is not imported: it takes a second
    folder = Path(found.origin).parent if found and found.origin else Path()
    file = folder / "include" / "xla" / "ffi" / "api" / "c_api.h"
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise LayoutError(f"the header of the interface, {file.name}, does not come with this jaxlib") from error
    return re.sub(r"//[^\n]*", "", text)


def _place(header: str, structure: str, wanted: str) -> tuple[int, str]:
    """Where a field of a structure stands, and its type."""
    end = 0
    for kind, name in _fields(header, structure):
        size = _size(header, kind)
        start = _rounded(end, min(size, _WORD))
        if name == wanted:
            return start, kind
        end = start + size
    raise LayoutError(f"XLA_FFI_{structure} has no `{wanted}`")


def _fields(header: str, structure: str) -> list[tuple[str, str]]:
    """The type and the name of each field; a pointer's type is "*", and others are without XLA_FFI_."""
    body = re.search(rf"struct XLA_FFI_{structure} {{([^}}]*)}}", header)
    if body is None:
        raise LayoutError(f"there is no XLA_FFI_{structure}")
    words = [declared.replace("*", " * ").split() for declared in body[1].split(";")[:-1]]
    return [(kind.removeprefix("XLA_FFI_"), name) for *_, kind, name in words]


def _size(header: str, kind: str) -> int:
    """The size of a field: a number, a pointer, an enumeration, or a structure."""
    if kind in _SIZES:
        return _SIZES[kind]
    if f"}} XLA_FFI_{kind};" in header and f"struct XLA_FFI_{kind} {{" not in header:
        return 4
    end = 0
    for inner, _ in _fields(header, kind):
        size = _size(header, inner)
        end = _rounded(end, min(size, _WORD)) + size
    return _rounded(end, _WORD)


def _rounded(end: int, unit: int) -> int:
    return -(-end // unit) * unit
