"""Messages about names that do not exist, with the one that was probably meant."""

import difflib
from collections.abc import Iterable, Mapping


def unknown_name(what: str, value: object, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return a message of one line about an unknown name.

    Args:
        what: what is named, for example "compression".
        value: what the user said.
        known: the names that exist, in the order in which they are listed.
        aliases: other words for some of them, in lower case, which are suggestions only and are never accepted.
    """
    names, aliases = list(known), aliases or {}
    word = str(value).lower()
    close = difflib.get_close_matches(word, [*names, *aliases], n=1)
    meant = aliases.get(close[0], close[0]) if close else None
    question = f" (did you mean {meant}?)" if meant is not None else ""
    return f"unknown {what} {value!r}{question}; choose from {', '.join(names)}"
