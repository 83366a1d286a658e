// int8 products on AMX: every row is brought to int8 with a scale of its own when it comes.
#if defined(__x86_64__)
#include <immintrin.h>
#include <omp.h>

#include "gemm.h"

#include "gemm_target.h"

#include "gemm_run.h"

namespace cenote {
namespace gemm {
namespace {

struct Int8Math {
    static constexpr bool kAdds = true, kInt8 = true;
    static constexpr long kStepBytes = 2 * kTileBytes, kMostSteps = 128, kAdvances = 1;

    static bool in_place(const Call&) { return false; }

    static void prepare(const Call& call, long first, long count, long, long, char* to, float* scales) {
        for (long row = 0; row < count; ++row) {
            const long place = (first + row) * call.stride;
            scales[row] = scale_of(call, place);
            const __m512 factor = _mm512_set1_ps(scales[row] > 0 ? 1 / scales[row] : 0);
            for (long k = 0; k < call.weight->steps * 64; k += 16) {
                const __m512 value = _mm512_mul_ps(load(call, place + k, call.weight->in - k), factor);
                char* const tile = to + k / 64 * kStepBytes + row * 64 + k % 64;
                _mm_store_si128(reinterpret_cast<__m128i*>(tile), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(value)));
            }
        }
    }

    // The largest magnitude becomes 127; NaN and infinity give NaN, and with it a row of NaN.
    static float scale_of(const Call& call, long place) {
        __m512 largest = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
        for (long k = 0; k < call.weight->in; k += 16) {
            const __m512 value = load(call, place + k, call.weight->in - k);
            largest = _mm512_max_ps(_mm512_abs_ps(value), largest);
            odd = _mm512_fmadd_ps(value, _mm512_setzero_ps(), odd);
        }
        return _mm512_reduce_max_ps(largest) / 127.0f + _mm512_reduce_add_ps(odd);
    }

    static __m512 load(const Call& call, long place, long left) {
        const __mmask16 mask = left >= 16 ? 0xffff : left > 0 ? static_cast<__mmask16>((1u << left) - 1) : 0;
        if (call.dtype == kFloat32) return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(call.rows) + place);
        const __m256i halves = _mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(call.rows) + place);
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
    }

    template <int kRowTiles, class Tail>
    static void multiply(const Rows& rows, long steps, const char* weights, Tail& tail) {
        const int share = static_cast<int>((tail.left() + steps - 1) / steps);
        const char* from = rows.data;
        for (long step = 0; step < steps; ++step, from += kStepBytes, weights += kStepBytes) {
            load_weights(weights);
            load_rows<kRowTiles>(from, 64);
            products_int8<kRowTiles>();
            tail.advance(share);
        }
    }
};

} // namespace

bool run_int8(const Call& call) { return run_activation<Int8Math>(call); }

} // namespace gemm
} // namespace cenote
#endif
