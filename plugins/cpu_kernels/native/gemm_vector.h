// Products in AVX-512 registers: blocks of up to 14 rows and one panel's 32 columns, whose sums fill 28 of 32 registers.
// Included by files that are compiled for AVX-512.
//
// Words of 4 bytes, which are 4, 2 or 1 numbers of a row, meet the same numbers of 16 columns. A row's result is the same
// whatever the other rows are, and however many.
#pragma once

#include <immintrin.h>
#include <omp.h>

#include "gemm.h"
#include "gemm_activation.h"
#include "gemm_tail.h"

namespace cenote {
namespace gemm {
namespace {

constexpr int kMostTogether = 14;
constexpr long kAhead = 6 << 10;      // bytes from what is multiplied to what is fetched
constexpr long kUnits = 16;           // words of a row that meet kWordsBytes of a panel
constexpr long kWordsBytes = 2 * kTileBytes;
constexpr long kMostWords = 192;      // words of a row at once: as many of a panel stay in the L1 cache
constexpr long kRowBytes = 384 << 10; // of rows that stay in the L2 cache, beside a panel
constexpr long kMostRows = 1024;

// Rows as they are multiplied; a stride in bytes.
struct Lines {
    const char* data;
    long stride;
};

// `Math` says what a word is:
//   Sum, start(), word(from), step(sum, word, weights), add: 16 sums, their zeros, a word 16 times, the products of one
//     with 16 columns' words
//   kWeightBytes, kHalfBytes: from word to word of a panel, and from its left 16 columns to the right ones
//   kNumbers: of a word
//   panel(weight, index); in_place(call): whether rows are multiplied where they lie
//   prepare(call, row, to, scale): a row of the call, filled up with zeros to whole words

// Sums of rows [kRows, 32]; added to those that are there with `more`, which is nearer to the truth than to go on with
// these.
template <class Math, int kRows>
void multiply(const Lines& rows, long words, const char* panel, bool more, float* sums) {
    typename Math::Sum sum[kRows][2];
    const char* groups[(kRows + 2) / 3]; // a pointer and two multiples of the stride reach three rows
#pragma GCC unroll 14
    for (int row = 0; row < kRows; ++row) {
        sum[row][0] = sum[row][1] = Math::start();
        if (row % 3 == 0) groups[row / 3] = rows.data + row * rows.stride;
    }
    for (long done = 0; done < words; done += kUnits, panel += kWordsBytes) {
        const char* from = panel;
        const long stop = words - done < kUnits ? words : done + kUnits;
        for (long place = done; place < stop; ++place, from += Math::kWeightBytes) {
            _mm_prefetch(from + kAhead, _MM_HINT_T0);
            _mm_prefetch(from + kAhead + Math::kHalfBytes, _MM_HINT_T0);
            const auto left = Math::load(from), right = Math::load(from + Math::kHalfBytes);
#pragma GCC unroll 14
            for (int row = 0; row < kRows; ++row) {
                const auto word = Math::word(groups[row / 3] + row % 3 * rows.stride + place * 4);
                sum[row][0] = Math::step(sum[row][0], word, left);
                sum[row][1] = Math::step(sum[row][1], word, right);
            }
        }
    }
#pragma GCC unroll 14
    for (int row = 0; row < kRows; ++row) {
        typename Math::Sum* const to = reinterpret_cast<typename Math::Sum*>(sums + row * kPanel);
        to[0] = more ? Math::add(to[0], sum[row][0]) : sum[row][0];
        to[1] = more ? Math::add(to[1], sum[row][1]) : sum[row][1];
    }
}

template <class Math, int kRows>
void multiply_of(int count, const Lines& rows, long words, const char* panel, bool more, float* sums) {
    if constexpr (kRows > 0) {
        if (count == kRows) multiply<Math, kRows>(rows, words, panel, more, sums);
        else multiply_of<Math, kRows - 1>(count, rows, words, panel, more, sums);
    }
}

// What one thread computes.
template <class Math, class Activation> class Blocks {
  public:
    Blocks(const Call& call, const Share& share)
        : call_(call), weight_(*call.weight), share_(share), tail_(call),
          words_((call.weight->in + Math::kNumbers - 1) / Math::kNumbers) {}

    // Returns false where there is no memory.
    bool run() {
        const long rows = share_.last - share_.first;
        if (rows <= 0 || share_.left >= share_.right) return true;
        const long lines = (words_ * 4 + 63) / 64 | 1; // an odd number: rows then spread over all sets of a cache
        const bool in_place = Math::in_place(call_);
        const long fitting = kRowBytes / (lines * 64), most = fitting < 1 ? 1 : fitting > kMostRows ? kMostRows : fitting;
        const long groups = (rows + most - 1) / most, together = (rows + groups - 1) / groups;
        const long sums = together * kPanel, scales = (together + 15) / 16 * 16;
        char* memory = scratch(sums * sizeof(float) + scales * sizeof(RowScale) + (in_place ? 0 : together * lines * 64));
        if (memory == nullptr) return false;
        sums_ = reinterpret_cast<float*>(memory);
        scales_ = reinterpret_cast<RowScale*>(sums_ + sums);
        char* const copy = reinterpret_cast<char*>(scales_ + scales);
        for (long group = 0; group < groups; ++group) {
            const long first = share_.first + rows * group / groups, last = share_.first + rows * (group + 1) / groups;
            Lines from{copy, lines * 64};
            if (in_place) {
                const long bytes = call_.dtype == kFloat32 ? 4 : 2;
                from = {static_cast<const char*>(call_.rows) + first * call_.stride * bytes, call_.stride * bytes};
            } else {
                for (long row = first; row < last; ++row)
                    Math::prepare(call_, row, copy + (row - first) * from.stride, scales_ + row - first);
            }
            for (long panel = share_.left; panel < share_.right; ++panel) run_panel(from, panel, first, last - first);
        }
        return true;
    }

  private:
    void run_panel(const Lines& from, long panel, long first, long rows) {
        const long blocks = (rows + kMostTogether - 1) / kMostTogether, column = panel * kPanel;
        const long depths = (words_ + kMostWords - 1) / kMostWords, steps = (words_ + kUnits - 1) / kUnits;
        for (long depth = 0; depth < depths; ++depth) {
            const long begin = steps * depth / depths, end = steps * (depth + 1) / depths;
            const long words = (end * kUnits < words_ ? end * kUnits : words_) - begin * kUnits;
            const char* const weights = Math::panel(weight_, panel) + begin * kWordsBytes;
            for (long index = 0; index < blocks; ++index) {
                const long row = rows * index / blocks;
                const int count = static_cast<int>(rows * (index + 1) / blocks - row);
                const Lines lines{from.data + row * from.stride + begin * kUnits * 4, from.stride};
                float* const sums = sums_ + row * kPanel;
                multiply_of<Math, kMostTogether>(count, lines, words, weights, depth > 0, sums);
                if (depth + 1 == depths) finish(sums, row, first + row, column, count);
            }
        }
    }

    void finish(const float* sums, long row_here, long row, long column, int count) {
        Block block{};
        block.sums = sums;
        block.base = weight_.bias + column;
        block.result = static_cast<char*>(call_.result) + (row * weight_.out + column) * (call_.dtype == kFloat32 ? 4 : 2);
        block.rows_scale = scales_ + row_here;
        block.scale = weight_.scale + column;
        block.total = weight_.total + column;
        block.rows = count;
        block.columns = static_cast<int>(weight_.out - column < kPanel ? weight_.out - column : kPanel);
        tail_.begin(block);
        tail_.advance(count);
    }

    const Call& call_;
    const Packed& weight_;
    const Share share_;
    Tail<Activation, true, Math::kInt8> tail_;
    const long words_; // of a row
    float* sums_ = nullptr;
    RowScale* scales_ = nullptr; // int8: of every row
};

template <class Math, class Activation> bool run_blocks(const Call& call) {
    bool done = true;
#pragma omp parallel num_threads(call.threads) reduction(&& : done)
    {
        const Share share = share_of(call.m, call.weight->panels, omp_get_thread_num(), omp_get_num_threads());
        done = Blocks<Math, Activation>(call, share).run();
    }
    return done;
}

template <class Math> bool run_vectors(const Call& call) {
    switch (call.activation) {
    case kGelu:
    case kGeluTanh: return run_blocks<Math, Even>(call);
    case kSilu:
    case kQuickGelu: return run_blocks<Math, Sigmoid>(call);
    case kRelu: return run_blocks<Math, Relu>(call);
    default: return run_blocks<Math, Nothing>(call);
    }
}

} // namespace
} // namespace gemm
} // namespace cenote
