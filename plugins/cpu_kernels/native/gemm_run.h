// The order in which blocks are computed. Included by files that are compiled for AMX and AVX-512.
//
// A thread takes a group of rows small enough for its L2 cache and copies them into tiles (tiles that are loaded from
// rows far apart come from L2 at half the speed); of very long rows, one slice of their numbers after the other. Then
// group by group of the panels of the weight, so small that the next one has room beside it and comes while this one
// is multiplied; then the steps of the panels along `in` in groups small enough for the L1 cache, then block by block
// of 32 rows.
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
//   prepare(call, first, count, begin, steps, to, scales): up to 32 rows of the call -> these steps of a block in
//     tiles; only Math that sums groups of steps apart is asked for less than all of them
//   multiply<kRowTiles>(rows, steps, weights, tail): the products, and kAdvances shares of the tail for each step
template <class Math, class Activation> class Runner {
  public:
    Runner(const Call& call, const Share& share) : call_(call), weight_(*call.weight), share_(share), tail_(call) {}

    // Returns false where there is no memory.
    bool run() {
        if (share_.first >= share_.last || share_.left >= share_.right) return true;
        const long all = (share_.last - share_.first + 31) / 32, rows_bytes = weight_.steps * Math::kStepBytes;
        depths_ = (weight_.steps + Math::kMostSteps - 1) / Math::kMostSteps;
        const Groups panels(share_.right - share_.left, kPanelBytes / (weight_.steps * weight_.step_bytes()), 64);
        const bool fits = kMostBlocks * panels.all * kBlockNumbers * long{sizeof(float)} <= kMostSums;
        slices_ = kApart && fits
            ? std::min(depths_, (std::min(all, kMostBlocks) * rows_bytes + kRowBytes - 1) / kRowBytes) : 1;
        const Groups blocks(all, slices_ > 1 ? kMostBlocks : kRowBytes / rows_bytes, kMostBlocks);
        const long places = blocks.largest * (slices_ > 1 ? panels.all : panels.largest);
        const long sums = kApart || depths_ == 1 ? 1 : places, kept = kApart && depths_ > 1 ? places : 0;
        long steps = 0;
        for (long slice = 0; slice < slices_; ++slice) steps = std::max(steps, end_of(slice) - end_of(slice - 1));
        const long floats = (sums + kept) * kBlockNumbers, scales = 32 * blocks.largest;
        char* memory = scratch(floats * sizeof(float) + scales * sizeof(RowScale) + blocks.largest * steps * Math::kStepBytes);
        if (memory == nullptr) return false;
        sums_ = reinterpret_cast<float*>(memory);
        kept_ = sums_ + sums * kBlockNumbers;
        scales_ = reinterpret_cast<RowScale*>(kept_ + kept * kBlockNumbers);
        rows_ = reinterpret_cast<char*>(scales_ + scales);
        configure_tiles();
        for (long group = 0; group < blocks.count; ++group) {
            const long first = share_.first + blocks.start(group) * 32;
            const long last = share_.first + blocks.start(group + 1) * 32;
            for (long slice = 0; slice < slices_; ++slice)
                run_slice(first, std::min(last, share_.last) - first, slice, panels);
        }
        release_tiles();
        return true;
    }

  private:
    static constexpr bool kApart = Math::kAdds && !Math::kInt8; // groups of steps are summed apart: more precise
    static constexpr long kRowBytes = 1200 << 10, kPanelBytes = 256 << 10, kMostBlocks = 8;
    static constexpr long kMostSums = 8 << 20; // bytes that sums of all panels may take from slice to slice

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

    long step_of(long depth) const { return weight_.steps * depth / depths_; }

    long end_of(long slice) const { return step_of(depths_ * (slice + 1) / slices_); }

    void run_slice(long first, long rows, long slice, const Groups& panels) {
        const long from = depths_ * slice / slices_, to = depths_ * (slice + 1) / slices_;
        const long begin = step_of(from), steps = step_of(to) - begin, block_bytes = steps * Math::kStepBytes;
        const long stride = call_.stride * 2, whole = Math::in_place(call_) ? rows / 32 * 32 : 0;
        const long blocks = (rows + 31) / 32;
        for (long row = whole; row < rows; row += 32)
            Math::prepare(call_, first + row, std::min(rows - row, 32L), begin, steps, rows_ + row / 32 * block_bytes,
                          scales_ + row);
        before_tile_loads();
        for (long group = 0; group < panels.count; ++group)
            for (long depth = from; depth < to; ++depth)
                for (long block = 0; block < blocks; ++block) {
                    const long row = block * 32, step = step_of(depth) - begin;
                    const Rows at = row < whole
                        ? Rows{static_cast<const char*>(call_.rows) + (first + row) * stride + step * 64, stride, 64}
                        : Rows{rows_ + block * block_bytes + step * Math::kStepBytes, 64, Math::kStepBytes};
                    const int count = static_cast<int>(std::min(rows - row, 32L));
                    for (long index = panels.start(group); index < panels.start(group + 1); ++index) {
                        const long place = (slices_ > 1 ? index : index - panels.start(group)) * blocks + block;
                        const Part part{share_.left + index, depth, depths_ == 1 ? 0 : place, first + row, row, count};
                        fetch(part.panel + panels.largest, depth, block, blocks);
                        if (count > 16) run_block<2>(at, part);
                        else run_block<1>(at, part);
                    }
                }
        tail_.advance(32);
    }

    // A block's products with some steps of a panel: where its sums are kept, its row in the call and in memory here.
    struct Part {
        long panel, depth, place, row, row_here;
        int count;
    };

    // Each block brings its share of the same steps of the next group's panel from afar to the L2 cache.
    void fetch(long panel, long depth, long block, long blocks) {
        if (panel >= share_.right) return tail_.fetch(nullptr, 0);
        const long begin = step_of(depth), steps = step_of(depth + 1) - begin;
        const long lines = steps * weight_.step_bytes() / 64;
        const long start = lines * block / blocks, count = lines * (block + 1) / blocks - start;
        const long advances = Math::kAdvances * steps;
        tail_.fetch(weight_.panel(panel) + begin * weight_.step_bytes() + start * 64,
                    static_cast<int>((count + advances - 1) / advances));
    }

    // Rows of a block that a share lacks are whatever was in memory; their results are left out.
    template <int kRowTiles> void run_block(const Rows& from, const Part& part) {
        const long depth = part.depth, begin = step_of(depth);
        float* sums = sums_ + (kApart ? 0 : part.place) * kBlockNumbers;
        float* kept = kept_ + part.place * kBlockNumbers;
        const float* bias = weight_.bias + part.panel * kPanel;
        const bool complete = depth + 1 == depths_;
        if (depth > 0 && !kApart) load_sums<kRowTiles>(sums, kPanel * sizeof(float));
        else if (Math::kAdds) zero_sums<kRowTiles>();
        else load_sums<kRowTiles>(bias, 0);
        Math::template multiply<kRowTiles>(from, step_of(depth + 1) - begin,
                                           weight_.panel(part.panel) + begin * weight_.step_bytes(), tail_);
        tail_.advance(32);
        store_sums<kRowTiles>(sums);
        if (!complete && !kApart) return; // the sums go on as they are
        const long column = part.panel * kPanel, element = call_.dtype == kFloat32 ? 4 : 2;
        Block rest{};
        rest.sums = sums;
        rest.base = kApart && depth > 0 ? kept : bias;
        rest.base_stride = kApart && depth > 0 ? kPanel : 0;
        rest.keep = complete ? nullptr : kept;
        rest.result = static_cast<char*>(call_.result) + (part.row * weight_.out + column) * element;
        rest.rows_scale = scales_ + part.row_here;
        rest.scale = weight_.scale + column;
        rest.total = weight_.total + column;
        rest.rows = part.count;
        rest.columns = static_cast<int>(weight_.out - column < kPanel ? weight_.out - column : kPanel);
        tail_.begin(rest);
    }

    const Call& call_;
    const Packed& weight_;
    const Share share_;
    Tail<Activation, Math::kAdds, Math::kInt8> tail_;
    long depths_ = 1; // groups of steps
    long slices_ = 1; // of rows, each some groups of steps
    float* sums_ = nullptr;   // as the tiles gave them
    float* kept_ = nullptr;   // of the groups of steps before
    RowScale* scales_ = nullptr; // int8: of every row
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
