// float32 products as they are: of any number of rows without AMX, and of few rows with it. There what counts is how fast
// the weight comes from memory, and a panel is multiplied with all rows before the next one comes.
#if defined(__x86_64__)
#include <immintrin.h>
#include <omp.h>

#include "gemm.h"

#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")

#include "gemm_quantize.h"
#include "gemm_vector.h"

namespace cenote {
namespace gemm {
namespace {

struct Floats {
    using Sum = __m512;
    static constexpr bool kInt8 = false;
    static constexpr long kNumbers = 1, kWeightBytes = 128, kHalfBytes = 64;

    static Sum start() { return _mm512_setzero_ps(); }
    static Sum load(const char* from) { return _mm512_load_ps(from); }
    static Sum word(const char* from) { return _mm512_set1_ps(*reinterpret_cast<const float*>(from)); }
    static Sum step(Sum sum, Sum word, Sum weights) { return _mm512_fmadd_ps(word, weights, sum); }

    static Sum add(Sum a, Sum b) { return _mm512_add_ps(a, b); }

    static const char* panel(const Packed& weight, long index) {
        return reinterpret_cast<const char*>(weight.floats + index * weight.in * kPanel);
    }
    static bool in_place(const Call& call) {
        return call.dtype == kFloat32 && (call.m <= kFewRows || call.stride % 512 != 0);
    }
    static void prepare(const Call& call, long row, char* to, RowScale*) {
        const long in = call.weight->in;
        for (long k = 0; k < in; k += 16) _mm512_store_ps(to + k * 4, load_numbers(call, row * call.stride + k, in - k));
    }
};

} // namespace

bool run_floats(const Call& call) { return run_vectors<Floats>(call); }

} // namespace gemm
} // namespace cenote
#endif
