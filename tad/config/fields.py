"""How one setting is declared."""

from dataclasses import field


def setting(default, doc, minimum=None, maximum=None, choices=None, odd=False, needs=None):
    """A field with its explanation and the values it may take.

    :param needs: the switch beside it without which it has no effect: the name of a bool, or ``name=choice``.
    """
    return field(default=default, metadata={"doc": doc, "min": minimum, "max": maximum, "choices": choices, "odd": odd,
                                            "needs": needs})


def has_effect(record, needs):
    """Whether a settings record has the switch as ``needs`` says; None asks for nothing."""
    if needs is None:
        return True
    name, _, choice = needs.partition("=")
    return getattr(record, name) == (choice or True)
