"""Signs for outputs that know few: a minus where there is no minus sign.

What stands here are signs of ours and of the libraries that write for us. Letters, which may be of a file's name, are
never replaced by others: that would be the name of another file.
"""

import codecs

_PLAIN = {
    **dict.fromkeys("‐‑‒–—―−─━╸╺╴╶", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("▏▎▍▌▋▊▉█", "#"),
    **dict.fromkeys("‘’‚", "'"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("\u00a0\u2009\u202f", " "),
    "±": "+/-", "×": "x", "≤": "<=", "≥": ">=", "≠": "!=", "…": "...", "†": "*", "•": "*", "→": "->",
    "↓": "v", "↑": "^",
}  # fmt: skip

# The bytes of a file's name that are no text, as Python holds them.
_BYTES = range(0xDC80, 0xDD00)

# The name under which codecs know what is done with signs that they lack.
PLAINER = "twofold.plainer"


def in_signs_of(encoding: str, text: str) -> str:
    """The text in signs that the encoding has; what it has no sign for as an escape, such as \\xff or \\u4e2d."""
    return text.encode(encoding, PLAINER).decode(encoding)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(sign: str) -> str:
    code = ord(sign)
    if code in _BYTES:
        return f"\\x{code - 0xDC00:02x}"
    return _PLAIN.get(sign, sign.encode("ascii", "backslashreplace").decode())


codecs.register_error(PLAINER, _plainer)
