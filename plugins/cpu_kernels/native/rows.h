// Operators on rows, each compiled once per set of instructions; rows.cpp chooses between them.
#pragma once

#include <cstdint>

#include "isa.h"

namespace cenote {

// Rows of float32 or bfloat16 numbers, each in one piece, `step` numbers from one to the next.
struct Rows {
    const void* from;
    int64_t step;
    int type;
};

struct NormCall {
    int threads;
    int64_t count, width;
    Rows rows, residual;       // residual.from may be null
    const float *weight, *bias; // either may be null
    float eps;
    bool layer;        // subtract the mean; else the root of the mean square alone
    bool carries_norm; // what is carried on is the normalised sum
    void* normed;      // in normed_type; the same memory as carried where that is what both hold
    int normed_type;
    float* carried;
};

struct ActivationCall {
    int threads;
    int64_t count, width; // width of the result
    Rows rows;            // 2 width columns where gated
    const float* bias;    // as many as columns, or null
    int activation;
    bool gated;
    void* out; // in the type of the rows
};

struct RotaryCall {
    int threads;
    int64_t count, heads, size, turned; // tokens, heads of each, components of a head, those that are rotated
    Rows rows;                          // tokens
    int64_t head_step;
    const float *cosines, *sines; // [count, turned]
    bool interleaved;
    void* out; // [count, heads, size] in the type of the rows
};

enum Reduction : int { kSum = 0, kMean = 1, kMax = 2 };

struct PoolCall {
    int threads;
    int64_t count, width;
    Rows rows;
    const int64_t* ends; // count + 1 places where segments begin and end
    int reduction;
    bool normalize;
    float* out; // [count, width]
};

struct NormalizeCall {
    int threads;
    int64_t count, width;
    Rows rows;
    float* out; // [count, width]
};

#define CENOTE_ROWS(space)                     \
    namespace space {                          \
    void residual_norm(const NormCall& call);  \
    void bias_act(const ActivationCall& call); \
    void rotary(const RotaryCall& call);       \
    void segment_pool(const PoolCall& call);   \
    void l2_normalize(const NormalizeCall& call); \
    }
CENOTE_ROWS(rows_avx2)
CENOTE_ROWS(rows_avx512)
#undef CENOTE_ROWS

} // namespace cenote
