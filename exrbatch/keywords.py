"""Refuse unknown keyword arguments with a message that names the function of the library."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from exrbatch.suggestions import closest

_P = ParamSpec("_P")
_R = TypeVar("_R")


def names_checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function raise TypeError for an unknown keyword, with the closest known one.

    Without this, the message would name an inner function, because the functions of the library
    pass keyword arguments on.
    """
    parameters = inspect.signature(function).parameters.values()
    known = [each.name for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]
    for each in parameters:
        if each.kind is inspect.Parameter.VAR_KEYWORD:  # annotated as Unpack[a TypedDict]
            (names,) = each.annotation.__args__
            known += names.__annotations__

    @functools.wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for name in kwargs:
            if name not in known:
                close = closest(name, known)
                question = f"; did you mean {close!r}?" if close is not None else ""
                raise TypeError(f"{function.__name__}() got an unexpected keyword argument {name!r}{question}")
        return function(*args, **kwargs)

    return checked
