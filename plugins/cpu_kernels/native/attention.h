// Attention over sequences that lie end to end: one call, its tasks, and the functions that run a task.
#pragma once

#include <cstdint>

namespace cenote {

// Tensors are [tokens, heads, size] with the last dimension contiguous; steps are in elements.
struct AttentionCall {
    const void *query, *key, *value;
    void* out;                 // [tokens, heads, value_size], contiguous
    const float* sinks;        // [heads], or null
    const int64_t* starts;     // [sequences + 1], first row of each sequence
    const int64_t* keys;       // [sequences], leading rows of each that are attended to
    int64_t query_row, query_head, key_row, key_head, value_row, value_head;
    int64_t sequences, heads, key_heads, size, value_size;
    int64_t window;            // tokens see |i - j| < window; 0 is no window
    float scale, softcap;      // scale > 0; softcap 0 is none
    int32_t causal, dtype;
};

// Rows [first, last) of one sequence, of the query heads of some key heads.
struct AttentionTask {
    int32_t sequence, key_head, key_heads;
    int64_t first, last, cost;
};

// One set of instructions: bytes that a thread needs, given the longest task, and the function that runs a task.
struct AttentionEngine {
    int64_t (*bytes)(const AttentionCall&, int64_t rows, int64_t keys);
    void (*run)(const AttentionCall&, const AttentionTask&, char* space);
    void (*enter)(); // once per thread before its tasks, or null
    void (*leave)();
};

// Each returns null where the object was compiled for another architecture.
const AttentionEngine* attention_avx2(int dtype);
const AttentionEngine* attention_avx512(int dtype);
const AttentionEngine* attention_bf16();
const AttentionEngine* attention_amx();

} // namespace cenote
