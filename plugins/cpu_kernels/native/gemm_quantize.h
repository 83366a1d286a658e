// A row as int8 with a scale of its own. Included by files that are compiled for AVX-512.
#pragma once

#include <immintrin.h>

#include "gemm.h"

namespace cenote {
namespace gemm {
namespace {

// Sixteen numbers of the rows from `place` on, of which `left` are there; zeros beyond.
inline __m512 load_numbers(const Call& call, long place, long left) {
    const __mmask16 mask = left >= 16 ? 0xffff : left > 0 ? static_cast<__mmask16>((1u << left) - 1) : 0;
    if (call.dtype == kFloat32) return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(call.rows) + place);
    const __m256i halves = _mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(call.rows) + place);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// The largest magnitude becomes 127; NaN and infinity give NaN, and with it a row of NaN.
inline float scale_of(const Call& call, long row) {
    const long in = call.weight->in, place = row * call.stride;
    const __m512 zero = _mm512_setzero_ps();
    __m512 largest[4] = {zero, zero, zero, zero}, odd[4] = {zero, zero, zero, zero};
    for (long k = 0; k < in; k += 64)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) { // apart, as each waits for the one before it
            const __m512 value = load_numbers(call, place + k + 16 * i, in - k - 16 * i);
            largest[i] = _mm512_max_ps(_mm512_abs_ps(value), largest[i]);
            odd[i] = _mm512_fmadd_ps(value, zero, odd[i]);
        }
    const __m512 most = _mm512_max_ps(_mm512_max_ps(largest[0], largest[1]), _mm512_max_ps(largest[2], largest[3]));
    const __m512 any = _mm512_add_ps(_mm512_add_ps(odd[0], odd[1]), _mm512_add_ps(odd[2], odd[3]));
    return _mm512_reduce_max_ps(most) / 127.0f + _mm512_reduce_add_ps(any);
}

// Brings a row to int8 in steps of 64 numbers `step` bytes apart, the last filled up with zeros, every byte with the bits
// of `flipped` turned; returns its scale.
inline float quantize(const Call& call, long row, char* to, long step, int8_t flipped) {
    const float scale = scale_of(call, row);
    const long in = call.weight->in, place = row * call.stride;
    const __m512 factor = _mm512_set1_ps(scale > 0 ? 1 / scale : 0);
    const __m128i turned = _mm_set1_epi8(flipped);
    for (long k = 0; k < (in + 63) / 64 * 64; k += 16) {
        const __m512 value = _mm512_mul_ps(load_numbers(call, place + k, in - k), factor);
        const __m128i bytes = _mm_xor_si128(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(value)), turned);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + k / 64 * step + k % 64), bytes);
    }
    return scale;
}

} // namespace
} // namespace gemm
} // namespace cenote
