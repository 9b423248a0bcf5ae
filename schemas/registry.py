"""The schema registry: what a schema id means, and that no change of a schema breaks a reader or a writer.

A thin client of the Confluent-compatible interface (Apicurio's or any other): four calls, each kept once it has been
answered. A subject is a record's full name, so one topic holds several record types, and each evolves by itself under
FULL_TRANSITIVE: every version reads what every other wrote. The registry's own default is no check at all, hence the
level is set per subject, before anything is registered under it where the registry lets us.

Whether a record is read or put aside hangs on what a schema id means, so an answer about ids is taken from the registry
alone: that there is no such id it says in its own words, which a proxy before it doesn't know, and it isn't believed
for long, for ids are given on. Where there is no answer the id is asked for again for a while, and then it is an error.
"""

import base64
import http.client
import json
import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from schemas.declarations import avro_schemas
from streams.errors import RekindleError
from streams.settings import Settings

COMPATIBILITY = "FULL_TRANSITIVE"
_NOT_FOUND = 404
_NOT_ADMITTED = (401, 403)
_CONFLICT = 409
_PASSING = (429, 500, 502, 503, 504)
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_UNKNOWN_MAX = 10_000
UNKNOWN_SECONDS = 10.0
"""So long an id that the registry doesn't know is not asked for again."""
PATIENCE_SECONDS = 30.0
"""So long a registry that is away is asked for an id again; a worker's watchdog has more patience."""
_AGAIN_SECONDS = 0.5


logger = logging.getLogger(__name__)


class UnknownSchemaError(RekindleError):
    """The registry has no such schema."""


class SchemaSource(Protocol):
    """What the codec needs of a registry."""

    def id_of(self, subject: str) -> int:
        """Look up the id of our schema of a subject; raises `UnknownSchemaError` if it isn't registered."""
        ...

    def schema(self, schema_id: int) -> Mapping[str, Any]:
        """Look up the record schema that an id stands for; raises `UnknownSchemaError` if there is none."""
        ...


class CommittedSchemas:
    """The committed schemas under numbers of their own: for benchmarks and tools that read no one else's records."""

    def __init__(self) -> None:
        self._ids = {subject: number for number, subject in enumerate(avro_schemas(), 1)}
        self._schemas = dict(zip(self._ids.values(), avro_schemas().values(), strict=True))

    def add(self, schema: Mapping[str, Any]) -> int:
        """Add a writer's schema; its id."""
        number = len(self._schemas) + 1
        self._schemas[number] = schema
        return number

    def id_of(self, subject: str) -> int:
        """Look up the number of a subject."""
        try:
            return self._ids[subject]
        except KeyError:
            raise UnknownSchemaError(f"schema {subject} is none of ours") from None

    def schema(self, schema_id: int) -> Mapping[str, Any]:
        """Look up the schema that a number stands for."""
        try:
            return self._schemas[schema_id]
        except KeyError:
            raise UnknownSchemaError(f"schema id {schema_id} is unknown") from None


class _AwayError(RekindleError):
    """Nobody answers, or not the registry; in a while it may."""


class _HungUpError(_AwayError):
    """It took the connection and ended it without an answer."""


class _RefusedError(RekindleError):
    """The registry answered with an error."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Registry:
    """A client of one schema registry; safe to share among threads. Every call raises `RekindleError` if it is down."""

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        ca_location: str | None = None,
        timeout_s: float = 10,
        patience_s: float = PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._tls = _tls(ca_location) if self._url.startswith("https:") else None
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._monotonic = monotonic
        self._sleep = sleep
        self._headers = {"Accept": f"{_CONTENT_TYPE}, application/json", "Content-Type": _CONTENT_TYPE}
        self._credentials: str | None = None
        if username is not None:
            self._credentials = base64.b64encode(f"{username}:{password or ''}".encode()).decode()
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}
        self._schemas: dict[int, Mapping[str, Any]] = {}
        self._unknown: dict[int, tuple[float, str]] = {}  # until when, and why

    @classmethod
    def from_settings(cls, settings: Settings) -> "Registry":
        """Make the client that the settings describe."""
        return cls(
            settings.schema_registry_url,
            username=settings.schema_registry_username,
            password=settings.schema_registry_password,
            ca_location=settings.schema_registry_ssl_ca_location,
        )

    def register_all(self) -> dict[str, int]:
        """Register every schema of the project; ids by subject. Registering again changes nothing.

        Raises `RekindleError` for a change that breaks a reader or a writer of an earlier version.
        """
        return {subject: self.register(subject, schema) for subject, schema in avro_schemas().items()}

    def register(self, subject: str, schema: Mapping[str, Any]) -> int:
        """Register one schema under a subject that checks compatibility; its id."""
        set_before = self._set_compatibility(subject)
        try:
            answer = self._call("POST", f"/subjects/{quote(subject)}/versions?normalize=true", _body(schema))
        except _RefusedError as error:
            if error.status == _CONFLICT:
                raise RekindleError(
                    f"schema {subject}: incompatible with an earlier version ({COMPATIBILITY}); {error}"
                ) from None
            raise
        if not set_before and not self._set_compatibility(subject):
            raise RekindleError(f"schema {subject}: the registry doesn't take the level {COMPATIBILITY}")
        found: int = answer["id"]
        with self._lock:
            self._ids[subject] = found
            self._unknown.pop(found, None)
        return found

    def _set_compatibility(self, subject: str) -> bool:
        try:
            self._call("PUT", f"/config/{quote(subject)}", {"compatibility": COMPATIBILITY})
        except _RefusedError as error:
            if error.status == _NOT_FOUND:  # a registry that wants the subject first
                return False
            raise
        return True

    def id_of(self, subject: str) -> int:
        """Look up the id of our schema of a subject; raises `UnknownSchemaError` if it isn't registered."""
        with self._lock:
            found = self._ids.get(subject)
        if found is not None:
            return found
        try:
            answer = self._call("POST", f"/subjects/{quote(subject)}?normalize=true", _body(avro_schemas()[subject]))
        except _RefusedError as error:
            if error.status == _NOT_FOUND:
                raise UnknownSchemaError(
                    f"schema {subject} is not registered at {self._url}: run `rekindle topics create`"
                ) from None
            raise
        with self._lock:
            self._ids[subject] = answer["id"]
        return int(answer["id"])

    def schema(self, schema_id: int) -> Mapping[str, Any]:
        """Look up the record schema that an id stands for; a known id is asked for once, others now and then.

        Raises `UnknownSchemaError` for an id that the registry doesn't know, or that is no Avro record. Waits for a
        registry that is away, and raises `RekindleError` if it stays away.
        """
        with self._lock:
            if schema_id in self._schemas:
                return self._schemas[schema_id]
            until, unknown = self._unknown.get(schema_id, (0.0, ""))
        if self._monotonic() < until:
            raise UnknownSchemaError(unknown)
        try:
            found = self._fetch_patiently(schema_id)
        except UnknownSchemaError as error:
            with self._lock:
                if len(self._unknown) >= _UNKNOWN_MAX:
                    self._unknown.clear()
                self._unknown[schema_id] = (self._monotonic() + UNKNOWN_SECONDS, str(error))
            raise
        with self._lock:
            self._schemas[schema_id] = found
        return found

    def _fetch_patiently(self, schema_id: int) -> Mapping[str, Any]:
        deadline = self._monotonic() + self._patience_s
        warned = False
        while True:
            try:
                return self._fetch(schema_id)
            except _AwayError as error:
                if self._monotonic() >= deadline:
                    raise
                if not warned:
                    logger.warning("schema id %d is waited for, %g s at most: %s", schema_id, self._patience_s, error)
                warned = True
                self._sleep(_AGAIN_SECONDS)

    def _fetch(self, schema_id: int) -> Mapping[str, Any]:
        path = f"/schemas/ids/{schema_id}"
        try:
            answer = self._call("GET", path)
        except _RefusedError as error:
            if error.status == _NOT_FOUND:
                raise UnknownSchemaError(f"schema id {schema_id} is unknown to the registry") from None
            raise
        text = answer.get("schema") if isinstance(answer, dict) else None
        if not isinstance(text, str):  # another's answer, which says nothing of the id
            raise _AwayError(
                f"schema registry {self._url} answers {path} with 200 and no schema (REKINDLE_SCHEMA_REGISTRY_URL)"
            )
        try:
            schema = json.loads(text)
        except (ValueError, RecursionError):
            raise UnknownSchemaError(f"schema id {schema_id} is no Avro schema") from None
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise UnknownSchemaError(f"schema id {schema_id} is no Avro record")
        return schema

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._ask(method, path, body)
        except _HungUpError:  # a registry with much to do lets go of whom it has just taken; all calls may be repeated
            return self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, headers=self._headers, method=method)  # noqa: S310 - the address is a setting
        if self._credentials is not None:  # which aren't for whoever an answer leads to
            request.add_unredirected_header("Authorization", f"Basic {self._credentials}")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s, context=self._tls) as answer:  # noqa: S310 - as above
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                own_words = _message(error)
                message = f"schema registry {self._url} answers {path} with {error.code} {own_words or error.reason}"
                if error.code in _NOT_ADMITTED:
                    message += " (REKINDLE_SCHEMA_REGISTRY_USERNAME and REKINDLE_SCHEMA_REGISTRY_PASSWORD)"
                if error.code in _PASSING or (error.code == _NOT_FOUND and own_words is None):
                    raise _AwayError(message) from None
                raise _RefusedError(message, error.code) from None
        except (OSError, ValueError, http.client.HTTPException) as error:  # HTTPException: an answer that is cut off
            reason = getattr(error, "reason", None) or error
            trust = isinstance(reason, ssl.SSLCertVerificationError)
            setting = "REKINDLE_SCHEMA_REGISTRY_SSL_CA_LOCATION" if trust else "REKINDLE_SCHEMA_REGISTRY_URL"
            hung_up = isinstance(reason, http.client.RemoteDisconnected)
            kind = RekindleError if trust else _HungUpError if hung_up else _AwayError
            raise kind(f"schema registry {self._url} doesn't answer: {reason} ({setting})") from None


def _tls(ca_location: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_location)
    except OSError as error:
        name = "REKINDLE_SCHEMA_REGISTRY_SSL_CA_LOCATION"
        raise RekindleError(f"{name}={ca_location}: no certificates can be read there: {error}") from None


def _body(schema: Mapping[str, Any]) -> dict[str, str]:
    return {"schema": json.dumps(schema), "schemaType": "AVRO"}


def _message(error: urllib.error.HTTPError) -> str | None:
    """Return the registry's own words, None if it isn't the registry that speaks."""
    try:
        answer = json.load(error)
        return str(answer["message"]) if "error_code" in answer else None
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None
