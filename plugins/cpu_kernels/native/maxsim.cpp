// The exported MaxSim: the query laid out for the instructions that are taken.
#include "maxsim.h"

#if defined(__x86_64__)
#include <cstdlib>
#include <cstring>

using namespace cenote;

namespace {

// How the query is laid out: numbers of 32 bits in a register, and parts of a vector in each of them.
struct Layout {
    int64_t width, parts, units;
};

int64_t bytes_of(int type) { return type == kVectorFloat32 ? 4 : type == kVectorInt8 ? 1 : 2; }

void* zeros(int64_t words) {
    void* found = nullptr;
    const size_t size = static_cast<size_t>(words > 0 ? words : 1) * 4;
    if (posix_memalign(&found, 64, size) != 0) return nullptr;
    memset(found, 0, size);
    return found;
}

// Rows of `units` words, 0 where there is nothing.
void lay_out(const Layout& layout, const char* query, int64_t vectors, int64_t width, int64_t bytes, char* planes) {
    for (int64_t vector = 0; vector < vectors; ++vector) {
        const int64_t plane = vector / layout.width, lane = vector % layout.width;
        for (int64_t at = 0; at < width; ++at) {
            const int64_t word = (plane * layout.units + at / layout.parts) * layout.width + lane;
            memcpy(planes + word * 4 + at % layout.parts * bytes, query + (vector * width + at) * bytes,
                   static_cast<size_t>(bytes));
        }
    }
}

// The parts of a float32 query as `maxsim_amx::floats` wants them: each is cut off, and what is left is the next.
void lay_out_parts(const Layout& layout, const float* query, int64_t vectors, int64_t width, char* planes) {
    const int64_t part_words = (vectors + layout.width - 1) / layout.width * layout.units * layout.width;
    for (int64_t vector = 0; vector < vectors; ++vector) {
        const int64_t plane = vector / layout.width, lane = vector % layout.width;
        for (int64_t at = 0; at < width; ++at) {
            const int64_t word = (plane * layout.units + at / 32 * 16 + at % 16) * layout.width + lane;
            float rest = query[vector * width + at];
            for (int64_t part = 0; part < 3; ++part) {
                uint32_t bits;
                memcpy(&bits, &rest, 4);
                const uint16_t half = static_cast<uint16_t>(bits >> 16);
                memcpy(planes + (part * part_words + word) * 4 + at % 32 / 16 * 2, &half, 2);
                bits &= 0xffff0000u;
                float high;
                memcpy(&high, &bits, 4);
                rest -= high;
            }
        }
    }
}

bool score(int level, int query_type, bool in_parts, const MaxsimCall& call) {
    if (in_parts) return maxsim_amx::floats(call);
    if (query_type == kVectorFloat32)
        return level >= kAvx512 ? maxsim_avx512::floats(call) : maxsim_avx2::floats(call);
    if (query_type == kVectorBFloat16)
        return level >= kAmx ? maxsim_amx::bfloats(call) : maxsim_vnni::bfloats(call);
    return level >= kAmx ? maxsim_amx::whole(call) : maxsim_vnni::whole(call);
}

} // namespace

// The query is float32 for documents of any type, or of their type if that is bfloat16 or int8 and the level is
// kBf16Vnni at least; rows of it are in one piece. Returns 0, or 1 where memory is missing.
CENOTE_API int cenote_maxsim(int level, int threads, int64_t documents, const int64_t* addresses,
                              const int64_t* counts, int64_t total, int64_t step, int64_t width, int type,
                              const void* query, int query_type, int64_t vectors, const int64_t* ends,
                              int64_t queries, float* out) {
    Layout layout = {level >= kAvx512 ? 16 : 8, 4 / bytes_of(query_type), 0};
    layout.units = (width + layout.parts - 1) / layout.parts;
    if (level >= kAmx && query_type != kVectorFloat32) layout.units = (layout.units + 15) / 16 * 16;
    const bool in_parts = level >= kAmx && query_type == kVectorFloat32 && type == kVectorFloat32;
    if (in_parts) layout.units = (width + 31) / 32 * 16;
    const int64_t count = (vectors + layout.width - 1) / layout.width;
    char* planes = static_cast<char*>(zeros((in_parts ? 3 : 1) * count * layout.units * layout.width));
    int32_t* sums = static_cast<int32_t*>(zeros(count * layout.width));
    if (planes == nullptr || sums == nullptr) {
        free(planes);
        free(sums);
        return 1;
    }
    if (in_parts) lay_out_parts(layout, static_cast<const float*>(query), vectors, width, planes);
    else lay_out(layout, static_cast<const char*>(query), vectors, width, bytes_of(query_type), planes);
    if (query_type == kVectorInt8)
        for (int64_t at = 0; at < vectors * width; ++at)
            sums[at / width] += static_cast<const int8_t*>(query)[at];
    const MaxsimCall call = {threads, documents, addresses,    counts, total,
                             step,    width,     type,         vectors, reinterpret_cast<const uint32_t*>(planes),
                             count,   layout.units, sums, ends, queries, out};
    const bool done = score(level, query_type, in_parts, call);
    free(planes);
    free(sums);
    return done ? 0 : 1;
}

#endif
