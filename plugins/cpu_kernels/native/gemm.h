// Products with a fixed weight: what the files of `linear` share. Panels of the weight are 32 columns wide.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.h"

namespace cenote {
namespace gemm {

constexpr long kPanel = 32;     // columns of the result that one panel of the weight gives
constexpr long kTileBytes = 1024; // 16 rows of 64 bytes

enum Kind : int {
    kBf16 = 0,   // one bfloat16 product
    kSplit6 = 1, // float32 as three bfloat16 parts a side, six products: about float32's own precision
    kSplit3 = 2, // float32 as two bfloat16 parts a side, three products: about 16 bits
    kInt8 = 3,   // 8 bits a side, weight scaled by output channel, rows by row, from a zero of their own
    kFloats = 4, // float32 as it is
};

// The weight [out, in] in the order in which it is read: panel, step of 64 bytes along `in`, part, two tiles of 16
// columns; a tile has 16 rows, each with 4 bytes of every column. `out` and `in` are filled up with zeros.
struct Packed {
    int kind, level;    // of Kind; the Level whose instructions multiply
    long out, in;
    long panels, steps; // of 32 columns, of 64 bytes along `in`
    long parts;         // bfloat16 numbers that make up one weight
    char* tiles;
    float* bias;  // [panels * 32], zeros where there is none
    float* scale; // [panels * 32], of int8 weights
    int32_t* total;  // [panels * 32], of int8 weights: their sum over `in`
    float* floats;   // [panels][in][32], the weight as it came; null where it is not kept so

    long step_bytes() const { return parts * 2 * kTileBytes; }
    const char* panel(long index) const { return tiles + index * steps * step_bytes(); }
};

// How a row was brought to bytes: a number is `scale` times what its byte is above `zero`.
struct RowScale {
    float scale;
    int32_t zero;
};

struct Call {
    const Packed* weight;
    const void* rows; // [m, in], neighbours within a row
    long m, stride;   // stride in numbers
    int dtype;        // of rows and result
    void* result;     // [m, out], end to end
    int activation;
    int threads;
};

// Memory of the calling thread, at 64 bytes, kept for its next call; null where there is none.
char* scratch(size_t bytes);

// Polynomials of 32 intervals of |x|: relu(x) minus the activation, which is even in x. [degree 0..3][interval].
struct Evens {
    float degree[4][32];
};
constexpr float kEvensWidth = 0.1875f; // of an interval; the last one, from 5.7, is zero
const Evens& evens_of_gelu();
const Evens& evens_of_gelu_tanh();

// The part of the result that one thread computes: rows [first, last), panels [left, right).
struct Share {
    long first, last, left, right;
};
Share share_of(long m, long panels, int thread, int threads);

// Few rows wait for the weight to come from memory: as float32 it is two thirds of its three parts (about as fast at 64).
// What proves products at load (`products.py` of the fused layers) has more rows, and chunks of joined layers have, too.
constexpr long kFewRows = 42;
constexpr long kMostFloats = 1 << 20; // numbers of a weight that is kept as float32 besides

// Each returns false where a thread has no memory.
bool run_bf16(const Call& call); // this and the next two on AMX
bool run_split(const Call& call);
bool run_int8(const Call& call);
bool run_floats(const Call& call);
bool run_bf16_vectors(const Call& call);
bool run_int8_vectors(const Call& call);

} // namespace gemm
} // namespace cenote

// Lay out a weight [out, in] of a DType, with a bias [out] of float32 or none, for the instructions of a Level: at least
// kVnni for kInt8, kBf16Vnni for kBf16, kAvx512 for kFloats, and kAmx for the others. Null where there is no memory.
CENOTE_API void* cenote_linear_prepare(int kind, int level, const void* weight, int dtype, long out, long in,
                                       const float* bias, int threads);
CENOTE_API void cenote_linear_free(void* packed);
// rows [m, in] of a DType, `stride` numbers apart; result [m, out] of the same, end to end. Returns 0, or 1 where
// memory is missing.
CENOTE_API int cenote_linear(const void* packed, const void* rows, int dtype, long m, long stride, void* result,
                             int activation, int threads);
