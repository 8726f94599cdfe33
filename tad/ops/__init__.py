"""Operators that networks use at any step."""
