"""What changes the case of letters."""


def shouted(text: str) -> str:
    """Return it louder."""
    return text.upper()
