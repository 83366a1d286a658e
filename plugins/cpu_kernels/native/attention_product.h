// Functions and products of blocks of numbers for attention_block.h. Included in an anonymous namespace, after
// `Vector`.
//
// An engine E says how numbers are read and multiplied: In (elements of the tensors), Weight (of the softmax, as the
// second product reads them), kRows (rows of a block), kBlock (about the keys of a block), kKeys (keys are padded to
// multiples of it), kPairs (two bfloat16 numbers in each 32-bit word of the operands), and `product`. Operands are words
// of 32 bits: the left one row by row, the right one in panels of kWidth columns, [panel][depth][column].

constexpr float kLog2E = 1.44269504088896340736f;

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// 2^x for x up to a little above 0: 2^floor(x) times a polynomial of the rest, the least relative error on [0, 1)
// (fitted for this purpose): 1.5e-7 of degree 5, 7.5e-5 of degree 3, which is far below the rounding to bfloat16.
template <bool kFine> inline Vector::T power(Vector::T x) {
    const Vector::T f = Vector::fraction(x);
    Vector::T p;
    if (kFine) {
        p = Vector::fma(Vector::set(0x1.ec320ap-10f), f, Vector::set(0x1.26900ep-7f));
        p = Vector::fma(p, f, Vector::set(0x1.c95446p-5f));
        p = Vector::fma(p, f, Vector::set(0x1.ebd5a8p-3f));
        p = Vector::fma(p, f, Vector::set(0x1.62e4f6p-1f));
        p = Vector::fma(p, f, Vector::set(0x1.fffffep-1f));
    } else {
        p = Vector::fma(Vector::set(0x1.3f96a4p-4f), f, Vector::set(0x1.cefc4ep-3f));
        p = Vector::fma(p, f, Vector::set(0x1.64444ap-1f));
        p = Vector::fma(p, f, Vector::set(0x1.fff632p-1f));
    }
    return Vector::shift(p, x);
}

// tanh x: a series near 0, where 1 - 2 / (1 + e^2x) would cancel, and that elsewhere.
inline Vector::T hyperbolic_tangent(Vector::T x) {
    const Vector::T size = Vector::magnitude(x), square = Vector::mul(x, x), one = Vector::set(1.0f);
    const Vector::T e = power<true>(Vector::mul(size, Vector::set(-2.0f * kLog2E)));
    const Vector::T far = Vector::div(Vector::fma(e, Vector::set(-1.0f), one), Vector::add(one, e));
    Vector::T p = Vector::fma(square, Vector::set(62.0f / 2835), Vector::set(-17.0f / 315));
    p = Vector::fma(p, square, Vector::set(2.0f / 15));
    p = Vector::fma(p, square, Vector::set(-1.0f / 3));
    const Vector::T near = Vector::fma(Vector::mul(p, square), x, x);
    return Vector::where_below(size, 0.25f, near, Vector::with_sign(far, x));
}

// c = a b, or c += a b, of kRows x kColumns vectors held in registers.
template <class E, int kTall, int kWide>
inline void multiply(const float* a, int64_t a_step, const float* b, int64_t b_step, int64_t depth, float* c,
                     int64_t c_step, bool accumulate) {
    Vector::T sum[kTall][kWide];
#pragma GCC unroll 16
    for (int i = 0; i < kTall; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < kWide; ++j)
            sum[i][j] = accumulate ? Vector::load(c + i * c_step + j * Vector::kWidth) : Vector::zero();
    for (int64_t k = 0; k < depth; ++k) {
        Vector::T right[kWide];
#pragma GCC unroll 4
        for (int j = 0; j < kWide; ++j) right[j] = Vector::load(b + j * b_step + k * Vector::kWidth);
#pragma GCC unroll 16
        for (int i = 0; i < kTall; ++i) {
            const Vector::T left = Vector::set(a[i * a_step + k]);
#pragma GCC unroll 4
            for (int j = 0; j < kWide; ++j) sum[i][j] = E::multiply_add(left, right[j], sum[i][j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kTall; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < kWide; ++j) Vector::store(c + i * c_step + j * Vector::kWidth, sum[i][j]);
}

template <class E, int kTall, int kWide> struct Tall {
    static void run(int64_t rows, const float* a, int64_t a_step, const float* b, int64_t b_step, int64_t depth,
                    float* c, int64_t c_step, bool accumulate) {
        if (rows == kTall) multiply<E, kTall, kWide>(a, a_step, b, b_step, depth, c, c_step, accumulate);
        else Tall<E, kTall - 1, kWide>::run(rows, a, a_step, b, b_step, depth, c, c_step, accumulate);
    }
};
template <class E, int kWide> struct Tall<E, 0, kWide> {
    static void run(int64_t, const float*, int64_t, const float*, int64_t, int64_t, float*, int64_t, bool) {}
};

template <class E, int kWide>
void columns(const float* a, int64_t a_step, int64_t rows, const float* b, int64_t b_step, int64_t depth, float* c,
             int64_t c_step, bool accumulate) {
    constexpr int kTall = Vector::tall(kWide);
    for (int64_t row = 0; row < rows; row += kTall)
        Tall<E, kTall, kWide>::run(least(kTall, rows - row), a + row * a_step, a_step, b, b_step, depth,
                                   c + row * c_step, c_step, accumulate);
}

// The product of engines without tiles: up to three panels at a time, evenly.
template <class E>
void multiply_panels(const float* a, int64_t a_step, int64_t rows, const float* b, int64_t b_step, int64_t panels,
                     int64_t depth, float* c, int64_t c_step, bool accumulate) {
    for (int64_t groups = (panels + 2) / 3; groups > 0; --groups) {
        const int64_t wide = (panels + groups - 1) / groups;
        if (wide == 3) columns<E, 3>(a, a_step, rows, b, b_step, depth, c, c_step, accumulate);
        else if (wide == 2) columns<E, 2>(a, a_step, rows, b, b_step, depth, c, c_step, accumulate);
        else columns<E, 1>(a, a_step, rows, b, b_step, depth, c, c_step, accumulate);
        panels -= wide;
        b += wide * b_step;
        c += wide * Vector::kWidth;
    }
}

// Keys that a row of a sequence may see: [low, high), empty where high <= low.
struct Seen {
    int64_t low, high;
};
inline Seen seen(const AttentionCall& call, int64_t row, int64_t keys) {
    Seen found{0, keys};
    if (call.causal) found.high = least(found.high, row + 1);
    if (call.window > 0) {
        found.low = most(0, row - call.window + 1);
        found.high = least(found.high, row + call.window);
    }
    return found;
}

inline float negative_infinity() { return -__builtin_inff(); }
