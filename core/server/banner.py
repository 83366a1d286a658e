"""What the server says once it is ready."""

from __future__ import annotations

import ipaddress
import json
import shlex
import socket
from collections.abc import Sequence

from pydantic_core import PydanticSerializationError, to_jsonable_python

from cenote.config.server import ServerConfig
from cenote.server.models import ServedModel
from cenote.server.state import ServerState

__all__ = ["address_warning", "ready_text", "routes_warning", "server_url"]

#: Characters of a body that a command of the banner has room for.
_LONGEST_EXAMPLE = 400


def server_url(config: ServerConfig, sockets: Sequence[socket.socket]) -> str:
    """Return a URL that reaches the server from its own machine; `http://localhost` for a Unix socket."""
    scheme = "http" if config.ssl_certfile is None else "https"
    if config.uds is not None:
        return f"{scheme}://localhost"
    host = config.host or "127.0.0.1"
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    port = sockets[0].getsockname()[1]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def ready_text(state: ServerState, sockets: Sequence[socket.socket], *, examples: bool) -> str:
    """Return the banner: what is served, where, and with `examples` three commands to try."""
    url = server_url(state.config, sockets)
    lines = ["", f"cenote is ready at {url}" + (f" ({state.config.uds})" if state.config.uds else "")]
    for model in state.models:
        lines += _describe(model)
    lines.append("  stop      Ctrl+C")
    if examples:
        lines += ["", "Try:", *_examples(next(iter(state.models)), state.config, url)]
    return "\n".join(lines) + "\n"


def address_warning(config: ServerConfig) -> str | None:
    """Return a warning where everybody who reaches the machine may use the server, else None."""
    if config.api_keys or config.uds is not None or _is_loopback(config.host):
        return None
    where = "every interface" if config.host is None else config.host
    return f"Listening on {where} without an API key: set --api-key, or --host 127.0.0.1 for this machine only."


def routes_warning(config: ServerConfig) -> str | None:
    """Return a warning where a key is asked for, but routes of plugins may answer without it, else None."""
    if not (config.api_keys and config.route_sets) or config.guarded_routes == "all":
        return None
    return (
        f"Of the routes of {', '.join(config.route_sets)}, those outside of /v1/ and /v2/ answer without an API key: "
        "--guarded-routes vllm guards nothing else. Leave it out to guard them all."
    )


def _describe(model: ServedModel) -> list[str]:
    engine, limits = model.engine, model.engine.limits
    report, length = engine.report(), f"at most {limits.max_tokens} tokens per input"
    if limits.num_labels:
        labels = report.get("labels", str(limits.num_labels))
        facts = [f"  labels    {labels}; {report.get('activation', '')}".rstrip("; "), f"  length    {length}"]
    else:
        pooling = report.get("pooling", "see the log")
        facts = [f"  pooling   {pooling}", f"  size      {limits.embedding_size} components, {length}"]
    named = ", ".join(f"{name} (default)" if n == 0 else name for n, name in enumerate(engine.io_processors))
    return [
        f"  model     {', '.join(model.aliases)}",
        f"  tasks     {', '.join(engine.supported_tasks)} (default: {engine.default_task})",
        *facts,
        *([f"  data      IO processors: {named}"] if named else []),
        f"  runs on   {report.get('device', 'cpu')}, {report.get('execution', 'packed')}",
    ]


def _examples(model: ServedModel, config: ServerConfig, url: str) -> list[str]:
    curl = _curl(config)
    data = _data_example(model, f"{curl} {url}/pooling -H 'Content-Type: application/json' -d")
    if "embed" not in model.engine.supported_tasks:
        post = f"{curl} {url}/pooling -H 'Content-Type: application/json' -d"
        return [f"  {curl} {url}/v1/models", f"""  {post} '{{"input": "What is a cenote?"}}'""", *data]
    post = f"{curl} {url}/v1/embeddings -H 'Content-Type: application/json' -d"
    two = f'{{"model": "{model.name}", "input": ["a sinkhole", "a well"], "encoding_format": "base64"}}'
    return [f"  {curl} {url}/v1/models", f"""  {post} '{{"input": "What is a cenote?"}}'""", f"  {post} '{two}'", *data]


def _curl(config: ServerConfig) -> str:
    curl = "curl -s"
    if config.ssl_certfile is not None:
        curl += " --insecure"  # the certificate is hardly for an address of this machine
    if config.uds is not None:
        curl += f" --unix-socket {shlex.quote(config.uds)}"
    if config.api_keys:
        curl += ' -H "Authorization: Bearer $CENOTE_API_KEY"'
    return curl


def _data_example(model: ServedModel, post: str) -> list[str]:
    """Return a command for the model's IO processor, where it has an example that fits a line."""
    examples = model.engine.processor().examples if model.engine.io_processors else ()
    try:
        body = json.dumps({"data": to_jsonable_python(examples[0])}, ensure_ascii=False) if examples else ""
    except PydanticSerializationError:
        return []
    return [f"  {post} {shlex.quote(body)}"] if 0 < len(body) <= _LONGEST_EXAMPLE else []


def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
