// MaxSim in float32, compiled for AVX2.
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,f16c")
#include "simd_avx2.h"

#include "maxsim.h"
#include "maxsim_share.h"
#define CENOTE_SPACE cenote::maxsim_avx2
#define CENOTE_TILE_ROWS 6
#include "maxsim_tile.inc.h"

namespace {
inline Vec load_half(const uint16_t* from) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
} // namespace

#include "maxsim_floats.inc.h"
#endif
