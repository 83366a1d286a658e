// Eight float32 numbers at once. Included by files that are compiled for AVX2 and FMA and nothing else.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

using Vec = __m256;
constexpr int kWidth = 8;

inline __m256i first(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec set1(float value) { return _mm256_set1_ps(value); }
inline Vec zero() { return _mm256_setzero_ps(); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }   // a b + c
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); } // c - a b
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }

// Of NaN and a number each of these gives the second operand.
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }

// The larger one, or NaN where either is NaN, as torch has it.
inline Vec max_or_nan(Vec best, Vec value) {
    const Vec larger = _mm256_max_ps(value, best); // best where value is NaN or best is
    return _mm256_blendv_ps(larger, value, _mm256_cmp_ps(value, value, _CMP_UNORD_Q));
}

// x 2^n for whole n within ±252: the exponent is added in two steps, neither of which overflows.
inline Vec scale(Vec x, Vec n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256i low = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i high = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
}
inline Vec round_whole(Vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

inline float sum(Vec x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

inline Vec load(const float* from) { return _mm256_loadu_ps(from); }
inline Vec load(const float* from, int count) { return _mm256_maskload_ps(from, first(count)); }
inline void store(float* to, Vec x) { _mm256_storeu_ps(to, x); }
inline void store(float* to, Vec x, int count) { _mm256_maskstore_ps(to, first(count), x); }

// bfloat16 is the upper half of float32.
inline Vec widen(__m128i half) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16)); }

// To the nearest, ties to even; NaN stays NaN.
inline __m128i narrow(Vec x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i kept = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), nan);
    const __m256i upper = _mm256_srli_epi32(kept, 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

inline Vec load(const uint16_t* from) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))); }
inline Vec load(const uint16_t* from, int count) {
    alignas(16) uint16_t kept[8] = {};
    for (int at = 0; at < count; ++at) kept[at] = from[at];
    return load(kept);
}
inline void store(uint16_t* to, Vec x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrow(x)); }
inline void store(uint16_t* to, Vec x, int count) {
    alignas(16) uint16_t kept[8];
    store(kept, x);
    for (int at = 0; at < count; ++at) to[at] = kept[at];
}

// The places of neighbours exchanged: 1 0 3 2 ...
inline Vec swap_neighbours(Vec x) { return _mm256_permute_ps(x, 0xb1); }
// The signs of even places turned.
inline Vec negate_even(Vec x) {
    const __m256i signs = _mm256_set1_epi64x(0x80000000ll);
    return _mm256_xor_ps(x, _mm256_castsi256_ps(signs));
}

// Place by place, the one of eight numbers that the whole number there names.
inline Vec look_up(const float* eight, Vec place) {
    return _mm256_permutevar8x32_ps(_mm256_load_ps(eight), _mm256_cvttps_epi32(place));
}
inline Vec round_down(Vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }

// |x| (1 - Φ(|x|)), what the exact GELU lacks of the larger of x and 0, piece by piece: 8 pieces of [0, 6], row k the
// factors of t^k with t from -1/2 to 1/2 in each piece, fitted at Chebyshev nodes; error 7e-8.
constexpr int kPieces = 8, kDegree = 6;
alignas(64) constexpr float kGeluOff[7][8] = {
    {1.32686332e-01f, 1.46581337e-01f, 5.69931790e-02f, 1.13726771e-02f, 1.24563999e-03f, 7.64640572e-05f,
     2.65219660e-06f, 5.21728722e-08f},
    {1.60789073e-01f, -8.10499415e-02f, -7.39337504e-02f, -2.18013320e-02f, -3.11785960e-03f, -2.35275089e-04f,
     -9.67061533e-06f, -2.19916657e-07f},
    {-1.94461122e-01f, -4.37619612e-02f, 2.93215942e-02f, 1.75020080e-02f, 3.54202115e-03f, 3.40132450e-04f,
     1.68719507e-05f, 4.48094539e-07f},
    {3.78198139e-02f, 4.58247364e-02f, 4.40281676e-03f, -6.79070875e-03f, -2.35332991e-03f, -3.03862238e-04f,
     -1.86005782e-05f, -5.81362656e-07f},
    {1.48765333e-02f, -9.09275189e-03f, -7.48332078e-03f, 5.43658913e-04f, 9.55486612e-04f, 1.85233366e-04f,
     1.45976819e-05f, 5.51955281e-07f},
    {-4.37755417e-03f, -2.65542488e-03f, 2.03762972e-03f, 6.98099611e-04f, -1.91083120e-04f, -8.05415839e-05f,
     -9.10701510e-06f, -4.48896373e-07f},
    {-9.97312251e-04f, 1.15925726e-03f, 1.32054731e-04f, -3.05855152e-04f, -1.49471434e-05f, 2.25877939e-05f,
     3.95812276e-06f, 2.49280731e-07f},
};

} // namespace
