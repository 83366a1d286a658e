// Attention with AVX-512: sums of float32 products, whatever the tensors hold.
#include "attention.h"
#include "isa.h"

#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // of intrinsics of GCC 12 itself
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>

namespace {
using namespace cenote;
#include "attention_v512.h"
#include "attention_product.h"
#include "attention_softmax.h"
#include "attention_block.h"
#include "attention_floats.h"

template <class Number>
constexpr AttentionEngine kEngine{engine_bytes<Floats<Number>>, engine_run<Floats<Number>>, nullptr, nullptr};
} // namespace

const cenote::AttentionEngine* cenote::attention_avx512(int dtype) {
    return dtype == kFloat32 ? &kEngine<float> : &kEngine<uint16_t>;
}
#else
const cenote::AttentionEngine* cenote::attention_avx512(int) { return nullptr; }
#endif
