// MaxSim of two bfloat16 or two int8 sides, with the instructions that multiply pairs and fours of them.
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")
#include "simd_avx512.h"

#include "maxsim.h"
#include "maxsim_share.h"
#define CENOTE_TILE_ROWS 12
#include "maxsim_tile.inc.h"

namespace {

inline __m512i repeated_word(const char* from) {
    int32_t word;
    __builtin_memcpy(&word, from, 4);
    return _mm512_set1_epi32(word);
}

struct Pairs {
    using Sum = __m512;
    using Unit = __m512i;
    static Sum start() { return zero(); }
    static Sum lowest() { return set1(-__builtin_inff()); }
    static Unit unit(const uint32_t* from) { return _mm512_loadu_si512(from); }
    static Unit repeated(const char* from) { return repeated_word(from); }
    static Sum step(Sum sum, Unit wanted, Unit given) {
        return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(wanted), reinterpret_cast<__m512bh>(given));
    }
    static Sum larger(Sum best, Sum value) { return max_or_nan(best, value); }
    static void write(float* to, Sum best, const int32_t*, int64_t) { store(to, best); }
    static void convert(const char* from, int, int64_t width, char* to) {
        __builtin_memcpy(to, from, static_cast<size_t>(2 * width)); // beyond it there are zeros
    }
};

// The instruction takes one side without a sign: documents have 128 added, whose share is taken off at the end.
struct Fours {
    using Sum = __m512i;
    using Unit = __m512i;
    static Sum start() { return _mm512_setzero_si512(); }
    static Sum lowest() { return _mm512_set1_epi32(INT32_MIN); }
    static Unit unit(const uint32_t* from) { return _mm512_loadu_si512(from); }
    static Unit repeated(const char* from) { return repeated_word(from); }
    static Sum step(Sum sum, Unit wanted, Unit given) { return _mm512_dpbusd_epi32(sum, given, wanted); }
    static Sum larger(Sum best, Sum value) { return _mm512_max_epi32(best, value); }
    static void write(float* to, Sum best, const int32_t* sums, int64_t first) {
        const __m512i added = _mm512_slli_epi32(_mm512_loadu_si512(sums + first), 7);
        store(to, _mm512_cvtepi32_ps(_mm512_sub_epi32(best, added)));
    }
    static void convert(const char* from, int, int64_t width, char* to) {
        const __m512i sign = _mm512_set1_epi8(-128);
        int64_t at = 0;
        for (; at + 64 <= width; at += 64)
            _mm512_storeu_si512(to + at, _mm512_xor_si512(_mm512_loadu_si512(from + at), sign));
        if (at < width) {
            const __mmask64 rest = (1ull << (width - at)) - 1;
            const __m512i found = _mm512_maskz_loadu_epi8(rest, from + at);
            _mm512_mask_storeu_epi8(to + at, rest, _mm512_xor_si512(found, sign));
        }
    }
};

} // namespace

bool cenote::maxsim_vnni::bfloats(const MaxsimCall& call) { return score<Pairs>(call, call.width % 2 == 0); }

bool cenote::maxsim_vnni::whole(const MaxsimCall& call) { return score<Fours>(call, false); }
#endif
