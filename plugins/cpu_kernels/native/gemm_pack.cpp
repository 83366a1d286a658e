// Laying out weights, and the functions that Python calls.
#if defined(__x86_64__)
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "gemm.h"

namespace cenote {
namespace gemm {
namespace {

float widened(uint16_t half) {
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

// To the nearest bfloat16, ties to even. A finite number stays finite: beyond the largest it is cut off instead.
uint16_t narrowed(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const uint16_t cut = static_cast<uint16_t>(bits >> 16);
    if ((bits & 0x7f800000u) == 0x7f800000u) return (bits & 0x7fffffu) ? cut | 0x40 : cut;
    const uint16_t rounded = static_cast<uint16_t>((bits + 0x7fff + (cut & 1)) >> 16);
    return (rounded & 0x7f80) == 0x7f80 ? cut : rounded;
}

float weight_at(const void* weight, int dtype, size_t place) {
    return dtype == kFloat32 ? static_cast<const float*>(weight)[place]
                             : widened(static_cast<const uint16_t*>(weight)[place]);
}

// Columns of the result are rows of the weight: number `k` of column `n` goes to its tile.
void pack_bf16(Packed& packed, const void* weight, int dtype, long column) {
    const long lane = column % 16, half = column / 16 % 2;
    char* panel = packed.tiles + column / kPanel * packed.steps * packed.step_bytes();
    for (long k = 0; k < packed.in; ++k) {
        float rest = weight_at(weight, dtype, static_cast<size_t>(column) * packed.in + k);
        const long step = k / 32, pair = k % 32 / 2;
        for (long part = 0; part < packed.parts; ++part) {
            const uint16_t number = narrowed(rest);
            rest -= widened(number);
            char* tile = panel + step * packed.step_bytes() + (2 * part + half) * kTileBytes;
            std::memcpy(tile + pair * 64 + lane * 4 + k % 2 * 2, &number, 2);
        }
    }
}

void pack_floats(Packed& packed, const void* weight, int dtype, long column) {
    float* panel = packed.floats + column / kPanel * packed.in * kPanel;
    for (long k = 0; k < packed.in; ++k)
        panel[k * kPanel + column % kPanel] =
            column < packed.out ? weight_at(weight, dtype, static_cast<size_t>(column) * packed.in + k) : 0;
}

void pack_int8(Packed& packed, const void* weight, int dtype, long column) {
    const long lane = column % 16, half = column / 16 % 2;
    char* panel = packed.tiles + column / kPanel * packed.steps * packed.step_bytes();
    const size_t start = static_cast<size_t>(column) * packed.in;
    float largest = 0, odd = 0;
    for (long k = 0; k < packed.in; ++k) {
        const float value = weight_at(weight, dtype, start + k);
        largest = std::fmax(largest, std::fabs(value));
        odd += 0 * value; // NaN and infinity give NaN, and with it a column of NaN
    }
    const float scale = (largest > 0 ? largest / 127.0f : 1.0f) + odd;
    int32_t sum = 0;
    for (long k = 0; k < packed.in; ++k) {
        const int8_t number = static_cast<int8_t>(std::lrint(weight_at(weight, dtype, start + k) / scale));
        panel[k / 64 * packed.step_bytes() + half * kTileBytes + k % 64 / 4 * 64 + lane * 4 + k % 4] = number;
        sum += number;
    }
    packed.scale[column] = scale;
    packed.total[column] = sum;
}

} // namespace
} // namespace gemm
} // namespace cenote

using namespace cenote;
using namespace cenote::gemm;

void* cenote_linear_prepare(int kind, int level, const void* weight, int dtype, long out, long in, const float* bias,
                            int threads) {
    Packed* packed = static_cast<Packed*>(std::calloc(1, sizeof(Packed)));
    if (packed == nullptr) return nullptr;
    packed->kind = kind;
    packed->level = level;
    packed->out = out;
    packed->in = in;
    packed->panels = (out + kPanel - 1) / kPanel;
    const long numbers = kind == kInt8 ? 64 : 32;
    packed->steps = kind == kFloats ? 0 : (in + numbers - 1) / numbers; // nothing in tiles
    packed->parts = kind == kSplit6 ? 3 : kind == kSplit3 ? 2 : 1;
    const size_t columns = packed->panels * kPanel, tiles = packed->panels * packed->steps * packed->step_bytes();
    const bool split = kind == kSplit6 || kind == kSplit3;
    const bool kept = kind == kFloats || (split && dtype == kFloat32 && out * in <= kMostFloats);
    const size_t numbers_kept = kept ? columns * in : 0;
    const size_t bytes = (tiles + (3 * columns + numbers_kept) * sizeof(float) + 63) / 64 * 64;
    packed->tiles = static_cast<char*>(std::aligned_alloc(64, bytes));
    if (packed->tiles == nullptr) {
        std::free(packed);
        return nullptr;
    }
    packed->bias = reinterpret_cast<float*>(packed->tiles + tiles);
    packed->scale = packed->bias + columns;
    packed->total = reinterpret_cast<int32_t*>(packed->scale + columns);
    packed->floats = kept ? packed->scale + 2 * columns : nullptr;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long panel = 0; panel < packed->panels; ++panel) {
        std::memset(packed->tiles + panel * packed->steps * packed->step_bytes(), 0, packed->steps * packed->step_bytes());
        for (long column = panel * kPanel; column < (panel + 1) * kPanel; ++column) {
            packed->bias[column] = bias != nullptr && column < out ? bias[column] : 0;
            packed->scale[column] = 0;
            packed->total[column] = 0;
            if (kept) pack_floats(*packed, weight, dtype, column);
            if (column >= out) continue;
            if (kind == kInt8) pack_int8(*packed, weight, dtype, column);
            else if (kind != kFloats) pack_bf16(*packed, weight, dtype, column);
        }
    }
    return packed;
}

void cenote_linear_free(void* packed) {
    if (packed == nullptr) return;
    std::free(static_cast<Packed*>(packed)->tiles);
    std::free(packed);
}

int cenote_linear(const void* packed, const void* rows, int dtype, long m, long stride, void* result, int activation,
                  int threads) {
    const Call call{static_cast<const Packed*>(packed), rows, m, stride, dtype, result, activation, threads};
    const bool tiles = call.weight->level >= kAmx;
    switch (call.weight->kind) {
    case kBf16: return (tiles ? run_bf16(call) : run_bf16_vectors(call)) ? 0 : 1;
    case kInt8: return (tiles ? run_int8(call) : run_int8_vectors(call)) ? 0 : 1;
    case kFloats: return run_floats(call) ? 0 : 1;
    default: return (call.weight->floats != nullptr && m <= kFewRows ? run_floats(call) : run_split(call)) ? 0 : 1;
    }
}
#endif
