// MaxSim of two bfloat16 or two int8 sides in tiles: 32 vectors of documents with 32 of the query at a time.
//
// A block of 32 vectors may hold the end of one document and the beginning of the next where they follow one another in
// memory; only the maxima look at where documents end. What is left of a run is multiplied with some vectors before it.
//
// float32 vectors are the sums of three bfloat16 parts, whose six largest products are about as exact as those of
// float32 (Henry, Tang and Heinecke 2019, arXiv:1904.06376), and take a third of the time.
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16,amx-int8")
#include "simd_avx512.h"

#include "maxsim.h"
#include "maxsim_share.h"
#include "tiles.h"

namespace {
using namespace cenote;

constexpr int kTileRows = 16, kTileBytes = 64, kBlockRows = 32;

enum class Form { kPairs, kWhole, kSplit };
constexpr int kParts = 3;

struct TileFloats {
    using Sum = __m512;
    static Sum lowest() { return set1(-__builtin_inff()); }
    static Sum sums(const uint32_t* from) { return _mm512_load_ps(from); }
    static Sum larger(Sum best, Sum value) { return max_or_nan(best, value); }
    static void write(float* to, Sum best) { store(to, best); }
};

struct TileWhole {
    using Sum = __m512i;
    static Sum lowest() { return _mm512_set1_epi32(INT32_MIN); }
    static Sum sums(const uint32_t* from) { return _mm512_load_si512(from); }
    static Sum larger(Sum best, Sum value) { return _mm512_max_epi32(best, value); }
    static void write(float* to, Sum best) { store(to, _mm512_cvtepi32_ps(best)); }
};

#define CENOTE_MULTIPLY(sum, left, right)   \
    if constexpr (kWhole)                   \
        _tile_dpbssd(sum, left, right);     \
    else                                    \
        _tile_dpbf16ps(sum, left, right);

// Sums [32, planes of 16] of a block's vectors; `next` is read soon.
template <bool kWhole>
void multiply(const cenote::MaxsimCall& call, const char* rows, int64_t step, const char* next, uint32_t* sums) {
    const int64_t plane_size = call.units * kWidth, across = call.plane_count * kTileBytes;
    before_tile_loads();
    for (int64_t plane = 0; plane < call.plane_count; plane += 2) {
        const bool two = plane + 1 < call.plane_count;
        const uint32_t* wanted = call.planes + plane * plane_size;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int64_t unit = 0; unit < call.units; unit += 16) {
            if (plane == 0)
                for (int64_t row = 0; row < kBlockRows; ++row)
                    _mm_prefetch(next + row * step + 4 * unit, _MM_HINT_T0);
            _tile_loadd(4, rows + 4 * unit, step);
            _tile_loadd(5, rows + kTileRows * step + 4 * unit, step);
            _tile_loadd(6, wanted + unit * kWidth, kTileBytes);
            CENOTE_MULTIPLY(0, 4, 6)
            CENOTE_MULTIPLY(1, 5, 6)
            if (two) {
                _tile_loadd(7, wanted + plane_size + unit * kWidth, kTileBytes);
                CENOTE_MULTIPLY(2, 4, 7)
                CENOTE_MULTIPLY(3, 5, 7)
            }
        }
        uint32_t *upper = sums + plane * kWidth, *lower = upper + kTileRows * call.plane_count * kWidth;
        _tile_stored(0, upper, across);
        _tile_stored(1, lower, across);
        if (two) {
            _tile_stored(2, upper + kWidth, across);
            _tile_stored(3, lower + kWidth, across);
        }
    }
}

// A vector of float32 as parts, `part` bytes apart: each 32 numbers become 16 words of numbers 16 places apart.
inline void split(const char* from, int64_t width, int64_t part, char* to) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u)), half = _mm512_set1_epi32(0x8000);
    const float* row = reinterpret_cast<const float*>(from);
    for (int64_t at = 0; at < width; at += 32, to += kTileBytes) {
        const int64_t left = width - at;
        const uint32_t mask = left >= 32 ? 0xffffffffu : (1u << left) - 1;
        __m512 a = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), row + at);
        __m512 b = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), row + at + 16);
        for (int index = 0; index < kParts; ++index) {
            __m512i near_a = _mm512_castps_si512(a), near_b = _mm512_castps_si512(b);
            if (index == 1) { // the first part is cut off, which keeps it finite, and the third fits as it is
                near_a = _mm512_add_epi32(near_a, half);
                near_b = _mm512_add_epi32(near_b, half);
            }
            const __m512i high_a = _mm512_and_si512(near_a, upper), high_b = _mm512_and_si512(near_b, upper);
            _mm512_store_si512(to + index * part, _mm512_or_si512(_mm512_srli_epi32(high_a, 16), high_b));
            a = _mm512_sub_ps(a, _mm512_castsi512_ps(high_a));
            b = _mm512_sub_ps(b, _mm512_castsi512_ps(high_b));
        }
    }
}

template <bool kTwo> inline void load_wanted(const uint32_t* from, int64_t plane_size) {
    _tile_loadd(6, from, kTileBytes);
    if (kTwo) _tile_loadd(7, from + plane_size, kTileBytes);
}

inline void load_given(const char* from, int64_t step) {
    _tile_loadd(4, from, step);
    _tile_loadd(5, from + kTileRows * step, step);
}

template <bool kTwo> inline void add_products() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 5, 6);
    if (kTwo) {
        _tile_dpbf16ps(2, 4, 7);
        _tile_dpbf16ps(3, 5, 7);
    }
}

// Sums [32, one or two planes of 16] of a block in parts; the small products before the large ones.
template <bool kTwo>
void multiply_parts(const cenote::MaxsimCall& call, const char* rows, int64_t plane, uint32_t* sums) {
    const int64_t plane_size = call.units * kWidth, across = call.plane_count * kTileBytes, step = 4 * call.units;
    const int64_t next = kBlockRows * step, next_wanted = call.plane_count * plane_size;
    const uint32_t* wanted = call.planes + plane * plane_size;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t unit = 0; unit < call.units; unit += 16) {
        const char* given = rows + 4 * unit;
        const uint32_t* with = wanted + unit * kWidth;
        load_given(given, step);
        load_wanted<kTwo>(with + 2 * next_wanted, plane_size);
        add_products<kTwo>(); // 1 3
        load_wanted<kTwo>(with + next_wanted, plane_size);
        add_products<kTwo>(); // 1 2
        load_given(given + next, step);
        add_products<kTwo>(); // 2 2
        load_wanted<kTwo>(with, plane_size);
        add_products<kTwo>(); // 2 1
        load_given(given + 2 * next, step);
        add_products<kTwo>(); // 3 1
    }
    for (int64_t unit = 0; unit < call.units; unit += 16) {
        load_given(rows + 4 * unit, step);
        load_wanted<kTwo>(wanted + unit * kWidth, plane_size);
        add_products<kTwo>(); // 1 1
    }
    uint32_t *upper = sums + plane * kWidth, *lower = upper + kTileRows * call.plane_count * kWidth;
    _tile_stored(0, upper, across);
    _tile_stored(1, lower, across);
    if (kTwo) {
        _tile_stored(2, upper + kWidth, across);
        _tile_stored(3, lower + kWidth, across);
    }
}

struct Memory {
    char* rows;     // of a block, where documents cannot be multiplied where they are
    uint32_t* sums; // of a block
    void* best;     // of a document
    float* found;   // the same as float32
};

// The maxima of rows [first, stop) of a block into the best of a document.
template <class Kind>
void merge(const cenote::MaxsimCall& call, const Memory& memory, int64_t first, int64_t stop) {
    typename Kind::Sum* best = static_cast<typename Kind::Sum*>(memory.best);
    const int64_t across = call.plane_count * kWidth;
    for (int64_t plane = 0; plane < call.plane_count; ++plane) {
        const uint32_t* sums = memory.sums + plane * kWidth;
        typename Kind::Sum largest = best[plane];
        for (int64_t row = first; row < stop; ++row) largest = Kind::larger(largest, Kind::sums(sums + row * across));
        best[plane] = largest;
    }
}

template <class Kind>
void begin(const cenote::MaxsimCall& call, const Memory& memory) {
    for (int64_t plane = 0; plane < call.plane_count; ++plane)
        static_cast<typename Kind::Sum*>(memory.best)[plane] = Kind::lowest();
}

template <class Kind>
void finish(const cenote::MaxsimCall& call, const Memory& memory, int64_t document) {
    for (int64_t plane = 0; plane < call.plane_count; ++plane)
        Kind::write(memory.found + plane * kWidth, static_cast<typename Kind::Sum*>(memory.best)[plane]);
    write_sums(call, document, memory.found);
}

// Documents [first, stop), which follow one another in memory.
template <class Kind, Form kForm>
void run(const cenote::MaxsimCall& call, const Memory& memory, int64_t first, int64_t stop, int64_t count, bool direct) {
    const char* rows = first_vector(call, first);
    constexpr bool kWhole = kForm == Form::kWhole;
    const int64_t bytes = kWhole ? call.width : 2 * call.width, copy_step = 4 * call.units;
    int64_t document = first, ends = call.counts[first];
    begin<Kind>(call, memory);
    for (int64_t row = 0; row < count; row += kBlockRows) {
        const int64_t here = count - row < kBlockRows ? count - row : kBlockRows;
        int64_t skipped = 0; // rows of the block that were seen before
        if (direct && here == kBlockRows) {
            multiply<kWhole>(call, rows + row * call.step, call.step, rows + (row + kBlockRows) * call.step, memory.sums);
        } else if (direct && count >= kBlockRows) {
            skipped = kBlockRows - here;
            const char* from = rows + (row - skipped) * call.step;
            multiply<kWhole>(call, from, call.step, rows + count * call.step, memory.sums);
        } else if (kForm == Form::kSplit) {
            for (int64_t each = 0; each < here; ++each) {
                const char* from = rows + (row + each) * call.step;
                for (int64_t line = 0; line < 4 * call.width; line += 64)
                    _mm_prefetch(from + kBlockRows * call.step + line, _MM_HINT_T0);
                split(from, call.width, kBlockRows * copy_step, memory.rows + each * copy_step);
            }
            before_tile_loads();
            for (int64_t plane = 0; plane < call.plane_count; plane += 2)
                if (plane + 1 < call.plane_count) multiply_parts<true>(call, memory.rows, plane, memory.sums);
                else multiply_parts<false>(call, memory.rows, plane, memory.sums);
        } else {
            for (int64_t each = 0; each < here; ++each)
                __builtin_memcpy(memory.rows + each * copy_step, rows + (row + each) * call.step,
                                 static_cast<size_t>(bytes));
            multiply<kWhole>(call, memory.rows, copy_step, rows + (row + here) * call.step, memory.sums);
        }
        for (int64_t at = row; at < row + here;) {
            const int64_t until = ends < row + here ? ends : row + here;
            merge<Kind>(call, memory, at - row + skipped, until - row + skipped);
            at = until;
            if (at < ends) continue;
            finish<Kind>(call, memory, document);
            if (++document == stop) return;
            ends += call.counts[document];
            begin<Kind>(call, memory);
        }
    }
}

template <class Kind, Form kForm>
bool score(const cenote::MaxsimCall& call) {
    const int64_t together = documents_together(call), shares = (call.documents + together - 1) / together;
    const int64_t across = call.plane_count * kTileBytes, parts = kForm == Form::kSplit ? kParts : 1;
    const int64_t copied = parts * kBlockRows * call.units * 4;
    const bool direct = kForm != Form::kSplit && call.width * (kForm == Form::kWhole ? 1 : 2) == 4 * call.units;
    bool failed = false;
#pragma omp parallel num_threads(maxsim_team(call)) reduction(|| : failed)
    {
        const Scratch rows(copied), sums(kBlockRows * across), best(across), found(across);
        const Memory memory = {static_cast<char*>(rows.at), static_cast<uint32_t*>(sums.at), best.at,
                               static_cast<float*>(found.at)};
        failed = !(rows.at && sums.at && best.at && found.at);
        if (!failed) __builtin_memset(rows.at, 0, static_cast<size_t>(copied));
        configure_tiles();
#pragma omp for schedule(dynamic)
        for (int64_t share = 0; share < shares; ++share) {
            if (failed) continue;
            int64_t first = share * together;
            const int64_t last = first + together < call.documents ? first + together : call.documents;
            while (first < last) {
                int64_t stop = first + 1, count = call.counts[first];
                while (stop < last && call.addresses[stop] == call.addresses[first] + count * call.step)
                    count += call.counts[stop++];
                run<Kind, kForm>(call, memory, first, stop, count, direct);
                first = stop;
            }
        }
        release_tiles();
    }
    return !failed;
}

} // namespace

bool cenote::maxsim_amx::bfloats(const MaxsimCall& call) { return score<TileFloats, Form::kPairs>(call); }

bool cenote::maxsim_amx::whole(const MaxsimCall& call) { return score<TileWhole, Form::kWhole>(call); }

bool cenote::maxsim_amx::floats(const MaxsimCall& call) { return score<TileFloats, Form::kSplit>(call); }
#endif
