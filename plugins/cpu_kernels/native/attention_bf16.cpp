// Attention over bfloat16 tensors with AVX512_BF16: products of pairs, summed in float32.
#include "attention.h"
#include "isa.h"

#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // of intrinsics of GCC 12 itself
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>

namespace {
using namespace cenote;
#define CENOTE_BF16_INSTRUCTIONS
#include "attention_v512.h"
#include "attention_product.h"
#include "attention_softmax.h"
#include "attention_block.h"
#include "attention_pairs.h"

struct Dots : Pairs<1> {
    static constexpr int64_t kRows = 32, kBlock = 256;

    static Vector::T multiply_add(Vector::T a, Vector::T b, Vector::T c) {
        return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
    }
    static void product(const float* a, int64_t a_step, int64_t rows, const float* b, int64_t b_step, int64_t panels,
                        int64_t depth, float* c, int64_t c_step, bool accumulate) {
        multiply_panels<Dots>(a, a_step, rows, b, b_step, panels, depth, c, c_step, accumulate);
    }
};

constexpr AttentionEngine kEngine{engine_bytes<Dots>, engine_run<Dots>, nullptr, nullptr};
} // namespace

const cenote::AttentionEngine* cenote::attention_bf16() { return &kEngine; }
#else
const cenote::AttentionEngine* cenote::attention_bf16() { return nullptr; }
#endif
