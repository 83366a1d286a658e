// int8 products on AMX: every row is brought to bytes with a scale and a zero of its own when it comes.
#if defined(__x86_64__)
#include <immintrin.h>
#include <omp.h>

#include <algorithm>

#include "gemm.h"

#include "gemm_target.h"

#include "gemm_quantize.h"
#include "gemm_run.h"

namespace cenote {
namespace gemm {
namespace {

struct Int8Math {
    static constexpr bool kAdds = true, kInt8 = true;
    static constexpr long kStepBytes = 2 * kTileBytes, kMostSteps = 128, kAdvances = 1;

    static bool in_place(const Call&) { return false; }

    static void prepare(const Call& call, long first, long count, long, long, char* to, RowScale* scales) {
        for (long row = 0; row < count; ++row) scales[row] = quantize(call, first + row, to + row * 64, kStepBytes);
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
