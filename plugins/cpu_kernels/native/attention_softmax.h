// What a row of scores becomes, for attention_block.h. Included in an anonymous namespace, after attention_product.h.

// What a row may see of the present block of keys: chunks of E::kKeys, of which the first and last are masked.
template <class E> struct Chunks {
    static constexpr int64_t kWidth = Vector::kWidth, kVectors = E::kKeys / kWidth;
    int64_t first, last; // the last chunk included; last < first where nothing is seen
    Vector::Mask head[kVectors], tail[kVectors];
    bool whole_head;

    void set(Seen range) {
        first = range.low / E::kKeys;
        last = range.high > range.low ? (range.high - 1) / E::kKeys : first - 1;
        whole_head = range.low % E::kKeys == 0;
        for (int64_t v = 0; v < kVectors; ++v) {
            const int64_t tail_at = last * E::kKeys + v * kWidth, head_at = first * E::kKeys + v * kWidth;
            tail[v] = Vector::lanes(clip(range.low - tail_at), clip(range.high - tail_at));
            head[v] = Vector::lanes(clip(range.low - head_at), clip(range.high - head_at));
        }
    }
    static int64_t clip(int64_t lane) { return most(0, least(lane, kWidth)); }
};

// The largest score of a row, lane by lane.
template <class E> inline Vector::T largest(const float* scores, const Chunks<E>& chunks) {
    using T = Vector::T;
    constexpr int64_t kWidth = Vector::kWidth, kVectors = Chunks<E>::kVectors;
    const T none = Vector::set(negative_infinity());
    T found[2] = {none, none};
    int64_t c = chunks.first;
    const auto masked = [&](const Vector::Mask(&masks)[kVectors]) {
        for (int64_t v = 0; v < kVectors; ++v) {
            const T at = Vector::load(scores + c * E::kKeys + v * kWidth);
            found[v] = Vector::max(Vector::select(masks[v], at, none), found[v]);
        }
        ++c;
    };
    if (c > chunks.last) return none;
    if (!chunks.whole_head) masked(chunks.head);
    for (; c < chunks.last; ++c)
        for (int64_t v = 0; v < kVectors; ++v)
            found[v] = Vector::max(Vector::load(scores + c * E::kKeys + v * kWidth), found[v]);
    if (c == chunks.last) masked(chunks.tail);
    return Vector::max(found[0], found[1]);
}

// Weights 2^(factor · score - reference), zero outside of what is seen; returns their sum, lane by lane.
template <class E>
inline Vector::T exponentials(const float* scores, typename E::Weight* weights, Vector::T times, Vector::T minus,
                              const Chunks<E>& chunks, int64_t left, int64_t right) {
    using T = Vector::T;
    constexpr int64_t kWidth = Vector::kWidth, kVectors = Chunks<E>::kVectors;
    T sums[2] = {Vector::zero(), Vector::zero()}, found[kVectors];
    int64_t c = left;
    const auto compute = [&] {
        for (int64_t v = 0; v < kVectors; ++v)
            found[v] = power<!E::kPairs>(Vector::fms(Vector::load(scores + c * E::kKeys + v * kWidth), times, minus));
    };
    const auto keep = [&] {
        for (int64_t v = 0; v < kVectors; ++v) sums[v] = Vector::add(sums[v], found[v]);
        E::store_weights(weights + c * E::kKeys, found);
        ++c;
    };
    const auto masked = [&](const Vector::Mask(&masks)[kVectors]) {
        compute();
        for (int64_t v = 0; v < kVectors; ++v) found[v] = Vector::keep(masks[v], found[v]);
        keep();
    };
    const auto nothing = [&](int64_t end) {
        for (int64_t v = 0; v < kVectors; ++v) found[v] = Vector::zero();
        for (; c < end; ++c) E::store_weights(weights + c * E::kKeys, found);
    };
    if (chunks.first <= chunks.last) {
        nothing(chunks.first);
        if (!chunks.whole_head) masked(chunks.head);
        while (c < chunks.last) {
            compute();
            keep();
        }
        if (c == chunks.last) masked(chunks.tail);
    }
    nothing(right);
    return Vector::add(sums[0], sums[1]);
}
