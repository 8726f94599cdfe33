"""How one setting is declared."""

from dataclasses import field


def setting(default, doc, minimum=None, maximum=None, choices=None, odd=False):
    """A field with its explanation and the values it may take."""
    return field(default=default, metadata={"doc": doc, "min": minimum, "max": maximum, "choices": choices, "odd": odd})
