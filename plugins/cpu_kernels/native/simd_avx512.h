// Sixteen float32 numbers at once. Included by files that are compiled for AVX-512 and nothing else.
#pragma once

#include <immintrin.h>

#include <cstdint>

// GCC 12 takes the undefined operands of its own intrinsics for mistakes (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

namespace {

using Vec = __m512;
constexpr int kWidth = 16;

inline __mmask16 first(int count) { return static_cast<__mmask16>((1u << count) - 1); }

inline Vec set1(float value) { return _mm512_set1_ps(value); }
inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }   // a b + c
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); } // c - a b
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }

// Of NaN and a number each of these gives the second operand.
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }

// The larger one, or NaN where either is NaN, as torch has it.
inline Vec max_or_nan(Vec best, Vec value) {
    const Vec larger = _mm512_max_ps(value, best); // best where value is NaN or best is
    return _mm512_mask_mov_ps(larger, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), value);
}

// x 2^n for whole n.
inline Vec scale(Vec x, Vec n) { return _mm512_scalef_ps(x, n); }
inline Vec round_whole(Vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

inline float sum(Vec x) { return _mm512_reduce_add_ps(x); }

inline Vec load(const float* from) { return _mm512_loadu_ps(from); }
inline Vec load(const float* from, int count) { return _mm512_maskz_loadu_ps(first(count), from); }
inline void store(float* to, Vec x) { _mm512_storeu_ps(to, x); }
inline void store(float* to, Vec x, int count) { _mm512_mask_storeu_ps(to, first(count), x); }

// bfloat16 is the upper half of float32.
inline Vec widen(__m256i half) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16)); }

// To the nearest, ties to even; NaN stays NaN.
inline __m256i narrow(Vec x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i kept = _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7fc00000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}

inline Vec load(const uint16_t* from) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))); }
inline Vec load(const uint16_t* from, int count) { return widen(_mm256_maskz_loadu_epi16(first(count), from)); }
inline void store(uint16_t* to, Vec x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), narrow(x)); }
inline void store(uint16_t* to, Vec x, int count) { _mm256_mask_storeu_epi16(to, first(count), narrow(x)); }

// The places of neighbours exchanged: 1 0 3 2 ...
inline Vec swap_neighbours(Vec x) { return _mm512_permute_ps(x, 0xb1); }
// The signs of even places turned.
inline Vec negate_even(Vec x) {
    const __m512i signs = _mm512_set1_epi64(0x80000000ll);
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(x), signs));
}

// Place by place, the one of sixteen numbers that the whole number there names.
inline Vec look_up(const float* sixteen, Vec place) {
    return _mm512_permutexvar_ps(_mm512_cvttps_epi32(place), _mm512_load_ps(sixteen));
}
inline Vec round_down(Vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }

// |x| (1 - Φ(|x|)), what the exact GELU lacks of the larger of x and 0, piece by piece: 16 pieces of [0, 6], row k the
// factors of t^k with t from -1/2 to 1/2 in each piece, fitted at Chebyshev nodes; error 3e-8.
constexpr int kPieces = 16, kDegree = 5;
alignas(64) constexpr float kGeluOff[6][16] = {
    {7.98064247e-02f, 1.61374331e-01f, 1.63360044e-01f, 1.24261923e-01f, 7.72092491e-02f, 4.03839126e-02f,
     1.80243514e-02f, 6.91284519e-03f, 2.28716549e-03f, 6.54324307e-04f, 1.62097102e-04f, 3.48060712e-05f,
     6.48198920e-06f, 1.04743197e-06f, 1.46907055e-07f, 1.78877837e-08f},
    {1.32051006e-01f, 3.57444175e-02f, -2.50335261e-02f, -4.74760570e-02f, -4.36313115e-02f, -2.94374358e-02f,
     -1.59220435e-02f, -7.13884737e-03f, -2.69671949e-03f, -8.66082148e-04f, -2.37801709e-04f, -5.60262706e-05f,
     -1.13550313e-05f, -1.98333896e-06f, -2.98956053e-07f, -3.89287962e-08f},
    {-5.41538894e-02f, -4.03154455e-02f, -2.02648640e-02f, -3.28831631e-03f, 5.72507642e-03f, 7.53632141e-03f,
     5.66824526e-03f, 3.17607028e-03f, 1.42364542e-03f, 5.26097487e-04f, 1.62828786e-04f, 4.26056395e-05f,
     9.48218349e-06f, 1.80246514e-06f, 2.93526256e-07f, 4.10413250e-08f},
    {2.56111845e-03f, 6.20193454e-03f, 6.61107898e-03f, 4.42909310e-03f, 1.64188561e-03f, -2.18821602e-04f,
     -8.50657234e-04f, -7.38726521e-04f, -4.28213534e-04f, -1.90460123e-04f, -6.82783939e-05f, -2.02024021e-05f,
     -5.00068973e-06f, -1.04440858e-06f, -1.85114075e-07f, -2.79598051e-08f},
    {1.20370567e-03f, 5.27346856e-04f, -2.86684604e-04f, -7.00546021e-04f, -6.16458070e-04f, -3.01912194e-04f,
     -4.06497238e-05f, 6.91904643e-05f, 7.34479690e-05f, 4.40554577e-05f, 1.93587093e-05f, 6.70684358e-06f,
     1.89249772e-06f, 4.42706863e-07f, 8.67961489e-08f, 1.43667451e-08f},
    {-7.92385836e-05f, -1.71595835e-04f, -1.34833332e-04f, -2.79552478e-05f, 5.14810636e-05f, 6.44111715e-05f,
     3.71549359e-05f, 8.73392946e-06f, -4.50268362e-06f, -6.04451498e-06f, -3.67133293e-06f, -1.56219119e-06f,
     -5.13846885e-07f, -1.36051639e-07f, -2.96212477e-08f, -5.37201794e-09f},
};

} // namespace
