"""Messages about unknown names, with a suggestion."""

import difflib
from collections.abc import Iterable, Mapping


def unknown_name(what: str, value: object, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return a message of one line about an unknown name.

    Args:
        what: what the name stands for, such as "compression".
        value: the unknown name.
        known: the valid names, in the order in which the message lists them.
        aliases: other words for some valid names, in lower case. They only lead to suggestions and
            are never accepted.
    """
    names, aliases = list(known), aliases or {}
    word = str(value).lower()
    close = difflib.get_close_matches(word, [*names, *aliases], n=1)
    meant = aliases.get(close[0], close[0]) if close else None
    question = f"; did you mean {meant}?" if meant is not None else ""
    return f"unknown {what} {value!r}; choose from {', '.join(names)}{question}"
