// Which instructions the machine has, and what every exported function is declared with.
#pragma once

#include <cstdint>

#define CENOTE_API extern "C" __attribute__((visibility("default")))

namespace cenote {

// Levels contain one another.
enum Level : int {
    kNone = 0,
    kAvx2 = 1,     // AVX2 and FMA
    kAvx512 = 2,   // AVX-512 F, BW, DQ and VL
    kVnni = 3,     // and AVX512_VNNI
    kBf16Vnni = 4, // and AVX512_BF16
    kAmx = 5,      // and AMX tiles of bfloat16 and int8, which the system let this process use
};

enum DType : int { kFloat32 = 0, kBFloat16 = 1 };
enum Activation : int { kNothing = 0, kGelu = 1, kGeluTanh = 2, kSilu = 3, kRelu = 4, kQuickGelu = 5 };

} // namespace cenote

// The highest level that this process may use, a value of cenote::Level.
CENOTE_API int cenote_level();
