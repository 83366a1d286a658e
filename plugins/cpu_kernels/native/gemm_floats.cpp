// float32 products of few rows: what counts is how fast the weight comes from memory, so that it is read as it is, and a
// panel is multiplied with all rows, as many at a time as registers hold, before the next one comes.
#if defined(__x86_64__)
#include <immintrin.h>
#include <omp.h>

#include "gemm.h"

#include "gemm_target.h"

#include "gemm_activation.h"
#include "gemm_tail.h"

namespace cenote {
namespace gemm {
namespace {

constexpr int kMostTogether = 14; // rows, whose sums of 32 columns take 28 of the 32 registers
constexpr long kAhead = 6 << 10;  // bytes from what is multiplied to what is fetched

// Sums [kRows, 32] of rows `stride` numbers apart with one panel.
template <int kRows> void multiply(const float* rows, long stride, long in, const float* panel, float* sums) {
    __m512 sum[kRows][2];
    const float* groups[(kRows + 2) / 3]; // a pointer and two multiples of the stride reach three rows
#pragma GCC unroll 14
    for (int row = 0; row < kRows; ++row) {
        sum[row][0] = sum[row][1] = _mm512_setzero_ps();
        if (row % 3 == 0) groups[row / 3] = rows + row * stride;
    }
    for (long k = 0; k < in; ++k, panel += kPanel) {
        _mm_prefetch(reinterpret_cast<const char*>(panel) + kAhead, _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(panel) + kAhead + 64, _MM_HINT_T0);
        const __m512 left = _mm512_load_ps(panel), right = _mm512_load_ps(panel + 16);
#pragma GCC unroll 14
        for (int row = 0; row < kRows; ++row) {
            const __m512 number = _mm512_set1_ps(groups[row / 3][row % 3 * stride + k]);
            sum[row][0] = _mm512_fmadd_ps(number, left, sum[row][0]);
            sum[row][1] = _mm512_fmadd_ps(number, right, sum[row][1]);
        }
    }
#pragma GCC unroll 14
    for (int row = 0; row < kRows; ++row) {
        _mm512_store_ps(sums + row * kPanel, sum[row][0]);
        _mm512_store_ps(sums + row * kPanel + 16, sum[row][1]);
    }
}

template <int kRows> void multiply_of(int count, const float* rows, long stride, long in, const float* panel, float* sums) {
    if constexpr (kRows > 0) {
        if (count == kRows) multiply<kRows>(rows, stride, in, panel, sums);
        else multiply_of<kRows - 1>(count, rows, stride, in, panel, sums);
    }
}

void widen(const Call& call, float* to) {
    const long in = call.weight->in;
    for (long row = 0; row < call.m; ++row) {
        const uint16_t* from = static_cast<const uint16_t*>(call.rows) + row * call.stride;
        for (long k = 0; k < in; k += 16) {
            const __mmask16 mask = in - k >= 16 ? 0xffff : static_cast<__mmask16>((1u << (in - k)) - 1);
            const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from + k));
            _mm512_mask_storeu_epi32(to + row * in + k, mask, _mm512_slli_epi32(wide, 16));
        }
    }
}

// The panels [left, right) of one thread; false where there is no memory.
template <class Activation> bool run_panels(const Call& call, long left, long right) {
    const Packed& weight = *call.weight;
    const bool wide = call.dtype == kFloat32;
    const long copied = wide ? 0 : call.m * weight.in, element = wide ? 4 : 2;
    char* memory = scratch((kMostTogether * kPanel + copied) * sizeof(float));
    if (memory == nullptr) return false;
    float *sums = reinterpret_cast<float*>(memory), *copy = sums + kMostTogether * kPanel;
    if (!wide) widen(call, copy);
    const float* rows = wide ? static_cast<const float*>(call.rows) : copy;
    const long stride = wide ? call.stride : weight.in, groups = (call.m + kMostTogether - 1) / kMostTogether;
    Tail<Activation, true, false> tail(call);
    for (long panel = left; panel < right; ++panel)
        for (long group = 0; group < groups; ++group) {
            const long first = call.m * group / groups, column = panel * kPanel;
            const int count = static_cast<int>(call.m * (group + 1) / groups - first);
            multiply_of<kMostTogether>(count, rows + first * stride, stride, weight.in,
                                       weight.floats + panel * weight.in * kPanel, sums);
            Block block{};
            block.sums = sums;
            block.base = weight.bias + column;
            block.result = static_cast<char*>(call.result) + (first * weight.out + column) * element;
            block.rows = count;
            block.columns = static_cast<int>(weight.out - column < kPanel ? weight.out - column : kPanel);
            tail.begin(block);
            tail.advance(count);
        }
    return true;
}

template <class Activation> bool run_threads(const Call& call) {
    bool done = true;
    const long panels = call.weight->panels;
#pragma omp parallel num_threads(call.threads) reduction(&& : done)
    {
        const long thread = omp_get_thread_num(), threads = omp_get_num_threads();
        done = run_panels<Activation>(call, panels * thread / threads, panels * (thread + 1) / threads);
    }
    return done;
}

} // namespace

bool run_floats(const Call& call) {
    switch (call.activation) {
    case kGelu:
    case kGeluTanh: return run_threads<Even>(call);
    case kSilu:
    case kQuickGelu: return run_threads<Sigmoid>(call);
    case kRelu: return run_threads<Relu>(call);
    default: return run_threads<Nothing>(call);
    }
}

} // namespace gemm
} // namespace cenote
#endif
