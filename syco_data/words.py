"""Numbers with their noun, as every message, table and page writes them."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 row`, `1,200 rows`; `plural` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
