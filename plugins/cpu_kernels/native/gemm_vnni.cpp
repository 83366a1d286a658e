// int8 products with the instructions that multiply fours of bytes, on the layout of AMX tiles.
#if defined(__x86_64__)
#include <immintrin.h>
#include <omp.h>

#include "gemm.h"

#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")

#include "gemm_quantize.h"
#include "gemm_vector.h"

namespace cenote {
namespace gemm {
namespace {

struct Fours {
    using Sum = __m512i;
    static constexpr bool kInt8 = true;
    static constexpr long kNumbers = 4, kWeightBytes = 64, kHalfBytes = kTileBytes;

    static Sum start() { return _mm512_setzero_si512(); }
    static Sum load(const char* from) { return _mm512_load_si512(from); }
    static Sum word(const char* from) {
        int32_t bytes;
        __builtin_memcpy(&bytes, from, 4);
        return _mm512_set1_epi32(bytes);
    }
    static Sum step(Sum sum, Sum word, Sum weights) { return _mm512_dpbusd_epi32(sum, word, weights); }

    static Sum add(Sum a, Sum b) { return _mm512_add_epi32(a, b); }

    static const char* panel(const Packed& weight, long index) { return weight.panel(index); }
    static bool in_place(const Call&) { return false; }
    static void prepare(const Call& call, long row, char* to, RowScale* scale) { *scale = quantize(call, row, to, 64); }
};

} // namespace

bool run_int8_vectors(const Call& call) { return run_vectors<Fours>(call); }

} // namespace gemm
} // namespace cenote
#endif
