// MaxSim in float32, compiled for AVX-512.
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
#include "simd_avx512.h"

#include "maxsim.h"
#include "maxsim_share.h"
#define CENOTE_SPACE cenote::maxsim_avx512
#define CENOTE_TILE_ROWS 12
#include "maxsim_tile.inc.h"

namespace {
inline Vec load_half(const uint16_t* from) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
} // namespace

#include "maxsim_floats.inc.h"
#endif
