"""`python -m streams` is `rekindle`."""

from streams.cli import main

main()
