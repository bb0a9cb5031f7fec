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
    close = closest(str(value).lower(), [*names, *aliases])
    meant = aliases.get(close, close) if close is not None else None
    question = f"; did you mean {meant}?" if meant is not None else ""
    return f"unknown {what} {value!r}; choose from {', '.join(names)}{question}"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a word, or None if none is similar."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)
