"""Chat templates of the published tokenizers: the same strings around the same messages, in short Jinja."""

from __future__ import annotations

__all__ = ["INTERNLM2", "LLAMA3", "QWEN", "QWEN_MATH", "QWEN_RERANKER", "ZERANK"]


def _chatml(system: str) -> str:
    """Qwen's turns, with a system turn in front where the conversation has none."""
    return (
        "{%- if messages[0].role != 'system' -%}"
        "{{- '<|im_start|>system\n" + system + "<|im_end|>\n' -}}"
        "{%- endif -%}"
        "{%- for message in messages -%}"
        "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
    )


QWEN = _chatml("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")
QWEN_MATH = _chatml(r"Please reason step by step, and put your final answer within \\boxed{}.")

LLAMA3 = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}{%- endif -%}"
)

INTERNLM2 = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- else -%}{{- '<|reward|>' -}}{%- endif -%}"
)

#: Qwen3-Reranker as sentence-transformers scores it: the instruction is a message of the role `system`.
QWEN_RERANKER = (
    "{%- set task = messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first"
    " | default('Given a web search query, retrieve relevant passages that answer the query', true) -%}"
    "{%- set query = messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first -%}"
    "{%- set document = messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first -%}"
    "{{- '<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n\' -}}'
    "{{- '<Instruct>: ' + task + '\n<Query>: ' + query + '\n<Document>: ' + document -}}"
    "{{- '<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n' -}}"
)

#: zerank: the query is the system turn, the document the user's, and the answer begins.
ZERANK = (
    "{%- set query = messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first -%}"
    "{%- set document = messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first -%}"
    "{{- '<|im_start|>system\n' + query + '<|im_end|>\n<|im_start|>user\n' + document -}}"
    "{{- '<|im_end|>\n<|im_start|>assistant\n' -}}"
)
