// Activations of sixteen numbers. Included by files that are compiled for AVX-512.
#pragma once

#include <immintrin.h>

#include "gemm.h"

namespace cenote {
namespace gemm {
namespace {

struct Nothing {
    explicit Nothing(int) {}
    __m512 operator()(__m512 x) const { return x; }
};

struct Relu {
    explicit Relu(int) {}
    __m512 operator()(__m512 x) const { return _mm512_max_ps(_mm512_setzero_ps(), x); } // NaN stays
};

// relu(x) minus a function of |x| from a table of cubic polynomials: half the time of one with an exponential.
struct Even {
    __m512 low[4], high[4];

    explicit Even(int activation) {
        const Evens& evens = activation == kGelu ? evens_of_gelu() : evens_of_gelu_tanh();
        for (int d = 0; d < 4; ++d) {
            low[d] = _mm512_loadu_ps(evens.degree[d]);
            high[d] = _mm512_loadu_ps(evens.degree[d] + 16);
        }
    }

    __m512 operator()(__m512 x) const {
        const __m512 scaled = _mm512_mul_ps(x, _mm512_set1_ps(1 / kEvensWidth));
        constexpr int kLesserOfAbsolutes = 0b1010; // and the sign of the result cleared
        const __m512 place = _mm512_range_ps(scaled, _mm512_set1_ps(31.0f), kLesserOfAbsolutes);
        const __m512 within = _mm512_reduce_ps(place, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        // Adding 1.5 * 2^23 rounds to a whole number in the low bits, of which the look-up takes five.
        const __m512i interval = _mm512_castps_si512(_mm512_add_ps(place, _mm512_set1_ps(12582912.0f)));
        __m512 sum = _mm512_permutex2var_ps(low[3], interval, high[3]);
        for (int d = 2; d >= 0; --d)
            sum = _mm512_fmadd_ps(sum, within, _mm512_permutex2var_ps(low[d], interval, high[d]));
        return _mm512_sub_ps(_mm512_max_ps(_mm512_setzero_ps(), x), sum);
    }
};

// x sigma(s x), s = 1 (SiLU) or 1.702 (quick GELU).
struct Sigmoid {
    float slope;

    explicit Sigmoid(int activation) : slope(activation == kSilu ? 1.0f : 1.702f) {}

    __m512 operator()(__m512 x) const {
        // 2^t with t = -s x / ln 2, below 2^126 so that the reciprocal is a number.
        const __m512 most = _mm512_set1_ps(126.0f), exact = _mm512_mul_ps(x, _mm512_set1_ps(slope * -1.44269504f));
        const __m512 t = _mm512_min_ps(most, exact);
        const __m512 whole = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        const __m512 f = _mm512_sub_ps(t, whole);
        __m512 power = _mm512_set1_ps(1.54035304e-4f); // ln(2)^n / n!, n = 6..0: error below 2e-7 of 2^f
        power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(1.33335581e-3f));
        power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(9.61812911e-3f));
        power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(5.55041087e-2f));
        power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(2.40226507e-1f));
        power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(6.93147181e-1f));
        power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(1.0f));
        const __m512 below = _mm512_add_ps(_mm512_set1_ps(1.0f), _mm512_scalef_ps(power, whole));
        const __m512 guess = _mm512_rcp14_ps(below);
        const __m512 better = _mm512_mul_ps(guess, _mm512_fnmadd_ps(below, guess, _mm512_set1_ps(2.0f)));
        // Beyond, the product is 0, and as in x / (1 + 2^t) no number for one that is infinite.
        return _mm512_mask_sub_ps(_mm512_mul_ps(x, better), _mm512_cmp_ps_mask(exact, most, _CMP_GT_OQ), x, x);
    }
};

} // namespace
} // namespace gemm
} // namespace cenote
