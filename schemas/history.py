"""The versions of every schema that were ever committed, so that a change which breaks one is refused by a test.

`history/<record>.json` lists the versions of a record, oldest first, without docs. After a compatible change of an
Avro file, `python -m schemas.history` appends the new version; it refuses an incompatible one. Versions are never
removed: records that were written with them are still in the log.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.compatibility import fully_compatible
from schemas.declarations import FOLDER, avro_schemas
from streams.errors import RekindleError

HISTORY = FOLDER / "history"


def essence(schema: Any) -> Any:
    """Reduce a schema to what a version is about: everything but its docs, and which fields are personal."""
    if isinstance(schema, Mapping):
        told = {"doc": str, "personal": bool}
        return {key: essence(value) for key, value in schema.items() if not isinstance(value, told.get(key, ()))}
    if isinstance(schema, list):
        return [essence(each) for each in schema]
    return schema


def committed_versions(record: str, folder: Path = HISTORY) -> list[Any]:
    """Read the committed versions of a record, oldest first."""
    path = folder / f"{record}.json"
    if not path.exists():
        return []
    versions: list[Any] = json.loads(path.read_text(encoding="utf-8"))
    return versions


def breaks(schema: Mapping[str, Any], versions: list[Any]) -> list[str]:
    """Say how a schema breaks with any of the versions, in either direction."""
    return [
        f"version {number}: {problem}"
        for number, version in enumerate(versions, 1)
        for problem in fully_compatible(schema, version)
    ]


def append_versions(schemas: Mapping[str, Mapping[str, Any]], folder: Path = HISTORY) -> list[str]:
    """Append what has changed; the names of the records. Raises `RekindleError` for an incompatible change."""
    changed = []
    for record, schema in schemas.items():
        versions = committed_versions(record, folder)
        if versions and versions[-1] == essence(schema):
            continue
        problems = breaks(schema, versions)
        if problems:
            raise RekindleError(f"{record} breaks with what was written: {'; '.join(problems)}")
        changed.append((record, [*versions, essence(schema)]))
    for record, versions in changed:
        lines = ",\n".join(json.dumps(version) for version in versions)
        (folder / f"{record}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return [record for record, _ in changed]


def main() -> None:
    """Append what has changed and say so."""
    try:
        changed = append_versions(avro_schemas())
    except RekindleError as error:
        sys.exit(str(error))
    for record in changed:
        sys.stdout.write(f"{record}\n")


if __name__ == "__main__":
    main()
