"""Text for people: names of any origin shown as they are in one line, text in several lines, counts."""

import re

# Without an image of their own: marks of direction, empty letters, separators, tags, and halves of a surrogate pair,
# with which Python tells the bytes of file names that are no Unicode.
_INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    r"\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Format characters join letters of some scripts and images of some symbols; between those they are no trick.
_JOINED = rf"[^\x00-\x9f\u200c\u200d{_INVISIBLE}]"
_JOINERS = rf"(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"
_UNSAFE = re.compile(rf"[\x00-\x1f\x7f-\x9f{_INVISIBLE}]|{_JOINERS}")
# A stream is also written to by who draws: line ends, tabs, and the cursor and colors of a terminal (CSI sequences).
_UNSAFE_IN_A_STREAM = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f{_INVISIBLE}]|\x1b(?!\[)|{_JOINERS}")


_STARTS_OF_FORMULAS = ("=", "+", "-", "@")


class Lines(str):
    """Text in several lines that this program has laid out itself: each of them is clean, as `one_line` makes it.

    What shows text breaks lines of a `Lines` alone. Anything else, such as a sentence with the name of a file, is one
    line: a line break within it is shown as an escape, and cannot pass for a line of the program.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """Return the text itself: the text of an exception or of a log record is still known to be laid out."""
        return self


def one_line(text: str) -> str:
    r"""Return a text of any origin as one line that a terminal, a log or a page shows as it is.

    Control characters, line breaks, marks that change the direction of writing, and what is invisible or no Unicode
    become escapes, such as `\x1b`, `\n` or `\u202e`: they could recolor a terminal, retype or hide a line of it.
    """
    return _UNSAFE.sub(_escaped, text)


def lines(*parts: str) -> Lines:
    """Return text in several lines.

    Args:
        parts: one line each, of any origin; a part that is laid out already may have several.
    """
    return Lines("\n".join(part if isinstance(part, Lines) else one_line(part) for part in parts))


def paragraphs(*parts: str) -> Lines:
    """Return parts of a text with an empty line between each two; see `lines`."""
    return Lines("\n\n".join(map(lines, parts)))


def kept_lines(text: str) -> Lines:
    """Return a text of any origin in its own lines: a traceback, or what a library warns of."""
    return lines(*text.expandtabs(4).rstrip("\n").split("\n"))


def safe_in_a_stream(text: str) -> str:
    """Return what is written to a stream, drawings for a terminal among it, without what could do more than draw."""
    return _UNSAFE_IN_A_STREAM.sub(_escaped, text)


def cell(value: object) -> object:
    """Return a value as a cell of a table that spreadsheets open, not to be read back by a program.

    A text becomes one line. One that a spreadsheet would run as a formula gets an apostrophe before it; numbers stay.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(_STARTS_OF_FORMULAS) and not _is_number(text) else text


def counted(number: int, one: str, several: str | None = None) -> str:
    """Return how many there are of something, such as `1 image` and `2 images`.

    Args:
        number: how many.
        one: what a single one is called; a verb may follow, as in `run is`.
        several: what others are called; by default `one` with an s.
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def as_bytes(text: str) -> bytes:
    """Return a text of any origin as bytes, to be hashed; the names of files may hold what is no Unicode."""
    return text.encode(errors="surrogatepass")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
