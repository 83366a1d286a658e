// Blocks of 32 rows and 32 columns on AMX tiles. Included by files that are compiled for AMX and AVX-512.
//
// Tiles 0..3 hold the sums (rows 0-15 and columns 0-15, columns 16-31, then rows 16-31), 4 and 5 rows, 6 and 7 weights.
// A block's sums are stored, and finished (bias, activation, rounding) in the shade of the next block's products: the
// tile unit works on its own, so that AVX-512 instructions between two steps cost next to nothing.
#pragma once

#include <immintrin.h>

#include "gemm.h"
#include "tiles.h"

namespace cenote {
namespace gemm {
namespace {

template <int kRowTiles> inline void zero_sums() {
    _tile_zero(0);
    _tile_zero(1);
    if (kRowTiles == 2) {
        _tile_zero(2);
        _tile_zero(3);
    }
}

// From 16 or 32 rows of 32 numbers; stride 0 gives every row the same ones.
template <int kRowTiles> inline void load_sums(const float* from, long stride) {
    _tile_loadd(0, from, stride);
    _tile_loadd(1, from + 16, stride);
    if (kRowTiles == 2) {
        _tile_loadd(2, from + 4 * stride, stride); // 16 rows of stride / 4 numbers
        _tile_loadd(3, from + 4 * stride + 16, stride);
    }
}

template <int kRowTiles> inline void store_sums(float* to) {
    constexpr long kStride = kPanel * sizeof(float);
    _tile_stored(0, to, kStride);
    _tile_stored(1, to + 16, kStride);
    if (kRowTiles == 2) {
        _tile_stored(2, to + 16 * kPanel, kStride);
        _tile_stored(3, to + 16 * kPanel + 16, kStride);
    }
}

#define CENOTE_PRODUCTS(name, instruction)                                                                             \
    template <int kRowTiles> inline void name() {                                                                      \
        instruction(0, 4, 6);                                                                                          \
        instruction(1, 4, 7);                                                                                          \
        if (kRowTiles == 2) {                                                                                          \
            instruction(2, 5, 6);                                                                                      \
            instruction(3, 5, 7);                                                                                      \
        }                                                                                                              \
    }
CENOTE_PRODUCTS(products_bf16, _tile_dpbf16ps)
CENOTE_PRODUCTS(products_int8, _tile_dpbusd) // rows are unsigned
#undef CENOTE_PRODUCTS

template <int kRowTiles> inline void load_rows(const char* from, long stride) {
    _tile_loadd(4, from, stride);
    if (kRowTiles == 2) _tile_loadd(5, from + 16 * stride, stride);
}

inline void load_weights(const char* from) {
    _tile_loadd(6, from, 64);
    _tile_loadd(7, from + kTileBytes, 64);
}

} // namespace
} // namespace gemm
} // namespace cenote
