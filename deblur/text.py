"""Text of any origin made safe for terminals, logs and pages; counts."""

import re

# Invisible: marks of direction, empty letters, separators, tags, and halves of a surrogate pair, which stand in Python
# for the bytes of file names that are no Unicode.
_INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    r"\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Format characters join letters of some scripts and some symbols; between those they are harmless.
_JOINED = rf"[^\x00-\x9f\u200c\u200d{_INVISIBLE}]"
_JOINERS = rf"(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"
_UNSAFE = re.compile(rf"[\x00-\x1f\x7f-\x9f{_INVISIBLE}]|{_JOINERS}")
# A stream also gets line ends, tabs, and the cursor movements and colors of a terminal (CSI sequences).
_UNSAFE_IN_A_STREAM = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f{_INVISIBLE}]|\x1b(?!\[)|{_JOINERS}")


_STARTS_OF_FORMULAS = ("=", "+", "-", "@")


class Lines(str):
    """Text in several lines that this program has laid out; each is safe, as of `one_line`.

    Only a `Lines` is shown in several lines. In other text, such as a sentence with the name of a file, a line break is
    shown as an escape: it cannot pass for a line of the program.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """Return the text itself: the text of an exception or a log record remains a `Lines`."""
        return self


def one_line(text: str) -> str:
    r"""Return a text of any origin as one safe line.

    Control characters, line breaks, marks of direction, and invisible characters or no Unicode become escapes, such as
    `\x1b`, `\n` or `\u202e`: they could recolor a terminal, overwrite or hide a line of it.
    """
    return _UNSAFE.sub(_escaped, text)


def lines(*parts: str) -> Lines:
    """Return parts of any origin as lines: one each, or those of a `Lines`."""
    return Lines("\n".join(part if isinstance(part, Lines) else one_line(part) for part in parts))


def paragraphs(*parts: str) -> Lines:
    """Return parts of a text with an empty line between them; see `lines`."""
    return Lines("\n\n".join(map(lines, parts)))


def kept_lines(text: str) -> Lines:
    """Return a text of any origin, such as a traceback, in its own lines."""
    return lines(*text.expandtabs(4).rstrip("\n").split("\n"))


def safe_in_a_stream(text: str) -> str:
    """Return output for a stream without control sequences that do more than draw on a terminal."""
    return _UNSAFE_IN_A_STREAM.sub(_escaped, text)


def cell(value: object) -> object:
    """Return a value as a cell of a table for spreadsheets, which a program does not read back.

    Text becomes one line, with an apostrophe before it if a spreadsheet would run it as a formula.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(_STARTS_OF_FORMULAS) and not _is_number(text) else text


def counted(number: int, one: str, several: str | None = None) -> str:
    """Return a count with its noun, such as `1 image` and `2 images`; the plural is by default `one` with an s."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def as_bytes(text: str) -> bytes:
    """Return a text of any origin, also a file name that is no Unicode, as bytes to hash."""
    return text.encode(errors="surrogatepass")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
