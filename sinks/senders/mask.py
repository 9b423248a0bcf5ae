"""Addresses as they may stand in a log: recognisable to who knows them, useless to who doesn't."""


def mask(address: str) -> str:
    """Hide most of an address.

    >>> mask("+79161234567"), mask("anna@example.com"), mask("12")
    ('+7***67', 'a***@example.com', '***')
    """
    name, at, domain = address.rpartition("@")
    if at:
        return f"{name[:1]}***@{domain}"
    return f"{address[:2]}***{address[-2:]}" if len(address) > 6 else "***"  # noqa: PLR2004 - shorter would show it all
