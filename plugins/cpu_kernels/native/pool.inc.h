// Reduction of runs of rows to one row each, and scaling of rows to length one.

namespace {

// Vectors of columns that are reduced together, and rows that are added before they join the sum of all: thousands of
// rows added one by one would lose digits.
constexpr int kTogether = 4;
constexpr int64_t kBlock = 64;

template <bool kMax, class T>
inline void reduce_columns(const T* row, int64_t step, int64_t count, float* out, float divisor) {
    Vec total[kTogether];
    for (int each = 0; each < kTogether; ++each) total[each] = kMax ? load(row + each * kWidth) : zero();
    for (int64_t start = 0; start < count; start += kBlock) {
        const int64_t stop = start + kBlock < count ? start + kBlock : count;
        Vec part[kTogether];
        for (int each = 0; each < kTogether; ++each) part[each] = kMax ? total[each] : zero();
        for (int64_t at = start; at < stop; ++at) {
            const T* from = row + at * step;
            for (int each = 0; each < kTogether; ++each) {
                const Vec value = load(from + each * kWidth);
                part[each] = kMax ? max_or_nan(part[each], value) : add(part[each], value);
            }
        }
        for (int each = 0; each < kTogether; ++each) total[each] = kMax ? part[each] : add(total[each], part[each]);
    }
    for (int each = 0; each < kTogether; ++each) store(out + each * kWidth, div(total[each], set1(divisor)));
}

// The same of a few columns, at most a vector.
template <bool kMax, class T>
inline void reduce_rest(const T* row, int64_t step, int64_t count, float* out, float divisor, int width) {
    Vec total = kMax ? load(row, width) : zero();
    for (int64_t start = 0; start < count; start += kBlock) {
        const int64_t stop = start + kBlock < count ? start + kBlock : count;
        Vec part = kMax ? total : zero();
        for (int64_t at = start; at < stop; ++at) {
            const Vec value = load(row + at * step, width);
            part = kMax ? max_or_nan(part, value) : add(part, value);
        }
        total = kMax ? part : add(total, part);
    }
    store(out, div(total, set1(divisor)), width);
}

template <bool kMax, class T>
void reduce_group(const cenote::PoolCall& call, int64_t segment, int64_t column) {
    const int64_t first = call.ends[segment], count = call.ends[segment + 1] - first;
    const int64_t stop = column + kTogether * kWidth < call.width ? column + kTogether * kWidth : call.width;
    float* out = call.out + segment * call.width;
    const T* row = row_of<T>(call.rows, first);
    const float divisor = call.reduction == cenote::kMean ? static_cast<float>(count) : 1.0f;
    if (!count) {
        for (; column < stop; ++column) out[column] = 0.0f;
    } else if (stop - column == kTogether * kWidth) {
        reduce_columns<kMax>(row + column, call.rows.step, count, out + column, divisor);
    } else {
        for (; column < stop; column += kWidth) {
            const int width = static_cast<int>(stop - column < kWidth ? stop - column : kWidth);
            reduce_rest<kMax>(row + column, call.rows.step, count, out + column, divisor, width);
        }
    }
}

template <class T>
void to_length_one(const T* row, float* out, int64_t width) {
    Vec squares = zero();
    columns(
        width, [&](int64_t at) { squares = fma(load(row + at), load(row + at), squares); },
        [&](int64_t at, int count) {
            const Vec value = load(row + at, count);
            squares = fma(value, value, squares);
        });
    const float length = __builtin_sqrtf(sum(squares));
    const Vec divisor = set1(length < 1e-12f ? 1e-12f : length); // NaN stays
    columns(
        width, [&](int64_t at) { store(out + at, div(load(row + at), divisor)); },
        [&](int64_t at, int count) { store(out + at, div(load(row + at, count), divisor), count); });
}

template <bool kMax, class T>
void pool(const cenote::PoolCall& call) {
    const int64_t total = call.ends[call.count] - call.ends[0];
#pragma omp parallel num_threads(team(call.threads, total * call.width, 32768))
    {
#pragma omp for collapse(2) schedule(dynamic, 4)
        for (int64_t segment = 0; segment < call.count; ++segment)
            for (int64_t column = 0; column < call.width; column += kTogether * kWidth)
                reduce_group<kMax, T>(call, segment, column);
        if (call.normalize) {
#pragma omp for schedule(static)
            for (int64_t segment = 0; segment < call.count; ++segment) {
                float* out = call.out + segment * call.width;
                to_length_one(out, out, call.width);
            }
        }
    }
}

template <class T>
void normalize(const cenote::NormalizeCall& call) {
#pragma omp parallel for schedule(static) num_threads(team(call.threads, call.count * call.width, 16384))
    for (int64_t index = 0; index < call.count; ++index)
        to_length_one(row_of<T>(call.rows, index), call.out + index * call.width, call.width);
}

} // namespace

void CENOTE_SPACE::segment_pool(const PoolCall& call) {
    const bool whole = call.rows.type == kFloat32;
    if (call.reduction == kMax)
        whole ? pool<true, float>(call) : pool<true, uint16_t>(call);
    else
        whole ? pool<false, float>(call) : pool<false, uint16_t>(call);
}

void CENOTE_SPACE::l2_normalize(const NormalizeCall& call) {
    if (call.rows.type == kFloat32)
        normalize<float>(call);
    else
        normalize<uint16_t>(call);
}
