// Operands of floats for attention_block.h. Included in an anonymous namespace, after attention_product.h.

// Whatever the tensors hold: keys are transposed, 16 by 16 or 8 by 8, values are copied.
template <class Number> struct Floats {
    using In = Number;
    using Weight = float;
    static constexpr int64_t kRows = Vector::kWidth == 16 ? 32 : 24, kKeys = Vector::kWidth;
    static constexpr int64_t kBlock = 256;
    static constexpr bool kPairs = false;

    static int64_t depth(int64_t size) { return size; }
    static Vector::T multiply_add(Vector::T a, Vector::T b, Vector::T c) { return Vector::fma(a, b, c); }
    static void store_weights(float* to, const Vector::T (&values)[1]) { Vector::store(to, values[0]); }
    static void product(const float* a, int64_t a_step, int64_t rows, const float* b, int64_t b_step, int64_t panels,
                        int64_t depth, float* c, int64_t c_step, bool accumulate) {
        multiply_panels<Floats>(a, a_step, rows, b, b_step, panels, depth, c, c_step, accumulate);
    }

    static void pack_keys(const In* from, int64_t row, int64_t keys, int64_t padded, int64_t size, int64_t depth,
                          float* to) {
        constexpr int64_t kWidth = Vector::kWidth;
        for (int64_t key = 0; key < padded; key += kWidth, to += kWidth * depth)
            for (int64_t column = 0; column < size; column += kWidth) {
                const int64_t count = least(kWidth, size - column);
                Vector::T rows[kWidth];
                for (int64_t i = 0; i < kWidth; ++i) {
                    const In* const at = from + (key + i) * row + column;
                    if (key + i >= keys) rows[i] = Vector::zero();
                    else rows[i] = count == kWidth ? Vector::load(at) : Vector::load_part(at, count);
                }
                Vector::transpose(rows);
                for (int64_t i = 0; i < count; ++i) Vector::store(to + (column + i) * kWidth, rows[i]);
            }
    }

    static void pack_values(const In* from, int64_t row, int64_t keys, int64_t padded, int64_t size, int64_t words,
                            float* to) {
        constexpr int64_t kWidth = Vector::kWidth;
        for (int64_t column = 0; column < size; column += kWidth, to += kWidth * words) {
            const int64_t count = least(kWidth, size - column);
            for (int64_t i = 0; i < keys; ++i) {
                const In* const at = from + i * row + column;
                Vector::store(to + i * kWidth, count == kWidth ? Vector::load(at) : Vector::load_part(at, count));
            }
            for (int64_t i = keys; i < padded; ++i) Vector::store(to + i * kWidth, Vector::zero());
        }
    }

    static const float* queries(const float* from, int64_t row, int64_t, int64_t, int64_t, float*, int64_t& step) {
        step = row;
        return from;
    }
    static const float* queries(const uint16_t* from, int64_t row, int64_t rows, int64_t size, int64_t depth, float* to,
                                int64_t& step) {
        step = depth;
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < size; j += Vector::kWidth) {
                const int64_t count = least(Vector::kWidth, size - j);
                Vector::store_part(to + i * depth + j, Vector::load_part(from + i * row + j, count), count);
            }
        return to;
    }
};
