// Products in registers: some vectors of a document with two planes of the query, component by component.

namespace {

inline void fetch(const char* address) { _mm_prefetch(address, _MM_HINT_T0); }

// Merge the products of kRows vectors with kPlanes planes into the best so far.
template <class Op, int kRows, int kPlanes>
inline __attribute__((always_inline)) void tile(const char* rows, int64_t step, const char* next,
                                                const uint32_t* planes, int64_t units, typename Op::Sum* best) {
    typename Op::Sum sums[kRows][kPlanes];
#pragma GCC unroll 12
    for (int row = 0; row < kRows; ++row)
#pragma GCC unroll 2
        for (int plane = 0; plane < kPlanes; ++plane) sums[row][plane] = Op::start();
    const int64_t plane_step = units * kWidth;
    for (int64_t first = 0; first < units; first += 16) {
        const int64_t stop = first + 16 < units ? first + 16 : units;
        // A line of each vector that comes next, while this line is multiplied.
#pragma GCC unroll 12
        for (int row = 0; row < kRows; ++row) fetch(next + row * step + 4 * first);
        for (int64_t unit = first; unit < stop; ++unit) {
            typename Op::Unit wanted[kPlanes];
#pragma GCC unroll 2
            for (int plane = 0; plane < kPlanes; ++plane)
                wanted[plane] = Op::unit(planes + plane * plane_step + unit * kWidth);
#pragma GCC unroll 12
            for (int row = 0; row < kRows; ++row) {
                const typename Op::Unit given = Op::repeated(rows + row * step + 4 * unit);
#pragma GCC unroll 2
                for (int plane = 0; plane < kPlanes; ++plane)
                    sums[row][plane] = Op::step(sums[row][plane], wanted[plane], given);
            }
        }
    }
#pragma GCC unroll 2
    for (int plane = 0; plane < kPlanes; ++plane) {
        typename Op::Sum largest = best[plane];
#pragma GCC unroll 12
        for (int row = 0; row < kRows; ++row) largest = Op::larger(largest, sums[row][plane]);
        best[plane] = largest;
    }
}

template <class Op, int kPlanes>
void tile_of(int64_t count, const char* rows, int64_t step, const char* next, const uint32_t* planes, int64_t units,
             typename Op::Sum* best) {
    switch (count) {
#define CENOTE_CASE(n) \
    case n: return tile<Op, n, kPlanes>(rows, step, next, planes, units, best);
        CENOTE_CASE(1) CENOTE_CASE(2) CENOTE_CASE(3) CENOTE_CASE(4) CENOTE_CASE(5) CENOTE_CASE(6)
#if CENOTE_TILE_ROWS > 6
        CENOTE_CASE(7) CENOTE_CASE(8) CENOTE_CASE(9) CENOTE_CASE(10) CENOTE_CASE(11) CENOTE_CASE(12)
#endif
#undef CENOTE_CASE
    }
}

constexpr int64_t kTileRows = CENOTE_TILE_ROWS;
// Vectors that stay in the first cache while all planes go over them.
constexpr int64_t kBlockRows = 4 * kTileRows;

// A block of a document's vectors with all planes.
template <class Op>
void block(const cenote::MaxsimCall& call, const char* rows, int64_t step, int64_t count, const char* after,
           typename Op::Sum* best) {
    for (int64_t plane = 0; plane < call.plane_count; plane += 2) {
        const uint32_t* planes = call.planes + plane * call.units * kWidth;
        for (int64_t row = 0; row < count; row += kTileRows) {
            const int64_t here = count - row < kTileRows ? count - row : kTileRows;
            const char* next = row + here < count ? rows + (row + here) * step : after;
            if (plane + 1 < call.plane_count)
                tile_of<Op, 2>(here, rows + row * step, step, next, planes, call.units, best + plane);
            else
                tile_of<Op, 1>(here, rows + row * step, step, next, planes, call.units, best + plane);
        }
    }
}

template <class Op>
void document(const cenote::MaxsimCall& call, int64_t index, const char* after, char* copy, typename Op::Sum* best) {
    const char* rows = first_vector(call, index);
    const int64_t count = call.counts[index], copy_step = 4 * call.units;
    for (int64_t plane = 0; plane < call.plane_count; ++plane) best[plane] = Op::lowest();
    for (int64_t row = 0; row < count; row += kBlockRows) {
        const int64_t here = count - row < kBlockRows ? count - row : kBlockRows;
        const char* from = rows + row * call.step;
        const char* next = row + here < count ? from + here * call.step : after;
        if (!copy) {
            block<Op>(call, from, call.step, here, next, best);
            continue;
        }
        for (int64_t each = 0; each < here; ++each) {
            const char* source = from + each * call.step;
            for (int64_t line = 0; line < call.step && line < 4096; line += 64) fetch(next + each * call.step + line);
            Op::convert(source, call.type, call.width, copy + each * copy_step);
        }
        block<Op>(call, copy, copy_step, here, copy, best);
    }
}

template <class Op>
bool score(const cenote::MaxsimCall& call, bool direct) {
    const int64_t together = documents_together(call), shares = (call.documents + together - 1) / together;
    bool failed = false;
#pragma omp parallel num_threads(maxsim_team(call)) reduction(|| : failed)
    {
        const Scratch sums(call.plane_count * kWidth * 4), floats(call.plane_count * kWidth * 4);
        const Scratch rows(direct ? 0 : kBlockRows * call.units * 4);
        typename Op::Sum* best = static_cast<typename Op::Sum*>(sums.at);
        float* found = static_cast<float*>(floats.at);
        failed = !(sums.at && floats.at && rows.at);
        if (!failed) __builtin_memset(rows.at, 0, static_cast<size_t>(direct ? 0 : kBlockRows * call.units * 4));
#pragma omp for schedule(dynamic)
        for (int64_t share = 0; share < shares; ++share) {
            if (failed) continue;
            const int64_t first = share * together;
            const int64_t stop = first + together < call.documents ? first + together : call.documents;
            for (int64_t index = first; index < stop; ++index) {
                const char* after = first_vector(call, index + 1 < call.documents ? index + 1 : index);
                document<Op>(call, index, after, direct ? nullptr : static_cast<char*>(rows.at), best);
                for (int64_t plane = 0; plane < call.plane_count; ++plane)
                    Op::write(found + plane * kWidth, best[plane], call.sums, plane * kWidth);
                write_sums(call, index, found);
            }
        }
    }
    return !failed;
}

} // namespace
