// Rows as bfloat16. Included by files that are compiled for AVX-512 with bfloat16.
#pragma once

#include <immintrin.h>

#include "gemm.h"

namespace cenote {
namespace gemm {
namespace {

inline __mmask32 first_of(long count) { return count >= 32 ? 0xffffffffu : (1u << count) - 1; }

inline __m512i narrowed(const float* from, long count) {
    const __mmask32 mask = first_of(count);
    const __m512 a = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from);
    const __m512 b = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), from + 16);
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a));
}

// 32 numbers of a row from number `k` on; zeros beyond its end.
inline __m512i load_narrow(const Call& call, long row, long k) {
    const long left = call.weight->in - k, place = row * call.stride + k;
    return call.dtype == kFloat32 ? narrowed(static_cast<const float*>(call.rows) + place, left)
        : _mm512_maskz_loadu_epi16(first_of(left), static_cast<const uint16_t*>(call.rows) + place);
}

} // namespace
} // namespace gemm
} // namespace cenote
