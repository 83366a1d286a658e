"""Every option of the HTTP server. Environment variables `CENOTE_<NAME>` fill what the caller leaves unset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cenote.config.sizes import Size
from cenote.errors import InvalidRequest

__all__ = ["LOG_LEVELS", "ServerConfig"]

_SECRET = ("api_keys", "ssl_keyfile_password")
#: Whoever comes from vLLM with its variable set must not find an open server.
_KEY_NAMES = ("api_keys", "CENOTE_API_KEYS", "CENOTE_API_KEY", "VLLM_API_KEY")
LOG_LEVELS = ("critical", "error", "warning", "info", "debug")


class ServerConfig(BaseSettings):
    """Options of the HTTP server. Lists may come from the environment as JSON or separated by commas.

    Attributes:
        host: address to listen on; None is every interface.
        port: TCP port; 0 takes a free one.
        uds: path of a Unix socket, which replaces host and port.
        uds_mode: permissions of that socket in octal, such as `660`; None is what the umask leaves.
        api_keys: any of these opens every route but those of watchers; none means no authentication.
        guarded_routes: `all` but those of watchers need a key; `vllm` is only /v1 and /v2, as in that server.
        root_path: prefix under which a proxy publishes this server.
        ssl_keyfile: private key in PEM format; None is the certificate's own file.
        ssl_certfile: certificate with its chain in PEM format; turns TLS on.
        ssl_keyfile_password: password of the key; from the environment only.
        ssl_ca_certs: certificates of those who may sign clients' certificates.
        ssl_cert_reqs: certificates of clients: 0 are not asked for, 1 are checked if sent, 2 are required.
        ssl_ciphers: OpenSSL's list of ciphers, for TLS 1.2.
        enable_ssl_refresh: read these files again when they change.
        skip_model_name_validation: answer requests that name an unknown model with the first one that can.
        error_format: `nested` is `{"error": {...}}` as OpenAI's; `flat` is the older body without that level.
        disable_fastapi_docs: no /docs and /openapi.json.
        allowed_origins: origins of browsers that may call across sites; none disables it.
        allowed_methods: methods that such browsers may use.
        allowed_headers: headers that such browsers may send.
        allow_credentials: let such browsers send cookies.
        max_body_bytes: longest request body, in bytes; longer is 413.
        max_items_per_request: most inputs in one request; more is 400.
        request_timeout: seconds from the first byte of the body to the result; beyond is 408 while reading, then 504.
        h11_max_incomplete_event_size: bytes of request line and headers together; more is 431 (414: the line).
        h11_max_header_count: headers in one request; more is 431.
        header_timeout: seconds in which the request line and headers must arrive.
        timeout_keep_alive: seconds that an idle connection is kept.
        shutdown_grace: seconds that running requests get after SIGTERM or SIGINT.
        trust_request_chat_template: take `chat_template` from requests. It runs in a sandbox that bounds neither time
            nor memory: one request can occupy the server for good, so trust every client before you set this.
        accept_deprecated_fields: take `normalize`, `softmax` and `activation` as `use_activation`, with a `Warning`
            header, instead of refusing them.
        enable_server_load_tracking: accepted for compatibility; /load always counts.
        enable_runtime_lora_updating: let clients load and unload low-rank adapters; off, the routes do not exist.
        allowed_lora_paths: directories under which such an adapter must lie; none means any folder that the server
            can read.
        enable_tokenizer_info_endpoint: offer /tokenizer_info, which tells a tokenizer's settings.
        uvicorn_log_level: level of the server's log.
        disable_uvicorn_access_log: no line per request.
        disable_access_log_for_endpoints: paths without a line per request.
        enable_log_requests: one line per inference request: id, model, task, inputs and tokens; texts at level debug.
        max_log_len: characters of each text in that log.
        metrics_vllm_names: give metrics that vLLM has too also under its names, `vllm:...`.
        otlp_traces_endpoint: address of an OpenTelemetry collector (OTLP over HTTP), as `http://host:4318`; unset sends
            no traces. Needs the extra `otel`.
        routes: names of sets of routes that plugins offer (group `cenote.routes`), and of cenote's own `lora-admin` and
            `tokenizer-info`; what is not named is not loaded, installed or not.
        middleware: dotted paths of further ASGI middleware classes, or of coroutine functions (request, call_next).
    """

    model_config = SettingsConfigDict(env_prefix="CENOTE_", frozen=True, extra="forbid")

    host: str | None = None
    port: int = Field(default=8000, ge=0, le=65535)
    uds: str | None = None
    uds_mode: str | None = Field(default=None, pattern="^(0o)?[0-7]{3,4}$")
    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), repr=False, validation_alias=AliasChoices(*_KEY_NAMES)
    )
    guarded_routes: Literal["all", "vllm"] = "all"
    root_path: str = ""
    ssl_keyfile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile_password: str | None = Field(default=None, repr=False)
    ssl_ca_certs: str | None = None
    ssl_cert_reqs: int = Field(default=0, ge=0, le=2)
    ssl_ciphers: str | None = None
    enable_ssl_refresh: bool = False
    skip_model_name_validation: bool = Field(
        default=False,
        validation_alias=AliasChoices(
            "skip_model_name_validation", "CENOTE_SKIP_MODEL_NAME_VALIDATION", "VLLM_SKIP_MODEL_NAME_VALIDATION"
        ),
    )
    error_format: Literal["nested", "flat"] = "nested"
    disable_fastapi_docs: bool = False
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    allowed_methods: Annotated[tuple[str, ...], NoDecode] = ("*",)
    allowed_headers: Annotated[tuple[str, ...], NoDecode] = ("*",)
    allow_credentials: bool = False
    max_body_bytes: Size = Field(default=64 * 1024 * 1024, ge=1)
    max_items_per_request: Size = Field(default=8192, ge=1)
    request_timeout: float = Field(default=600.0, gt=0)
    # The contract's default is 4 MiB, but only a request line and its headers are ever incomplete events.
    h11_max_incomplete_event_size: Size = Field(default=64 * 1024, ge=1024)
    h11_max_header_count: int = Field(default=256, ge=1)
    header_timeout: float = Field(default=30.0, gt=0)
    timeout_keep_alive: int = Field(default=5, ge=0)
    shutdown_grace: float = Field(default=10.0, ge=0)
    trust_request_chat_template: bool = False
    accept_deprecated_fields: bool = False
    enable_tokenizer_info_endpoint: bool = False
    enable_server_load_tracking: bool = True
    enable_runtime_lora_updating: bool = Field(
        default=False,
        validation_alias=AliasChoices(
            "enable_runtime_lora_updating",
            "CENOTE_ENABLE_RUNTIME_LORA_UPDATING",
            "CENOTE_ALLOW_RUNTIME_LORA_UPDATING",
        ),
    )
    allowed_lora_paths: Annotated[tuple[str, ...], NoDecode] = ()
    uvicorn_log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"
    disable_uvicorn_access_log: bool = False
    disable_access_log_for_endpoints: Annotated[tuple[str, ...], NoDecode] = ()
    enable_log_requests: bool = False
    max_log_len: Size = Field(default=200, ge=0)
    metrics_vllm_names: bool = False
    otlp_traces_endpoint: str | None = None
    routes: Annotated[tuple[str, ...], NoDecode] = ()
    middleware: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("api_keys", mode="before")
    @classmethod
    def _read_keys(cls, value: Any) -> Any:
        """Drop empty entries: an empty key must not open anything."""
        keys = _parse_list(value) if isinstance(value, str) else value
        return _without_blanks(keys) if isinstance(keys, (list, tuple)) else keys

    @field_validator(
        "allowed_origins",
        "allowed_methods",
        "allowed_headers",
        "allowed_lora_paths",
        "disable_access_log_for_endpoints",
        "routes",
        "middleware",
        mode="before",
    )
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        """Read one text or several, each a JSON list or words separated by commas."""
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            return value
        parts = [_parse_list(item) if isinstance(item, str) else [item] for item in items]
        return _without_blanks([part for parsed in parts for part in parsed])

    @field_validator("root_path", mode="after")
    @classmethod
    def _slashes(cls, value: str) -> str:
        stripped = value.strip("/")
        return f"/{stripped}" if stripped else ""

    @property
    def route_sets(self) -> tuple[str, ...]:
        """Return the names of all sets of routes that are asked for, by `routes` or by an option of their own."""
        asked = {"tokenizer-info": self.enable_tokenizer_info_endpoint, "lora-admin": self.enable_runtime_lora_updating}
        return tuple(dict.fromkeys((*self.routes, *(name for name, is_on in asked.items() if is_on))))

    @classmethod
    def from_options(cls, **options: Any) -> Self:
        """Build from keyword arguments (and the environment), with errors that a person can act on.

        Raises:
            InvalidRequest: an option is unknown, or its value does not fit.
        """
        try:
            return cls(**options)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            given = "" if where in _SECRET else f" (given: {first['input']!r})"
            raise InvalidRequest(f"{where}: {first['msg']}{given}", param=where) from exc


def _without_blanks(items: Sequence[Any]) -> tuple[Any, ...]:
    stripped = (item.strip() if isinstance(item, str) else item for item in items)
    return tuple(item for item in stripped if item != "")


def _parse_list(text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        try:
            parsed = json.loads(text)
        except json.JSONDecodeError as exc:
            raise ValueError(f"neither a JSON list nor words separated by commas: {exc.msg}") from exc
        if isinstance(parsed, list):
            return parsed
    return text.split(",")
