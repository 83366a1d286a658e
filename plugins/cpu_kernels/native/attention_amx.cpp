// Attention over bfloat16 tensors with AMX: products of tiles of 16 rows and 16 words, summed in float32.
#include "attention.h"
#include "isa.h"

#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,amx-tile,amx-bf16")
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // of intrinsics of GCC 12 itself
#pragma GCC diagnostic ignored "-Wuninitialized"
#include "tiles.h"

namespace {
using namespace cenote;
#define CENOTE_BF16_INSTRUCTIONS
#include "attention_v512.h"
#include "attention_product.h"
#include "attention_softmax.h"
#include "attention_block.h"
#include "attention_pairs.h"

// Sixteen rows at a time, so that their scores stay in the first cache; up to four panels share the left tile.
struct Tiles : Pairs<16> {
    static constexpr int64_t kRows = 16, kBlock = 256;

    // Always 16 rows: those beyond the asked ones are computed from what lies there, and nobody reads them.
    static void product(const float* a, int64_t a_step, int64_t, const float* b, int64_t b_step, int64_t panels,
                        int64_t depth, float* c, int64_t c_step, bool accumulate) {
        for (; panels >= 4; panels -= 4, b += 4 * b_step, c += 64)
            multiply<4>(a, a_step, b, b_step, depth, c, c_step, accumulate);
        if (panels == 3) multiply<3>(a, a_step, b, b_step, depth, c, c_step, accumulate);
        if (panels == 2) multiply<2>(a, a_step, b, b_step, depth, c, c_step, accumulate);
        if (panels == 1) multiply<1>(a, a_step, b, b_step, depth, c, c_step, accumulate);
    }

  private:
    template <int kPanels>
    static void multiply(const float* a, int64_t a_step, const float* b, int64_t b_step, int64_t depth, float* c,
                     int64_t c_step, bool accumulate) {
        before_tile_loads();
        if (accumulate) {
            _tile_loadd(0, c, 4 * c_step);
            if (kPanels > 1) _tile_loadd(1, c + 16, 4 * c_step);
            if (kPanels > 2) _tile_loadd(2, c + 32, 4 * c_step);
            if (kPanels > 3) _tile_loadd(3, c + 48, 4 * c_step);
        } else {
            _tile_zero(0);
            if (kPanels > 1) _tile_zero(1);
            if (kPanels > 2) _tile_zero(2);
            if (kPanels > 3) _tile_zero(3);
        }
        for (int64_t k = 0; k < depth; k += 16, b += 256) {
            _tile_loadd(4, a + k, 4 * a_step);
            _tile_loadd(5, b, 64);
            _tile_dpbf16ps(0, 4, 5);
            if (kPanels > 1) {
                _tile_loadd(6, b + b_step, 64);
                _tile_dpbf16ps(1, 4, 6);
            }
            if (kPanels > 2) {
                _tile_loadd(7, b + 2 * b_step, 64);
                _tile_dpbf16ps(2, 4, 7);
            }
            if (kPanels > 3) {
                _tile_loadd(5, b + 3 * b_step, 64);
                _tile_dpbf16ps(3, 4, 5);
            }
        }
        _tile_stored(0, c, 4 * c_step);
        if (kPanels > 1) _tile_stored(1, c + 16, 4 * c_step);
        if (kPanels > 2) _tile_stored(2, c + 32, 4 * c_step);
        if (kPanels > 3) _tile_stored(3, c + 48, 4 * c_step);
    }
};

constexpr AttentionEngine kEngine{engine_bytes<Tiles>, engine_run<Tiles>, configure_tiles, release_tiles};
} // namespace

const cenote::AttentionEngine* cenote::attention_amx() { return &kEngine; }
#else
const cenote::AttentionEngine* cenote::attention_amx() { return nullptr; }
#endif
