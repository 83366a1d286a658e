// bfloat16 products with the instructions that multiply pairs of them, on the layout of AMX tiles.
#if defined(__x86_64__)
#include <immintrin.h>
#include <omp.h>

#include "gemm.h"

#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")

#include "gemm_narrow.h"
#include "gemm_vector.h"

namespace cenote {
namespace gemm {
namespace {

struct Pairs {
    using Sum = __m512;
    static constexpr bool kInt8 = false;
    static constexpr long kNumbers = 2, kWeightBytes = 64, kHalfBytes = kTileBytes;

    static Sum start() { return _mm512_setzero_ps(); }
    static __m512i load(const char* from) { return _mm512_load_si512(from); }
    static __m512i word(const char* from) {
        int32_t pair;
        __builtin_memcpy(&pair, from, 4);
        return _mm512_set1_epi32(pair);
    }
    static Sum step(Sum sum, __m512i word, __m512i weights) {
        return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(word), reinterpret_cast<__m512bh>(weights));
    }

    static Sum add(Sum a, Sum b) { return _mm512_add_ps(a, b); }

    static const char* panel(const Packed& weight, long index) { return weight.panel(index); }
    static bool in_place(const Call& call) {
        return call.dtype == kBFloat16 && call.weight->in % 2 == 0 && call.stride % 1024 != 0;
    }
    static void prepare(const Call& call, long row, char* to, RowScale*) {
        for (long k = 0; k < call.weight->in; k += 32) _mm512_store_si512(to + k * 2, load_narrow(call, row, k));
    }
};

} // namespace

bool run_bf16_vectors(const Call& call) { return run_vectors<Pairs>(call); }

} // namespace gemm
} // namespace cenote
#endif
