"""The programme: all definitions of a directory, read, checked and indexed for the engine."""
