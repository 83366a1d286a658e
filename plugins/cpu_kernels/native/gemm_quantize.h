// A row as bytes with a scale and a zero of its own. Included by files that are compiled for AVX-512.
#pragma once

#include <immintrin.h>

#include <cmath>

#include "gemm.h"

namespace cenote {
namespace gemm {
namespace {

constexpr float kLeastScale = 1e-37f; // rows below are zeros: the inverse would be infinite

// Sixteen numbers of the rows from `place` on, of which `left` are there; zeros beyond.
inline __m512 load_numbers(const Call& call, long place, long left) {
    const __mmask16 mask = left >= 16 ? 0xffff : left > 0 ? static_cast<__mmask16>((1u << left) - 1) : 0;
    if (call.dtype == kFloat32) return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(call.rows) + place);
    const __m256i halves = _mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(call.rows) + place);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// From the least number of a row, at most zero, to its largest, at least zero; each a part of 255 of it.
struct Extent {
    float low, high;
    float odd; // NaN where a number is NaN or infinite, else zero
};

inline Extent extent_of(const Call& call, long row) {
    const long in = call.weight->in, place = row * call.stride;
    const __m512 zero = _mm512_setzero_ps();
    __m512 low[4] = {zero, zero, zero, zero}, high[4] = {zero, zero, zero, zero}, odd[4] = {zero, zero, zero, zero};
    for (long k = 0; k < in; k += 64)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) { // apart, as each waits for the one before it
            const __m512 value = load_numbers(call, place + k + 16 * i, in - k - 16 * i);
            low[i] = _mm512_min_ps(value, low[i]);
            high[i] = _mm512_max_ps(value, high[i]);
            odd[i] = _mm512_fmadd_ps(value, zero, odd[i]);
        }
    const __m512 least = _mm512_min_ps(_mm512_min_ps(low[0], low[1]), _mm512_min_ps(low[2], low[3]));
    const __m512 most = _mm512_max_ps(_mm512_max_ps(high[0], high[1]), _mm512_max_ps(high[2], high[3]));
    const __m512 any = _mm512_add_ps(_mm512_add_ps(odd[0], odd[1]), _mm512_add_ps(odd[2], odd[3]));
    return {_mm512_reduce_min_ps(least) / 255.0f, _mm512_reduce_max_ps(most) / 255.0f, _mm512_reduce_add_ps(any)};
}

// Brings a row to bytes, in steps of 64 of them `step` bytes apart; what fills up the last step meets weights of zero.
// Zero has a byte of its own, so that it stays exact. NaN and infinity give a scale of NaN, and with it a row of NaN.
inline RowScale quantize(const Call& call, long row, char* to, long step) {
    const Extent extent = extent_of(call, row);
    const float scale = extent.high - extent.low + extent.odd;
    const float inverse = scale >= kLeastScale ? 1 / scale : 0;
    const long in = call.weight->in, place = row * call.stride;
    const __m512 factor = _mm512_set1_ps(inverse);
    const int32_t zero = static_cast<int32_t>(std::lrint(-255.0f * extent.low * inverse));
    const __m512i above = _mm512_set1_epi32(zero);
    for (long k = 0; k < (in + 63) / 64 * 64; k += 16) {
        const __m512 value = _mm512_mul_ps(load_numbers(call, place + k, in - k), factor);
        const __m512i number = _mm512_add_epi32(_mm512_cvtps_epi32(value), above);
        const __m512i positive = _mm512_max_epi32(number, _mm512_setzero_si512());
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + k / 64 * step + k % 64), _mm512_cvtusepi32_epi8(positive));
    }
    return {scale, zero};
}

} // namespace
} // namespace gemm
} // namespace cenote
