"""The extension points: what each entry-point group is for, and the interface behind it. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "ARCHITECTURES",
    "FOREIGN",
    "HOOKS",
    "POINTS",
    "SHORT_NAMES",
    "ExtensionPoint",
    "kind_of",
    "point_of",
    "short_name",
]

#: The group of specs.
ARCHITECTURES = "cenote.architectures"

#: The group whose entries are many listeners of one call; each is a module or an object.
HOOKS = "cenote"

#: Groups of other programs whose entries are listed, and what one is called. They are loaded only when named.
FOREIGN = MappingProxyType({"vllm.io_processor_plugins": "io processor (vllm)"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionPoint:
    """One entry-point group.

    Attributes:
        group: its name in the metadata of distributions.
        kind: what one entry is called in listings.
        names: what the name of an entry is.
        target: what the entry points at, in words.
        interface: `package.module:attribute` of the class, protocol or function type that the target has.
        check: `package.module:function` that raises TypeError or ValueError unless it is given a usable target.
        loaded: when the target is imported.
        unique: whether a name belongs to one distribution. Where it does not, several may offer it and all count.
    """

    group: str
    kind: str
    names: str
    target: str
    interface: str
    check: str
    loaded: str
    unique: bool = True

    @property
    def short_name(self) -> str:
        """The group as lists of plugins and settings name it: `poolers`, and `hooks` for the group `cenote`."""
        return short_name(self.group)


#: All groups, in the order in which the documentation shows them.
POINTS: tuple[ExtensionPoint, ...] = (
    ExtensionPoint(
        group=ARCHITECTURES,
        kind="architecture",
        names="an architecture string of config.json, or `model_type:<x>`",
        target="a spec, which names the adapter",
        interface="cenote.registry.spec:ArchitectureSpec",
        check="cenote.registry.candidates:check_spec",
        loaded="the candidates of the one name asked for",
        unique=False,
    ),
    ExtensionPoint(
        group="cenote.convert_rules",
        kind="convert rule",
        names="any",
        target="a rule, or a tuple of them",
        interface="cenote.registry.spec:ConvertRule",
        check="cenote.registry.rules:check_rules",
        loaded="when no architecture matched",
        unique=False,
    ),
    ExtensionPoint(
        group="cenote.poolers",
        kind="pooler",
        names="a pooling method, such as MEAN",
        target="a function from the rows of one batch to one row per prompt",
        interface="cenote.poolers.methods:PoolingMethod",
        check="cenote.poolers.methods:check_method",
        loaded="by name, when a model is loaded that pools so",
    ),
    ExtensionPoint(
        group="cenote.tasks",
        kind="task",
        names="the task",
        target="its description",
        interface="cenote.tasks.base:Task",
        check="cenote.tasks.base:check_task",
        loaded="by name, when a request asks for it",
    ),
    ExtensionPoint(
        group="cenote.scorers",
        kind="scorer",
        names="a way of scoring, as in `score_type`",
        target="an object",
        interface="cenote.scoring.base:Scorer",
        check="cenote.scoring.base:check_scorer_type",
        loaded="by name, when something is scored",
    ),
    ExtensionPoint(
        group="cenote.output_codecs",
        kind="output codec",
        names="a precision of embeddings, as in `output_dtype`",
        target="an object",
        interface="cenote.outputs.codecs:OutputCodec",
        check="cenote.outputs.codecs:check_codec",
        loaded="by name, when a request asks for it",
    ),
    ExtensionPoint(
        group="cenote.media_loaders",
        kind="media loader",
        names="a scheme of addresses, such as `https`",
        target="an object",
        interface="cenote.media.base:MediaLoader",
        check="cenote.media.base:check_loader",
        loaded="by name, when such an address is to be loaded",
    ),
    ExtensionPoint(
        group="cenote.kernels",
        kind="kernel",
        names="`operator:backend`",
        target="a function",
        interface="cenote.kernels.base:Kernel",
        check="cenote.kernels.base:check_kernel",
        loaded="when dispatch asks for it",
    ),
    ExtensionPoint(
        group="cenote.io_processors",
        kind="io processor",
        names="the processor, as requests and `--io-processor-plugin` name it",
        target="a class",
        interface="cenote.io_processors.base:IOProcessor",
        check="cenote.io_processors.select:check_processor",
        loaded="when it is selected",
    ),
    ExtensionPoint(
        group="cenote.commands",
        kind="command",
        names="the command",
        target="a typer app or a function",
        interface="cenote.cli.group:Command",
        check="cenote.cli.group:check_command",
        loaded="when the command is called",
    ),
    ExtensionPoint(
        group="cenote.routes",
        kind="routes",
        names="a set of routes",
        target="a function from what the host offers to a router",
        interface="cenote.server.route_sets:RouteFactory",
        check="cenote.server.route_sets:check_factory",
        loaded="only when the operator names it",
    ),
    ExtensionPoint(
        group=HOOKS,
        kind="hooks",
        names="any; it is shown in messages",
        target="a module, or an object, with functions of the names of hooks",
        interface="cenote.hooks.spec:HOOKS",
        check="cenote.hooks.caller:check_hooks",
        loaded="by `cenote serve` and `LLM`, one by one",
        unique=False,
    ),
)

_BY_GROUP = MappingProxyType({point.group: point for point in POINTS})


def point_of(group: str) -> ExtensionPoint | None:
    """Return the extension point of a group of cenote, or None for any other group."""
    return _BY_GROUP.get(group)


def kind_of(group: str) -> str:
    """Return what one entry of a group is called in listings; an unknown group is its own name."""
    point = _BY_GROUP.get(group)
    return point.kind if point is not None else FOREIGN.get(group, group)


def short_name(group: str) -> str:
    """Return a group as lists of plugins and settings name it: without `cenote.`, and `hooks` for `cenote` itself."""
    return "hooks" if group == HOOKS else group.removeprefix("cenote.")


#: Every group in its short form, cenote's own first.
SHORT_NAMES = (*(point.short_name for point in POINTS), *FOREIGN)
