// Whole transformer layers in one call: the operators one after the other, on memory that is kept between calls.
#pragma once

#include <cstdint>

namespace cenote {

struct LayerNorm {
    const float *weight, *bias; // either may be null
    float eps;
    int32_t layer, carries_norm; // as NormCall has them
};

// normed, stream = norms[0](out(attend(rotate(qkv(normed)))), stream); then norms[1](down(widen(normed)), stream).
struct Layer {
    const void *qkv, *out, *up, *down; // what cenote_linear_prepare gave
    LayerNorm norms[2];
    const float* sinks; // or null
    int64_t heads, key_heads, size;
    int64_t window;       // 0 is none
    float scale, softcap; // softcap 0 is none
    int32_t causal;
    int32_t activation; // of Activation
    int32_t gated;
    int32_t rotary; // which angles; below 0 none
};

// Cosines and sines [tokens, turned].
struct Angles {
    const float *cosines, *sines;
    int64_t turned;
};

struct LayersCall {
    const Layer* layers;
    int64_t count, tokens, width; // count is set to the layers that ran
    const void* normed;   // [tokens, width] of dtype, what enters the first layer
    const float* stream;  // [tokens, width]
    float* result;        // [tokens, width], the stream that leaves the last layer
    void* following;      // [tokens, width] of dtype, the normed values that leave it, where others may follow; or null
    // Null, or a number that another thread may change: once it is not 0, the layer under way is the last one, but no
    // fewer than `least` run.
    const int32_t* interrupt;
    int64_t least;
    const int64_t *starts, *keys; // as AttentionCall has them
    int64_t sequences;
    const Angles* angles;
    int32_t dtype, level, threads;
};

} // namespace cenote
