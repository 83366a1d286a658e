// float32 products as sums of bfloat16 products on AMX: x = x1 + x2 + x3 holds all 24 bits of x, and
// x w = x1 w1 + (x1 w2 + x2 w1) + (x1 w3 + x2 w2 + x3 w1) + terms below 2^-24 of it (Henry, Tang and Heinecke 2019,
// arXiv:1904.06376). The small terms are summed before the large one, which keeps the error below that of float32.
#if defined(__x86_64__)
#include <immintrin.h>
#include <omp.h>

#include <algorithm>

#include "gemm.h"

#include "gemm_target.h"

#include "gemm_run.h"

namespace cenote {
namespace gemm {
namespace {

// The nearest bfloat16; a finite number stays finite.
inline __m512 nearest(__m512 x) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u)), bits = _mm512_castps_si512(x);
    const __m512i rounded = _mm512_and_si512(_mm512_add_epi32(bits, _mm512_set1_epi32(0x8000)), upper);
    const __m512i exponent = _mm512_set1_epi32(0x7f800000);
    // What is no number already must not be rounded: a NaN of all ones would become zero.
    const __mmask16 beyond = _mm512_cmpeq_epi32_mask(_mm512_and_si512(rounded, exponent), exponent) |
                             _mm512_cmpeq_epi32_mask(_mm512_and_si512(bits, exponent), exponent);
    return _mm512_castsi512_ps(_mm512_mask_and_epi32(rounded, beyond, bits, upper));
}

template <int kParts> struct SplitMath {
    static constexpr bool kAdds = true, kInt8 = false;
    static constexpr long kStepBytes = 2 * kParts * kTileBytes, kMostSteps = kParts == 3 ? 4 : 6, kAdvances = 2;

    static bool in_place(const Call&) { return false; }

    static void prepare(const Call& call, long first, long count, long begin, long steps, char* to, RowScale*) {
        const long from = begin * 32, in = call.weight->in, end = std::min(in, from + steps * 32);
        for (long start = from; start < end; start += 256)
            for (long row = 0; row < count; ++row) {
                const long stop = start + 256 < end ? start + 256 : end;
                for (long k = start; k < stop; k += 32)
                    split(call, (first + row) * call.stride + k, in - k, to + (k - from) / 32 * kStepBytes + row * 64);
            }
    }

    static void split(const Call& call, long place, long left, char* to) {
        const __mmask32 mask = left >= 32 ? 0xffffffffu : (1u << left) - 1;
        __m512 a = load(call, place, static_cast<__mmask16>(mask));
        __m512 b = load(call, place + 16, static_cast<__mmask16>(mask >> 16));
        for (int part = 0; part < kParts; ++part) {
            const __m512 high_a = nearest(a), high_b = nearest(b);
            _mm512_store_si512(to + part * 2 * kTileBytes, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high_b, high_a)));
            a = _mm512_sub_ps(a, high_a);
            b = _mm512_sub_ps(b, high_b);
        }
    }

    static __m512 load(const Call& call, long place, __mmask16 mask) {
        if (call.dtype == kFloat32) return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(call.rows) + place);
        const __m256i halves = _mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(call.rows) + place);
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
    }

    template <int kRowTiles, class Tail>
    static void multiply(const Rows& rows, long steps, const char* weights, Tail& tail) {
        constexpr long kPart = 2 * kTileBytes;
        const int share = static_cast<int>((tail.left() + 2 * steps - 1) / (2 * steps));
        const char* const from = rows.data;
        for (long step = 0; step < steps; ++step) {
            const char *x = from + step * kStepBytes, *w = weights + step * kStepBytes;
            load_rows<kRowTiles>(x, 64);
            if (kParts == 3) {
                load_weights(w + 2 * kPart);
                products_bf16<kRowTiles>(); // 1 3
            }
            load_weights(w + kPart);
            products_bf16<kRowTiles>(); // 1 2
            load_rows<kRowTiles>(x + kPart, 64);
            if (kParts == 3) products_bf16<kRowTiles>(); // 2 2
            load_weights(w);
            products_bf16<kRowTiles>(); // 2 1
            if (kParts == 3) {
                load_rows<kRowTiles>(x + 2 * kPart, 64);
                products_bf16<kRowTiles>(); // 3 1
            }
            tail.advance(share);
        }
        for (long step = 0; step < steps; ++step) {
            load_rows<kRowTiles>(from + step * kStepBytes, 64);
            load_weights(weights + step * kStepBytes);
            products_bf16<kRowTiles>(); // 1 1
            tail.advance(share);
        }
    }
};

} // namespace

bool run_split(const Call& call) {
    if (call.weight->kind == kSplit6) return run_activation<SplitMath<3>>(call);
    return run_activation<SplitMath<2>>(call);
}

} // namespace gemm
} // namespace cenote
#endif
