// Vectors of 8 floats for attention_block.h. Included in an anonymous namespace, after the target is set.

struct Vector {
    using T = __m256;
    static constexpr int64_t kWidth = 8;
    // Rows of a product of so many columns of vectors: what is summed and multiplied fits the 16 registers.
    static constexpr int tall(int columns) { return columns == 3 ? 4 : columns == 2 ? 6 : 8; }

    static T zero() { return _mm256_setzero_ps(); }
    static T set(float value) { return _mm256_set1_ps(value); }
    static T load(const float* from) { return _mm256_loadu_ps(from); }
    static void store(float* to, T value) { _mm256_storeu_ps(to, value); }
    static T add(T a, T b) { return _mm256_add_ps(a, b); }
    static T sub(T a, T b) { return _mm256_sub_ps(a, b); }
    static T mul(T a, T b) { return _mm256_mul_ps(a, b); }
    static T div(T a, T b) { return _mm256_div_ps(a, b); }
    static T max(T a, T b) { return _mm256_max_ps(a, b); }
    static T fma(T a, T b, T c) { return _mm256_fmadd_ps(a, b, c); }
    static T fms(T a, T b, T c) { return _mm256_fmsub_ps(a, b, c); }
    // The sums, or the maxima, of 8 vectors in memory, one each.
    static T totals(const float* rows) { return across(rows, add); }
    static T maxima(const float* rows) { return across(rows, max); }
    template <class Join> static T across(const float* rows, Join join) {
        T a[4], b[2];
        for (int i = 0; i < 4; ++i) {
            const T even = load(rows + 16 * i), odd = load(rows + 16 * i + 8);
            a[i] = join(_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd));
        }
        for (int i = 0; i < 2; ++i) {
            const __m256d c = _mm256_castps_pd(a[2 * i]), d = _mm256_castps_pd(a[2 * i + 1]);
            b[i] = join(_mm256_castpd_ps(_mm256_unpacklo_pd(c, d)), _mm256_castpd_ps(_mm256_unpackhi_pd(c, d)));
        }
        return join(_mm256_permute2f128_ps(b[0], b[1], 0x20), _mm256_permute2f128_ps(b[0], b[1], 0x31));
    }

    // Lanes [low, high), of which 0 <= low <= 8 and high >= low.
    using Mask = __m256;
    static Mask lanes(int64_t low, int64_t high) {
        const __m256i at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(high < 8 ? high : 8)), at);
        return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(low)), at), below));
    }
    static T select(Mask mask, T a, T b) { return _mm256_blendv_ps(b, a, mask); }
    static T keep(Mask mask, T a) { return _mm256_and_ps(mask, a); }

    static T load_part(const float* from, int64_t count) {
        return _mm256_maskload_ps(from, _mm256_castps_si256(lanes(0, count)));
    }
    static T load(const uint16_t* from) {
        const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
    }
    static T load_part(const uint16_t* from, int64_t count) {
        uint16_t all[8] = {};
        __builtin_memcpy(all, from, 2 * count);
        return load(all);
    }
    static void store_part(float* to, T value, int64_t count) {
        _mm256_maskstore_ps(to, _mm256_castps_si256(lanes(0, count)), value);
    }
    static void store_part(uint16_t* to, T value, int64_t count) {
        uint16_t all[8];
        _mm_storeu_si128(reinterpret_cast<__m128i*>(all), halve(value));
        __builtin_memcpy(to, all, 2 * count);
    }

    // 2^x for x <= 0 and a little above, -inf included: 2^floor(x) times a polynomial of the rest in [0, 1).
    // Below 2^-126 there is no such number without a smaller mantissa: that is taken instead. The
    // maximum is its second operand where one is NaN, so that NaN stays.
    static T least_power(T x) { return _mm256_max_ps(set(-126.0f), x); }
    static T fraction(T x) { return _mm256_sub_ps(least_power(x), _mm256_floor_ps(least_power(x))); }
    static T shift(T x, T exponent) {
        const __m256i whole = _mm256_cvtps_epi32(_mm256_floor_ps(least_power(exponent)));
        return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(whole, 23)));
    }
    static T magnitude(T x) { return _mm256_andnot_ps(set(-0.0f), x); }
    static T with_sign(T x, T sign) { return _mm256_or_ps(x, _mm256_and_ps(set(-0.0f), sign)); }
    static T where_below(T a, float bound, T below, T else_) {
        return _mm256_blendv_ps(else_, below, _mm256_cmp_ps(a, set(bound), _CMP_LT_OQ));
    }

    // To the nearest bfloat16, ties to even. NaN stays: that of bfloat16 numbers and of instructions has no low bits.
    static __m128i halve(T value) {
        const __m256i bits = _mm256_castps_si256(value);
        const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
        const __m256i up = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
        return _mm_packus_epi32(_mm256_castsi256_si128(up), _mm256_extracti128_si256(up, 1));
    }

    // Turns rows of an 8 x 8 matrix of floats into its columns.
    static void transpose(T (&rows)[8]) {
        __m256 t[8];
        for (int i = 0; i < 8; i += 4) {
            const __m256 a = _mm256_unpacklo_ps(rows[i], rows[i + 1]), b = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
            const __m256 c = _mm256_unpacklo_ps(rows[i + 2], rows[i + 3]), d = _mm256_unpackhi_ps(rows[i + 2], rows[i + 3]);
            t[i] = _mm256_shuffle_ps(a, c, 0x44);
            t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
            t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
            t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
        }
        for (int i = 0; i < 4; ++i) {
            rows[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
            rows[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
        }
    }
};
