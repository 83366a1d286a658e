// Operands of pairs of bfloat16 numbers for attention_block.h, in the layout that both `vdpbf16ps` and tiles multiply.
// Included in an anonymous namespace, after `Vector` of 16 floats.

// Depth is padded with zeros to a multiple of kDepth words.
template <int64_t kDepth> struct Pairs {
    using In = uint16_t;
    using Weight = uint16_t;
    static constexpr int64_t kKeys = 32;
    static constexpr bool kPairs = true;

    static int64_t depth(int64_t size) { return round_up((size + 1) / 2, kDepth); }
    static void store_weights(uint16_t* to, const Vector::T (&values)[2]) {
        _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(values[1], values[0]));
    }

    // Up to 32 numbers, and zeros after them.
    static __m512i load(const uint16_t* from, int64_t count) {
        if (count >= 32) return _mm512_loadu_si512(from);
        return _mm512_maskz_loadu_epi16(count <= 0 ? 0u : (1u << count) - 1, from);
    }

    // To [key / 16][depth][key % 16], each word two neighbours of a key.
    static void pack_keys(const uint16_t* from, int64_t row, int64_t keys, int64_t padded, int64_t size, int64_t depth,
                          float* to) {
        for (int64_t key = 0; key < padded; key += 16, to += 16 * depth)
            for (int64_t word = 0; word < depth; word += 16) {
                Vector::T rows[16];
                for (int64_t i = 0; i < 16; ++i)
                    rows[i] = key + i < keys
                                  ? _mm512_castsi512_ps(load(from + (key + i) * row + 2 * word, size - 2 * word))
                                  : Vector::zero();
                Vector::transpose(rows);
                for (int64_t i = 0; i < least(16, depth - word); ++i) Vector::store(to + (word + i) * 16, rows[i]);
            }
    }

    // To [column / 16][key / 2][column % 16], each word the numbers of two neighbouring keys.
    static void pack_values(const uint16_t* from, int64_t row, int64_t keys, int64_t padded, int64_t size,
                            int64_t words, float* to) {
        const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                                             37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
        const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
        for (int64_t column = 0; column < size; column += 32, to += 32 * words) {
            const bool both = size - column > 16;
            for (int64_t word = 0; word < padded / 2; ++word) {
                const uint16_t* const at = from + 2 * word * row + column;
                const __m512i even = 2 * word < keys ? load(at, size - column) : _mm512_setzero_si512();
                const __m512i odd = 2 * word + 1 < keys ? load(at + row, size - column) : _mm512_setzero_si512();
                _mm512_storeu_si512(to + 16 * word, _mm512_permutex2var_epi16(even, low, odd));
                if (both) _mm512_storeu_si512(to + 16 * (words + word), _mm512_permutex2var_epi16(even, high, odd));
            }
        }
    }

    static const float* queries(const uint16_t* from, int64_t row, int64_t rows, int64_t size, int64_t depth, float* to,
                                int64_t& step) {
        step = depth;
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t word = 0; word < depth; word += 16) {
                const __m512i words = load(from + i * row + 2 * word, size - 2 * word);
                if (kDepth == 16) _mm512_storeu_si512(to + i * depth + word, words);
                else _mm512_mask_storeu_epi32(to + i * depth + word, Vector::lanes(0, depth - word), words);
            }
        return to;
    }
};
