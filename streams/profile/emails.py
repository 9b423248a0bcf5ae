"""E-mails, checked for syntax only (contract, fine print)."""

from email_validator import EmailNotValidError, validate_email


def normalise_email(text: str) -> str | None:
    """The address with its domain in lower case; None if its syntax cannot be an address."""
    try:
        return validate_email(
            text.strip(), check_deliverability=False, allow_smtputf8=True, test_environment=True
        ).normalized
    except EmailNotValidError:
        return None
