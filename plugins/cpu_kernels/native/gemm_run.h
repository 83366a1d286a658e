// The order in which blocks are computed. Included by files that are compiled for AMX and AVX-512.
//
// A thread takes a group of rows small enough for its L2 cache and copies them into tiles (tiles that are loaded from
// rows far apart come from L2 at half the speed). Then panel by panel of the weight, then the panel's steps along `in`
// in groups small enough for the L1 cache, then block by block of 32 rows.
#pragma once

#include "gemm.h"
#include "gemm_activation.h"
#include "gemm_amx.h"
#include "gemm_tail.h"

namespace cenote {
namespace gemm {
namespace {

constexpr long kBlockNumbers = 32 * kPanel;

// Up to 32 rows, as tiles are loaded from them: 64 bytes of a row are a step.
struct Rows {
    const char* data;
    long stride, step; // bytes from row to row and from step to step
};

// `Math` says how rows are prepared and how a block is multiplied:
//   kAdds, kInt8: as of Tail
//   kStepBytes: of a step of 32 rows in tiles; kMostSteps: of a panel in L1 at once
//   prepare(call, first, count, to, scales): up to 32 rows of the call -> a block in tiles
//   multiply<kRowTiles>(rows, begin, steps, weights, tail): the products of steps from `begin` on, and a share of the
//     tail after each
template <class Math, class Activation> class Runner {
  public:
    Runner(const Call& call, const Share& share) : call_(call), weight_(*call.weight), share_(share), tail_(call) {}

    // Returns false where there is no memory.
    bool run() {
        if (share_.first >= share_.last || share_.left >= share_.right) return true;
        const long rows_bytes = weight_.steps * Math::kStepBytes, panel_bytes = weight_.steps * weight_.step_bytes();
        const Groups blocks((share_.last - share_.first + 31) / 32, kRowBytes / rows_bytes, 16);
        const Groups panels(share_.right - share_.left, kPanelBytes / panel_bytes, 64);
        depths_ = (weight_.steps + Math::kMostSteps - 1) / Math::kMostSteps;
        const long sums = (depths_ > 1 ? panels.largest : 1) * kBlockNumbers;
        char* memory = scratch((2 * sums + 32 * blocks.largest) * sizeof(float) + blocks.largest * rows_bytes);
        if (memory == nullptr) return false;
        sums_ = reinterpret_cast<float*>(memory);
        kept_ = sums_ + sums;
        scales_ = kept_ + sums;
        rows_ = reinterpret_cast<char*>(scales_ + 32 * blocks.largest);
        configure_tiles();
        for (long group = 0; group < blocks.count; ++group) {
            const long first = share_.first + blocks.start(group) * 32, last = share_.first + blocks.start(group + 1) * 32;
            run_group(first, last < share_.last ? last : share_.last, panels);
        }
        release_tiles();
        return true;
    }

  private:
    static constexpr long kRowBytes = 1200 << 10, kPanelBytes = 512 << 10;

    // `all` things in groups of at most `most` and nearly one size, so that none is left with a few.
    struct Groups {
        long all, count, largest;
        Groups(long all, long most, long bound) : all(all) {
            most = most < 1 ? 1 : most > bound ? bound : most;
            count = (all + most - 1) / most;
            largest = (all + count - 1) / count;
        }
        long start(long group) const { return all * group / count; }
    };

    void run_group(long first, long last, const Groups& panels) {
        const long rows = last - first, block_bytes = weight_.steps * Math::kStepBytes;
        const long stride = call_.stride * 2, whole = Math::in_place(call_) ? rows / 32 * 32 : 0;
        for (long row = whole; row < rows; row += 32)
            Math::prepare(call_, first + row, rows - row < 32 ? rows - row : 32, rows_ + row / 32 * block_bytes,
                          scales_ + row);
        before_tile_loads();
        for (long group = 0; group < panels.count; ++group)
            for (long row = 0; row < rows; row += 32) {
                const int count = static_cast<int>(rows - row < 32 ? rows - row : 32);
                const Rows from = row < whole
                    ? Rows{static_cast<const char*>(call_.rows) + (first + row) * stride, stride, 64}
                    : Rows{rows_ + row / 32 * block_bytes, 64, Math::kStepBytes};
                const long left = share_.left + panels.start(group), right = share_.left + panels.start(group + 1);
                for (long depth = 0; depth < depths_; ++depth)
                    for (long panel = left; panel < right; ++panel) {
                        const long place = depths_ > 1 ? panel - left : 0;
                        if (count > 16) run_block<2>(from, panel, depth, place, first + row, row, count);
                        else run_block<1>(from, panel, depth, place, first + row, row, count);
                    }
            }
        tail_.advance(32);
    }

    // Rows of a block that a share lacks are whatever was in memory; their results are left out.
    template <int kRowTiles>
    void run_block(const Rows& from, long panel, long depth, long place, long row, long row_here, int count) {
        constexpr bool kApart = Math::kAdds && !Math::kInt8; // groups of steps are summed apart, which is more precise
        const long begin = weight_.steps * depth / depths_, steps = weight_.steps * (depth + 1) / depths_ - begin;
        float* sums = sums_ + place * kBlockNumbers;
        const float* bias = weight_.bias + panel * kPanel;
        const bool complete = depth + 1 == depths_;
        if (depth > 0 && !kApart) load_sums<kRowTiles>(sums, kPanel * sizeof(float));
        else if (Math::kAdds) zero_sums<kRowTiles>();
        else load_sums<kRowTiles>(bias, 0);
        Math::template multiply<kRowTiles>(from, begin, steps, weight_.panel(panel) + begin * weight_.step_bytes(),
                                           tail_);
        tail_.advance(32);
        store_sums<kRowTiles>(sums);
        if (!complete && !kApart) return; // the sums go on as they are
        const long column = panel * kPanel, element = call_.dtype == kFloat32 ? 4 : 2;
        float* kept = kept_ + (sums - sums_);
        Block rest{};
        rest.sums = sums;
        rest.base = kApart && depth > 0 ? kept : bias;
        rest.base_stride = kApart && depth > 0 ? kPanel : 0;
        rest.keep = complete ? nullptr : kept;
        rest.result = static_cast<char*>(call_.result) + (row * weight_.out + column) * element;
        rest.rows_scale = scales_ + row_here;
        rest.scale = weight_.scale + column;
        rest.rows = count;
        rest.columns = static_cast<int>(weight_.out - column < kPanel ? weight_.out - column : kPanel);
        tail_.begin(rest);
    }

    const Call& call_;
    const Packed& weight_;
    const Share share_;
    Tail<Activation, Math::kAdds, Math::kInt8> tail_;
    long depths_ = 1;
    float* sums_ = nullptr;   // as the tiles gave them
    float* kept_ = nullptr;   // of the groups of steps before
    float* scales_ = nullptr; // int8: of every row
    char* rows_ = nullptr;    // in tiles
};

template <class Math, class Activation> bool run_shares(const Call& call) {
    bool done = true;
#pragma omp parallel num_threads(call.threads) reduction(&& : done)
    {
        const Share share = share_of(call.m, call.weight->panels, omp_get_thread_num(), omp_get_num_threads());
        done = Runner<Math, Activation>(call, share).run();
    }
    return done;
}

template <class Math> bool run_activation(const Call& call) {
    switch (call.activation) {
    case kGelu:
    case kGeluTanh: return run_shares<Math, Even>(call);
    case kSilu:
    case kQuickGelu: return run_shares<Math, Sigmoid>(call);
    case kRelu: return run_shares<Math, Relu>(call);
    default: return run_shares<Math, Nothing>(call);
    }
}

} // namespace
} // namespace gemm
} // namespace cenote
