// Vectors of 16 floats for attention_block.h. Included in an anonymous namespace, after the target is set.

struct Vector {
    using T = __m512;
    static constexpr int64_t kWidth = 16;
    // Rows of a product of so many columns of vectors: what is summed and multiplied fits the 32 registers.
    static constexpr int tall(int) { return 8; }

    static T zero() { return _mm512_setzero_ps(); }
    static T set(float value) { return _mm512_set1_ps(value); }
    static T load(const float* from) { return _mm512_loadu_ps(from); }
    static void store(float* to, T value) { _mm512_storeu_ps(to, value); }
    static T add(T a, T b) { return _mm512_add_ps(a, b); }
    static T sub(T a, T b) { return _mm512_sub_ps(a, b); }
    static T mul(T a, T b) { return _mm512_mul_ps(a, b); }
    static T div(T a, T b) { return _mm512_div_ps(a, b); }
    static T max(T a, T b) { return _mm512_max_ps(a, b); }
    static T fma(T a, T b, T c) { return _mm512_fmadd_ps(a, b, c); }
    static T fms(T a, T b, T c) { return _mm512_fmsub_ps(a, b, c); }
    // The sums, or the maxima, of 16 vectors in memory, one each.
    static T totals(const float* rows) { return across(rows, add); }
    static T maxima(const float* rows) { return across(rows, max); }
    template <class Join> static T across(const float* rows, Join join) {
        T a[8], b[4];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            const T even = load(rows + 32 * i), odd = load(rows + 32 * i + 16);
            a[i] = join(_mm512_unpacklo_ps(even, odd), _mm512_unpackhi_ps(even, odd));
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const __m512d c = _mm512_castps_pd(a[2 * i]), d = _mm512_castps_pd(a[2 * i + 1]);
            b[i] = join(_mm512_castpd_ps(_mm512_unpacklo_pd(c, d)), _mm512_castpd_ps(_mm512_unpackhi_pd(c, d)));
        }
        const T c = join(_mm512_shuffle_f32x4(b[0], b[1], 0x88), _mm512_shuffle_f32x4(b[0], b[1], 0xdd));
        const T d = join(_mm512_shuffle_f32x4(b[2], b[3], 0x88), _mm512_shuffle_f32x4(b[2], b[3], 0xdd));
        return join(_mm512_shuffle_f32x4(c, d, 0x88), _mm512_shuffle_f32x4(c, d, 0xdd));
    }

    // Lanes [low, high), of which 0 <= low <= 16 and high >= low.
    using Mask = __mmask16;
    static Mask lanes(int64_t low, int64_t high) {
        return static_cast<Mask>((high >= kWidth ? 0xffffu : (1u << high) - 1) & ~((1u << low) - 1));
    }
    static T select(Mask mask, T a, T b) { return _mm512_mask_blend_ps(mask, b, a); }
    static T keep(Mask mask, T a) { return _mm512_maskz_mov_ps(mask, a); }

    static T load_part(const float* from, int64_t count) { return _mm512_maskz_loadu_ps(lanes(0, count), from); }
    static T load(const uint16_t* from) {
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))), 16));
    }
    static T load_part(const uint16_t* from, int64_t count) {
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes(0, count), from)), 16));
    }
    static void store_part(float* to, T value, int64_t count) { _mm512_mask_storeu_ps(to, lanes(0, count), value); }
    static void store_part(uint16_t* to, T value, int64_t count) {
        _mm256_mask_storeu_epi16(to, lanes(0, count), halve(value));
    }

    // 2^x for x <= 0 and a little above, -inf included: 2^floor(x) times a polynomial of the rest in [0, 1).
    static T fraction(T x) { return _mm512_reduce_ps(x, 0x09); }
    static T shift(T x, T exponent) { return _mm512_scalef_ps(x, exponent); }
    static T magnitude(T x) { return _mm512_abs_ps(x); }
    static T with_sign(T x, T sign) {
        const __m512i top = _mm512_set1_epi32(INT32_MIN);
        return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(x), _mm512_and_si512(top, _mm512_castps_si512(sign))));
    }
    static T where_below(T a, float bound, T below, T else_) {
        return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, set(bound), _CMP_LT_OQ), else_, below);
    }

#ifdef CENOTE_BF16_INSTRUCTIONS
    static __m256i halve(T value) { return (__m256i)_mm512_cvtneps_pbh(value); }
#else
    // To the nearest bfloat16, ties to even. NaN stays: that of bfloat16 numbers and of instructions has no low bits.
    static __m256i halve(T value) {
        const __m512i bits = _mm512_castps_si512(value);
        const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        const __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
        return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
    }
#endif

    // Turns rows of a 16 x 16 matrix of 32-bit numbers into its columns.
    static void transpose(T (&rows)[16]) {
        __m512 t[16];
#pragma GCC unroll 4
        for (int i = 0; i < 16; i += 4) {
            const __m512 a = _mm512_unpacklo_ps(rows[i], rows[i + 1]), b = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
            const __m512 c = _mm512_unpacklo_ps(rows[i + 2], rows[i + 3]), d = _mm512_unpackhi_ps(rows[i + 2], rows[i + 3]);
            t[i] = _mm512_shuffle_ps(a, c, 0x44);
            t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
            t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
            t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
            const __m512 c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
            rows[i] = _mm512_shuffle_f32x4(a, c, 0x88);
            rows[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
            rows[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
            rows[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
        }
    }
};
