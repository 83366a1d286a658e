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
    const uint16_t rounded = static_cast<uint16_t>((bits + 0x7fff + (cut & 1)) >> 16);
    const uint16_t finite = (rounded & 0x7f80) == 0x7f80 ? cut : rounded;
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return nan ? cut | 0x40 : finite; // an infinity is cut
}

float weight_at(const void* weight, int dtype, size_t place) {
    return dtype == kFloat32 ? static_cast<const float*>(weight)[place]
                             : widened(static_cast<const uint16_t*>(weight)[place]);
}

// Columns of the result are rows of the weight: a row's numbers of one step go to its tiles, pair below pair.
void pack_bf16(Packed& packed, const void* weight, int dtype, long column, long step) {
    constexpr long kNumbers = 32;
    const long lane = column % 16, half = column / 16 % 2;
    const long start = step * kNumbers, count = packed.in - start < kNumbers ? packed.in - start : kNumbers;
    char* tiles = packed.tiles + column / kPanel * packed.steps * packed.step_bytes() + step * packed.step_bytes();
    float rest[kNumbers] = {};
    for (long k = 0; k < count; ++k)
        rest[k] = weight_at(weight, dtype, static_cast<size_t>(column) * packed.in + start + k);
    for (long part = 0; part < packed.parts; ++part) {
        uint16_t numbers[kNumbers];
        for (long k = 0; k < kNumbers; ++k) {
            numbers[k] = narrowed(rest[k]);
            rest[k] -= widened(numbers[k]);
        }
        char* place = tiles + (2 * part + half) * kTileBytes + lane * 4;
        for (long pair = 0; pair < kNumbers / 2; ++pair) std::memcpy(place + pair * 64, numbers + 2 * pair, 4);
    }
}

void pack_floats(Packed& packed, const void* weight, int dtype, long panel) {
    constexpr long kNumbers = 32; // at a time, which the nearest cache holds for a panel
    float* place = packed.floats + panel * packed.in * kPanel;
    for (long start = 0; start < packed.in; start += kNumbers) {
        const long end = start + kNumbers < packed.in ? start + kNumbers : packed.in;
        for (long lane = 0; lane < kPanel; ++lane) {
            const long column = panel * kPanel + lane;
            for (long k = start; k < end; ++k)
                place[k * kPanel + lane] =
                    column < packed.out ? weight_at(weight, dtype, static_cast<size_t>(column) * packed.in + k) : 0;
        }
    }
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
            if (kind == kInt8 && column < out) pack_int8(*packed, weight, dtype, column);
        }
        if (kept) pack_floats(*packed, weight, dtype, panel);
        if (kind == kInt8 || kind == kFloats) continue;
        const long last = (panel + 1) * kPanel < out ? (panel + 1) * kPanel : out;
        for (long step = 0; step < packed->steps; ++step) // whose tiles stay in the nearest cache
            for (long column = panel * kPanel; column < last; ++column) pack_bf16(*packed, weight, dtype, column, step);
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
