"""The forms of an embedding that one pass can give together, by the names that users write."""

from __future__ import annotations

from collections.abc import Sequence

from cenote.errors import InvalidRequest, WrongType

__all__ = ["FORMS", "form_tasks"]

#: Name in `outputs=[...]` to the task that gives it.
FORMS = {"dense": "embed", "sparse": "sparse_embed", "multi": "token_embed"}


def form_tasks(outputs: Sequence[str], param: str = "outputs") -> tuple[str, ...]:
    """Return the tasks of the forms asked for, in that order.

    Raises:
        WrongType: it is no list of names.
        InvalidRequest: the list is empty, or has an unknown or repeated name.
    """
    known = ", ".join(FORMS)
    if isinstance(outputs, str) or not isinstance(outputs, Sequence) or not all(isinstance(x, str) for x in outputs):
        raise WrongType(f"{param} must be a list of names ({known}), not {outputs!r:.80}.", param=param)
    if not outputs:
        raise InvalidRequest(f"{param} is an empty list; name one or more of {known}.", param=param)
    for name in outputs:
        if name not in FORMS:
            raise InvalidRequest(f"{param} has no {name!r:.80}; known: {known}.", param=param)
    if len(set(outputs)) < len(outputs):
        raise InvalidRequest(f"{param} names a form twice.", param=param)
    return tuple(FORMS[name] for name in outputs)
