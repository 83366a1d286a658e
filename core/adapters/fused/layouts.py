"""Where the parts of a layer are in transformers' classes, family by family."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LAYOUTS", "Layout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The names of the parts of a layer, as paths inside it. A layer fits where it has these parts and no others.

    Attributes:
        title: name for people.
        layers: path of the list of layers in the base model.
        attention: the module that calls the attention function.
        qkv: products that give queries, keys and values, in this order; or the one that gives all three.
        out: the product after attention.
        up: the products into the feed-forward part: one, or a gate and what it multiplies.
        activation: of the first of them.
        gated: one product gives both, the gate in the first half of its columns.
        down: the product out of the feed-forward part.
        norms: of the attention and of the feed-forward part. After the residual sum where `is_post_norm`, else before.
        outputs: norms of what the two parts give, before the residual sum; or none.
        heads: norms of each head of queries and of keys; or none.
        final: path in the base model of the norm after the last layer; empty where there is none.
        is_post_norm: the layers normalise the residual sum itself.
    """

    title: str
    layers: str
    attention: str
    qkv: tuple[str, ...]
    out: str
    up: tuple[str, ...]
    activation: str
    down: str
    norms: tuple[str, str]
    gated: bool = False
    outputs: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    final: str = ""
    is_post_norm: bool = False

    @property
    def parts(self) -> frozenset[str]:
        """Return the paths of all parts."""
        single = (self.out, self.activation, self.down)
        return frozenset((*self.qkv, *self.up, *self.norms, *self.outputs, *self.heads, *single))


_PROJECTIONS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_GATE = ("mlp.gate_proj", "mlp.up_proj")
_HEADS = ("self_attn.q_norm", "self_attn.k_norm")


def _decoder(title: str, *, heads: tuple[str, ...] = (), sandwich: bool = False) -> Layout:
    """Return the layout of Llama and its kin."""
    after, before = "post_attention_layernorm", "pre_feedforward_layernorm"
    return Layout(
        title=title,
        layers="layers",
        attention="self_attn",
        qkv=_PROJECTIONS,
        out="self_attn.o_proj",
        up=_GATE,
        activation="mlp.act_fn",
        down="mlp.down_proj",
        norms=("input_layernorm", before if sandwich else after),
        outputs=(after, "post_feedforward_layernorm") if sandwich else (),
        heads=heads,
        final="norm",
    )


LAYOUTS = (
    Layout(
        title="BERT",
        layers="encoder.layer",
        attention="attention.self",
        qkv=("attention.self.query", "attention.self.key", "attention.self.value"),
        out="attention.output.dense",
        up=("intermediate.dense",),
        activation="intermediate.intermediate_act_fn",
        down="output.dense",
        norms=("attention.output.LayerNorm", "output.LayerNorm"),
        is_post_norm=True,
    ),
    Layout(
        title="DistilBERT",
        layers="transformer.layer",
        attention="attention",
        qkv=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        out="attention.out_lin",
        up=("ffn.lin1",),
        activation="ffn.activation",
        down="ffn.lin2",
        norms=("sa_layer_norm", "output_layer_norm"),
        is_post_norm=True,
    ),
    Layout(
        title="ModernBERT",
        layers="layers",
        attention="attn",
        qkv=("attn.Wqkv",),
        out="attn.Wo",
        up=("mlp.Wi",),
        activation="mlp.act",
        gated=True,
        down="mlp.Wo",
        norms=("attn_norm", "mlp_norm"),
        final="final_norm",
    ),
    Layout(
        title="GTE",
        layers="layers",
        attention="self_attn",
        qkv=_PROJECTIONS,
        out="self_attn.o_proj",
        up=_GATE,
        activation="mlp.act_fn",
        down="mlp.down_proj",
        norms=("post_attention_layernorm", "post_mlp_layernorm"),
        is_post_norm=True,
    ),
    Layout(
        title="jina-embeddings-v3",
        layers="layers",
        attention="self_attn",
        qkv=_PROJECTIONS,
        out="self_attn.o_proj",
        up=("mlp.fc1",),
        activation="mlp.activation_fn",
        down="mlp.fc2",
        norms=("post_attention_layernorm", "post_mlp_layernorm"),
        is_post_norm=True,
    ),
    _decoder("Llama"),
    _decoder("Qwen3", heads=_HEADS),
    _decoder("Gemma 2", sandwich=True),
    _decoder("Gemma 3", heads=_HEADS, sandwich=True),
)
