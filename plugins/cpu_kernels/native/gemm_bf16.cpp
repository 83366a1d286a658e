// bfloat16 products on AMX.
#if defined(__x86_64__)
#include <immintrin.h>
#include <omp.h>

#include <algorithm>

#include "gemm.h"

#include "gemm_target.h"

#include "gemm_narrow.h"
#include "gemm_run.h"

namespace cenote {
namespace gemm {
namespace {

struct Bf16Math {
    static constexpr bool kAdds = false, kInt8 = false;
    static constexpr long kStepBytes = 2 * kTileBytes, kMostSteps = 256, kPrepared = 8, kAdvances = 1;

    // Rows are read where they are, unless they share too few sets of the L1 cache.
    static bool in_place(const Call& call) {
        return call.dtype == kBFloat16 && call.weight->in % 32 == 0 && call.stride % 512 != 0;
    }

    static void prepare(const Call& call, long first, long count, long, long, char* to, RowScale*) {
        // Some steps of every row, then the next ones: whole rows would spread over too many pages at once.
        const long in = call.weight->in;
        for (long start = 0; start < in; start += kPrepared * 32)
            for (long row = 0; row < count; ++row) {
                const long stop = start + kPrepared * 32 < in ? start + kPrepared * 32 : in;
                for (long k = start; k < stop; k += 32)
                    _mm512_store_si512(to + k / 32 * kStepBytes + row * 64, load_narrow(call, first + row, k));
            }
    }

    template <int kRowTiles, class Tail>
    static void multiply(const Rows& rows, long steps, const char* weights, Tail& tail) {
        const int share = static_cast<int>((tail.left() + steps - 1) / steps);
        const char* from = rows.data;
        for (long step = 0; step < steps; ++step, from += rows.step, weights += 2 * kTileBytes) {
            load_weights(weights);
            load_rows<kRowTiles>(from, rows.stride);
            products_bf16<kRowTiles>();
            tail.advance(share);
        }
    }
};

} // namespace

bool run_bf16(const Call& call) { return run_activation<Bf16Math>(call); }

} // namespace gemm
} // namespace cenote
#endif
