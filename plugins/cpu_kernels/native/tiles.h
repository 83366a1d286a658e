// The configuration of AMX tiles, and what their loads do not say. Included by files that are compiled for AMX.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace cenote {
namespace {

// All eight tiles have 16 rows of 64 bytes (Intel SDM, volume 1, chapter 18).
struct alignas(64) TileConfig {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64}; // there is room for more tiles, which must stay 0
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Not on the stack: GCC 12 believes that the intrinsic reads 8 bytes, and may drop the rest.
static constexpr TileConfig kTileConfig;

inline void configure_tiles() { _tile_loadconfig(&kTileConfig); }
inline void release_tiles() { _tile_release(); }

// Between what is written to memory and the loads of it: those of GCC 12 do not say that they read memory.
inline void before_tile_loads() { asm volatile("" ::: "memory"); }

} // namespace
} // namespace cenote
