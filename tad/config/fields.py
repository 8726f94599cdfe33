"""How one setting is declared."""

from dataclasses import field


def setting(default, doc, minimum=None, maximum=None, choices=None, odd=False, needs=None):
    """A field with its explanation, the values it may take, and the switch beside it without which it has no effect."""
    return field(default=default, metadata={"doc": doc, "min": minimum, "max": maximum, "choices": choices, "odd": odd,
                                            "needs": needs})
