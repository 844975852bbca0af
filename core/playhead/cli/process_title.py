"""The title of the process, without what the command line has of secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playhead.text import without_password

__all__ = ["hide_secrets", "public_arguments"]

_HEADER = "--header"


def hide_secrets(arguments: Sequence[str]) -> None:
    """Replace the command line in the list of processes if it has a key or a password.

    Until then, while Python starts, everybody on this machine can read it.

    Args:
        arguments: The arguments of the command.
    """
    shown = list(public_arguments(arguments))
    if shown != list(arguments):
        from setproctitle import setproctitle

        setproctitle(" ".join(["playhead", *shown]))


def public_arguments(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments without values of headers, and without passwords in URLs."""
    is_header = False
    for argument in arguments:
        option, separator, value = argument.partition("=")
        if is_header:
            yield _name_of(argument)
        elif option == _HEADER and separator:
            yield f"{_HEADER}={_name_of(value)}"
        else:
            yield without_password(argument)
        is_header = not is_header and argument == _HEADER


def _name_of(header: str) -> str:
    name, separator, _ = header.partition("=")
    return f"{name}=…" if separator else "…"
