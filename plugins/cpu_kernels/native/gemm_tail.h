// What happens to the sums of a block after its products. Included by files that are compiled for AVX-512.
#pragma once

#include <immintrin.h>

#include "gemm.h"

namespace cenote {
namespace gemm {
namespace {

// Where the sums of a block come from and go to; a row has 32 of them.
struct Block {
    const float* sums;  // of float32, or of int32 where weights are int8
    const float* base;  // to be added: the bias, or sums so far
    long base_stride;   // 0 for the bias
    float* keep;        // sums so far go here; null where the block is complete
    char* result;       // of the block's first row
    const RowScale* rows_scale; // int8: of every row
    const float* scale;         // int8: of the block's columns
    const int32_t* total;       // int8: sums of the weights of the block's columns
    int rows, columns;
};

// The rest of a block, row by row. `kAdds`: `base` is added; otherwise the sums began with it.
template <class Activation, bool kAdds, bool kInt8> class Tail {
  public:
    Tail(const Call& call)
        : activation_(call.activation), float32_(call.dtype == kFloat32),
          stride_(call.weight->out * (float32_ ? 4 : 2)) {}

    int left() const { return block_.rows - row_; }

    void begin(const Block& block) {
        block_ = block;
        row_ = 0;
        mask_ = block.columns == 32 ? 0xffffffffu : (1u << block.columns) - 1;
    }

    // From now on each advance brings so many lines of 64 bytes to the L2 cache.
    void fetch(const char* from, int lines) {
        fetched_ = from;
        lines_ = lines;
    }

    void advance(int rows) {
        for (int i = 0; i < lines_; ++i, fetched_ += 64) _mm_prefetch(fetched_, _MM_HINT_T1);
        const int stop = rows < left() ? row_ + rows : block_.rows;
        for (; row_ < stop; ++row_) finish_row();
    }

  private:
    void finish_row() {
        const float* from = block_.sums + row_ * kPanel;
        __m512 a, b;
        if (kInt8) {
            const RowScale& own = block_.rows_scale[row_];
            a = scaled(from, 0, own);
            b = scaled(from, 16, own);
        } else {
            a = _mm512_load_ps(from);
            b = _mm512_load_ps(from + 16);
        }
        if (kAdds) {
            const float* base = block_.base + row_ * block_.base_stride;
            a = _mm512_add_ps(a, _mm512_load_ps(base));
            b = _mm512_add_ps(b, _mm512_load_ps(base + 16));
            if (block_.keep != nullptr) {
                _mm512_store_ps(block_.keep + row_ * kPanel, a);
                _mm512_store_ps(block_.keep + row_ * kPanel + 16, b);
                return;
            }
        }
        put(activation_(a), activation_(b));
    }

    // Bytes counted from zero: what their zero adds to the sums goes.
    __m512 scaled(const float* from, int column, const RowScale& own) const {
        const __m512i extra = _mm512_mullo_epi32(_mm512_set1_epi32(own.zero), _mm512_load_si512(block_.total + column));
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(from + column), extra));
        return _mm512_mul_ps(_mm512_mul_ps(sum, _mm512_set1_ps(own.scale)), _mm512_load_ps(block_.scale + column));
    }

    void put(__m512 a, __m512 b) const {
        char* to = block_.result + row_ * stride_;
        // The rows below come soon: their lines, most often far away, are wanted for writing.
        __builtin_prefetch(to + 32 * stride_, 1, 2);
        if (float32_) __builtin_prefetch(to + 32 * stride_ + 64, 1, 2);
        if (float32_) {
            _mm512_mask_storeu_ps(to, static_cast<__mmask16>(mask_), a);
            _mm512_mask_storeu_ps(to + 64, static_cast<__mmask16>(mask_ >> 16), b);
        } else {
            _mm512_mask_storeu_epi16(to, mask_, halves(a, b));
        }
    }

#ifdef __AVX512BF16__
    static __m512i halves(__m512 a, __m512 b) { return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a)); }
#else
    static __m512i halves(__m512 a, __m512 b) {
        return _mm512_inserti64x4(_mm512_castsi256_si512(half(a)), half(b), 1);
    }

    // To the nearest, ties to even; NaN stays NaN, and as the instruction has it what is below normal numbers is zero.
    static __m256i half(__m512 x) {
        const __m512i bits = _mm512_castps_si512(x);
        const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), tiny = _mm512_fpclass_ps_mask(x, 0x20);
        const __m512i sign = _mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0x80000000u)));
        const __m512i kept = _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(rounded, tiny, sign), nan,
                                                   _mm512_set1_epi32(0x7fc00000));
        return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
    }
#endif

    const Activation activation_;
    const bool float32_;
    const long stride_;
    Block block_{};
    int row_ = 0;
    const char* fetched_ = nullptr;
    int lines_ = 0;
    __mmask32 mask_ = 0;
};

} // namespace
} // namespace gemm
} // namespace cenote
