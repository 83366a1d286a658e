// Residual and norm: each row is read once, and is in the first cache from then on.

namespace {

struct NoResidual {};

inline Vec residual_at(const float* from, int64_t at) { return load(from + at); }
inline Vec residual_at(const float* from, int64_t at, int count) { return load(from + at, count); }
inline Vec residual_at(const uint16_t* from, int64_t at) { return load(from + at); }
inline Vec residual_at(const uint16_t* from, int64_t at, int count) { return load(from + at, count); }
inline Vec residual_at(const NoResidual*, int64_t) { return zero(); }
inline Vec residual_at(const NoResidual*, int64_t, int) { return zero(); }

// The sums of a row, kept in `hold` where that is not the row itself; returns the sum of them or of their squares.
template <bool kSquares, class In, class Residual>
inline float add_residual(const In* row, const Residual* residual, float* hold, int64_t width) {
    const bool kept = static_cast<const void*>(row) != static_cast<const void*>(hold);
    Vec even = zero(), odd = zero();
    columns(
        width,
        [&](int64_t at) {
            const Vec total = add(load(row + at), residual_at(residual, at));
            if (kept) store(hold + at, total);
            const Vec before = even;
            even = odd; // two sums in turn, so that neither waits for the other
            odd = kSquares ? fma(total, total, before) : add(total, before);
        },
        [&](int64_t at, int count) {
            const Vec total = add(load(row + at, count), residual_at(residual, at, count));
            if (kept) store(hold + at, total, count);
            odd = kSquares ? fma(total, total, odd) : add(total, odd);
        });
    return sum(add(even, odd));
}

inline float squared_distance(const float* hold, float mean, int64_t width) {
    Vec even = zero(), odd = zero();
    const Vec centre = set1(mean);
    columns(
        width,
        [&](int64_t at) {
            const Vec off = sub(load(hold + at), centre), before = even;
            even = odd;
            odd = fma(off, off, before);
        },
        [&](int64_t at, int count) {
            // Places beyond the row hold zero: what they would add is taken away by loading the centre there.
            alignas(64) float kept[kWidth];
            store(kept, centre);
            store(kept, load(hold + at, count), count);
            const Vec off = sub(load(kept), centre);
            odd = fma(off, off, odd);
        });
    return sum(add(even, odd));
}

template <class Out>
inline void write_norm(const cenote::NormCall& call, float* hold, Out* out, float mean, float factor) {
    const Vec centre = set1(mean), inverse = set1(factor);
    const bool both = call.carries_norm && static_cast<void*>(hold) != static_cast<void*>(out);
    columns(
        call.width,
        [&](int64_t at) {
            Vec value = mul(sub(load(hold + at), centre), inverse);
            if (call.weight) value = mul(value, load(call.weight + at));
            if (call.bias) value = add(value, load(call.bias + at));
            if (both) store(hold + at, value);
            store(out + at, value);
        },
        [&](int64_t at, int count) {
            Vec value = mul(sub(load(hold + at, count), centre), inverse);
            if (call.weight) value = mul(value, load(call.weight + at, count));
            if (call.bias) value = add(value, load(call.bias + at, count));
            if (both) store(hold + at, value, count);
            store(out + at, value, count);
        });
}

template <class In, class Residual, class Out>
void norm_rows(const cenote::NormCall& call) {
    const float share = 1.0f / static_cast<float>(call.width);
#pragma omp parallel for schedule(static) num_threads(team(call.threads, call.count * call.width, 16384))
    for (int64_t index = 0; index < call.count; ++index) {
        const In* row = row_of<In>(call.rows, index);
        const Residual* residual = row_of<Residual>(call.residual, index);
        float* hold = call.carried + index * call.width;
        Out* out = static_cast<Out*>(call.normed) + index * call.width;
        float mean = 0.0f, square = 0.0f;
        if (call.layer) {
            mean = add_residual<false>(row, residual, hold, call.width) * share;
            square = squared_distance(hold, mean, call.width) * share;
        } else {
            square = add_residual<true>(row, residual, hold, call.width) * share;
        }
        write_norm(call, hold, out, mean, 1.0f / __builtin_sqrtf(square + call.eps));
    }
}

template <class In, class Residual>
void norm_to(const cenote::NormCall& call) {
    if (call.normed_type == cenote::kFloat32)
        norm_rows<In, Residual, float>(call);
    else
        norm_rows<In, Residual, uint16_t>(call);
}

template <class In>
void norm_from(const cenote::NormCall& call) {
    if (!call.residual.from)
        norm_to<In, NoResidual>(call);
    else if (call.residual.type == cenote::kFloat32)
        norm_to<In, float>(call);
    else
        norm_to<In, uint16_t>(call);
}

} // namespace

void CENOTE_SPACE::residual_norm(const NormCall& call) {
    if (call.rows.type == kFloat32)
        norm_from<float>(call);
    else
        norm_from<uint16_t>(call);
}
