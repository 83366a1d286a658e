// Attention of one task, by blocks of rows and keys, for any engine. Included in an anonymous namespace, after `Vector`
// and attention_softmax.h.

// A block of rows of one head: what is kept of it begins at `at`; of the present block of keys it sees [left, high),
// and keys up to `right` are computed.
struct Rows {
    int64_t head, row, rows, at, left, right, high;
};

// What a thread works on: one task at a time, in memory of its own.
template <class E> class Work {
    using In = typename E::In;
    using Weight = typename E::Weight;
    using T = Vector::T;
    static constexpr int64_t kWidth = Vector::kWidth, kRows = E::kRows;

    const AttentionCall& call_;
    const AttentionTask& task_;
    const int64_t group_, keys_, start_;
    const int64_t depth_;      // words of a row of queries or keys
    const int64_t value_size_; // floats of a row of sums, a multiple of the width
    const int64_t blocks_, block_; // blocks of keys, and the keys of each, a multiple of E::kKeys
    float *key_panels_, *value_panels_, *queries_, *scores_, *weights_, *sums_, *references_, *totals_, *lanes_;

    static int64_t blocks(int64_t keys) { return keys <= 3 * E::kBlock / 2 ? 1 : (keys + E::kBlock - 1) / E::kBlock; }
    static int64_t block(int64_t keys) {
        return round_up(most((keys + blocks(keys) - 1) / blocks(keys), 1), E::kKeys);
    }
    static int64_t kept(const AttentionCall& call, int64_t rows, int64_t keys) {
        return blocks(keys) > 1 ? call.heads / call.key_heads * round_up(rows, kRows) : kRows;
    }
    static int64_t step(int64_t block) { return block + kWidth; } // of rows of scores; not a power of two
    // Weights of engines without pairs take the place of the scores.
    static int64_t weight_step(int64_t block) {
        return E::kPairs ? round_up(block / 2, kWidth) + kWidth : step(block);
    }
    static int64_t value_words(int64_t keys) { return E::kPairs ? keys / 2 : keys; }

    // Gives memory to everything, in order; returns the bytes in all.
    template <class F> static int64_t lay_out(const AttentionCall& call, int64_t rows, int64_t keys, F&& take) {
        const int64_t block_keys = block(keys), depth = E::depth(call.size), many = kept(call, rows, keys);
        const int64_t wide = round_up(call.value_size, kWidth);
        const int64_t words[] = {block_keys * depth,
                                 wide * value_words(block_keys),
                                 kRows * depth,
                                 kRows * step(block_keys),
                                 E::kPairs ? kRows * weight_step(block_keys) : 0,
                                 many * wide,
                                 many,
                                 many,
                                 kRows * kWidth};
        int64_t bytes = 0;
        for (int i = 0; i < 9; ++i) {
            take(i, bytes);
            bytes += round_up(4 * words[i], 64) + 64;
        }
        return bytes;
    }

  public:
    static int64_t bytes(const AttentionCall& call, int64_t rows, int64_t keys) {
        return lay_out(call, rows, keys, [](int, int64_t) {});
    }

    Work(const AttentionCall& call, const AttentionTask& task, char* space)
        : call_(call), task_(task), group_(call.heads / call.key_heads), keys_(call.keys[task.sequence]),
          start_(call.starts[task.sequence]), depth_(E::depth(call.size)),
          value_size_(round_up(call.value_size, kWidth)), blocks_(blocks(keys_)), block_(block(keys_)) {
        float** const places[] = {&key_panels_, &value_panels_, &queries_,  &scores_, &weights_,
                                  &sums_,       &references_,   &totals_, &lanes_};
        lay_out(call, task.last - task.first, keys_,
                [&](int i, int64_t at) { *places[i] = reinterpret_cast<float*>(space + at); });
    }

    void run() {
        for (int64_t head = task_.key_head; head < task_.key_head + task_.key_heads; ++head) run_key_head(head);
    }

  private:
    // The borders of blocks of keys and of rows depend on the sequence alone, not on how it is cut into tasks, so that
    // the number of threads changes no bit of the result.
    void run_key_head(int64_t key_head) {
        const Seen first = seen(call_, task_.first, keys_), last = seen(call_, task_.last - 1, keys_);
        const int64_t high = last.high;
        int64_t from = least(first.low, keys_) / block_ * block_;
        if (blocks_ > 1) begin(key_head);
        do {
            const int64_t to = most(from, least(from + block_, high));
            pack(key_head, from, to);
            visit(key_head, [&](int64_t head, int64_t row, int64_t rows, int64_t at) {
                if (blocks_ == 1) begin_block(head, rows, at = 0);
                Rows block{head, row, rows, at, 0, 0, 0};
                score(block, from, to);
                weigh_and_mix(block, from);
            });
            from += block_;
        } while (from < high);
        if (blocks_ > 1)
            visit(key_head, [&](int64_t head, int64_t row, int64_t rows, int64_t at) { finish(head, row, rows, at); });
    }

    void weigh_and_mix(const Rows& block, int64_t from) {
        float* const sums = sums_ + block.at * value_size_;
        if (block.left < block.right) {
            weigh(block, from);
            const int64_t first = value_words(block.left);
            const int64_t words = E::kPairs ? value_words(block.right) : block.high;
            E::product(reinterpret_cast<const float*>(weights(0)) + first, weight_step(block_), block.rows,
                       value_panels_ + first * kWidth, kWidth * value_words(block_), value_size_ / kWidth,
                       words - first, sums, value_size_, blocks_ > 1);
        } else if (blocks_ == 1) {
            clear(sums, block.rows * value_size_);
        }
        if (blocks_ == 1) finish(block.head, block.row, block.rows, block.at);
    }

    // Calls with each block of rows: head, first row, rows, and the place of what is kept of them.
    template <class F> void visit(int64_t key_head, F&& f) {
        int64_t at = 0;
        for (int64_t head = key_head * group_; head < (key_head + 1) * group_; ++head)
            for (int64_t row = task_.first; row < task_.last; row += kRows, at += kRows)
                f(head, row, least(kRows, task_.last - row), at);
    }

    static void clear(float* from, int64_t floats) {
        for (int64_t i = 0; i < floats; i += kWidth) Vector::store(from + i, Vector::zero());
    }

    void begin(int64_t key_head) {
        visit(key_head, [&](int64_t head, int64_t, int64_t rows, int64_t at) {
            clear(sums_ + at * value_size_, kRows * value_size_);
            begin_block(head, rows, at);
        });
    }

    // A sink is a first score, of a key whose value is zero.
    void begin_block(int64_t head, int64_t rows, int64_t at) {
        const T sink = Vector::set(call_.sinks ? call_.sinks[head] * kLog2E : negative_infinity());
        const T total = Vector::set(call_.sinks ? 1.0f : 0.0f);
        for (int64_t i = at; i < at + rows; i += kWidth) {
            Vector::store(references_ + i, sink);
            Vector::store(totals_ + i, total);
        }
    }

    void pack(int64_t key_head, int64_t from, int64_t to) {
        const In* const k = static_cast<const In*>(call_.key) + (start_ + from) * call_.key_row + key_head * call_.key_head;
        const In* const v =
            static_cast<const In*>(call_.value) + (start_ + from) * call_.value_row + key_head * call_.value_head;
        const int64_t padded = round_up(to - from, E::kKeys);
        E::pack_keys(k, call_.key_row, to - from, padded, call_.size, depth_, key_panels_);
        E::pack_values(v, call_.value_row, to - from, padded, call_.value_size, value_words(block_), value_panels_);
    }

    // Scores of the keys [from, to) that any of the rows may see.
    void score(Rows& block, int64_t from, int64_t to) {
        const int64_t low = most(seen(call_, block.row, keys_).low, from) - from;
        block.high = least(seen(call_, block.row + block.rows - 1, keys_).high, to) - from;
        if (low >= block.high) return;
        block.left = low / E::kKeys * E::kKeys;
        block.right = round_up(block.high, E::kKeys);
        const In* const q =
            static_cast<const In*>(call_.query) + (start_ + block.row) * call_.query_row + block.head * call_.query_head;
        int64_t query_step = 0;
        const float* const queries = E::queries(q, call_.query_row, block.rows, call_.size, depth_, queries_, query_step);
        E::product(queries, query_step, block.rows, key_panels_ + block.left * depth_, kWidth * depth_,
                   (block.right - block.left) / kWidth, depth_, scores_ + block.left, step(block_), false);
    }

    // Softmax of the scores of a block: weights, and what is kept of each row.
    //
    // The reference of a row is the largest score that it sees itself: a key that it does not see changes no bit of it,
    // and NaN of one row is not in the reference of others.
    void weigh(const Rows& block, int64_t from) {
        const float factor = call_.softcap > 0 ? call_.softcap * kLog2E : call_.scale * kLog2E;
        const bool ragged = call_.causal || call_.window > 0;
        Chunks<E> chunks;
        chunks.set(range(block, from, 0));
        for (int64_t i = 0; i < block.rows; ++i) {
            if (ragged) chunks.set(range(block, from, i));
            if (call_.softcap > 0) cap(scores_ + i * step(block_), block.left, block.right);
            Vector::store(lanes_ + i * kWidth, largest<E>(scores_ + i * step(block_), chunks));
        }
        float now[kRows], kept[kRows];
        refer(block, factor, now, kept);
        const T times = Vector::set(factor);
        for (int64_t i = 0; i < block.rows; ++i) {
            if (ragged) chunks.set(range(block, from, i));
            const T sums = exponentials<E>(scores_ + i * step(block_), weights(i), times, Vector::set(now[i]),
                                        chunks, block.left / E::kKeys, block.right / E::kKeys);
            Vector::store(lanes_ + i * kWidth, sums);
        }
        for (int64_t i = 0; i < block.rows; i += kWidth) {
            float* const totals = totals_ + block.at + i;
            const T more = Vector::totals(lanes_ + i * kWidth);
            Vector::store(totals, Vector::fma(Vector::load(totals), Vector::load(kept + i), more));
        }
        if (blocks_ > 1)
            for (int64_t i = 0; i < block.rows; ++i)
                if (kept[i] != 1.0f) shrink(sums_ + (block.at + i) * value_size_, kept[i]);
    }

    // The reference of each row, at least the one before, and what is left of what was summed relative to that.
    void refer(const Rows& block, float factor, float* now, float* kept) {
        for (int64_t i = 0; i < kRows; i += kWidth) {
            float* const references = references_ + block.at + i;
            const T own = Vector::mul(Vector::maxima(lanes_ + i * kWidth), Vector::set(factor));
            const T before = Vector::load(references), after = Vector::max(own, before);
            // a row that has seen nothing yet has no reference, and no difference of two either
            const T less = Vector::max(Vector::sub(before, after), Vector::set(-1000.0f));
            Vector::store(kept + i, power<true>(less));
            Vector::store(now + i, Vector::max(after, Vector::set(-3e38f)));
            Vector::store(references, after);
        }
    }

    Seen range(const Rows& block, int64_t from, int64_t i) const {
        const Seen found = seen(call_, block.row + i, keys_);
        const int64_t low = least(most(found.low - from, block.left), block.right);
        return {low, most(least(found.high - from, block.high), low)};
    }

    Weight* weights(int64_t i) const {
        return reinterpret_cast<Weight*>((E::kPairs ? weights_ : scores_) + i * weight_step(block_));
    }

    void shrink(float* sums, float factor) {
        for (int64_t j = 0; j < value_size_; j += kWidth)
            Vector::store(sums + j, Vector::mul(Vector::load(sums + j), Vector::set(factor)));
    }

    void cap(float* scores, int64_t left, int64_t right) {
        const T factor = Vector::set(call_.scale / call_.softcap);
        for (int64_t j = left; j < right; j += kWidth)
            Vector::store(scores + j, hyperbolic_tangent(Vector::mul(Vector::load(scores + j), factor)));
    }

    void finish(int64_t head, int64_t row, int64_t rows, int64_t at) {
        const int64_t out_step = call_.heads * call_.value_size;
        In* to = static_cast<In*>(call_.out) + (start_ + row) * out_step + head * call_.value_size;
        for (int64_t i = at; i < at + rows; ++i, to += out_step) {
            const T share = Vector::set(totals_[i] > 0.0f ? 1.0f / totals_[i] : 0.0f);
            for (int64_t j = 0; j < call_.value_size; j += kWidth)
                Vector::store_part(to + j, Vector::mul(Vector::load(sums_ + i * value_size_ + j), share),
                                   least(kWidth, call_.value_size - j));
        }
    }
};

template <class E> int64_t engine_bytes(const AttentionCall& call, int64_t rows, int64_t keys) {
    return Work<E>::bytes(call, rows, keys);
}
template <class E> void engine_run(const AttentionCall& call, const AttentionTask& task, char* space) {
    Work<E>(call, task, space).run();
}
