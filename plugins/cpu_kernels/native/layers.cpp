// Runs layers: exactly the operators that Python would call, without what each call costs there, and without memory
// that is fresh for every result.
#include "layers.h"

#if defined(__x86_64__)
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "attention.h"
#include "gemm.h"
#include "isa.h"

using namespace cenote;

CENOTE_API int cenote_attention(const AttentionCall* call, int level, int threads);
CENOTE_API void cenote_residual_norm(int level, int threads, int64_t count, int64_t width, const void* rows,
                                     int64_t step, int type, const void* residual, int64_t residual_step,
                                     int residual_type, const float* weight, const float* bias, float eps, int layer,
                                     int carries_norm, void* normed, int normed_type, float* carried);
CENOTE_API void cenote_bias_act(int level, int threads, int64_t count, int64_t width, const void* rows, int64_t step,
                                int type, const float* bias, int activation, int gated, void* out);
CENOTE_API void cenote_rotary(int level, int threads, int64_t count, int64_t heads, int64_t size, int64_t turned,
                              const void* rows, int64_t step, int type, int64_t head_step, const float* cosines,
                              const float* sines, int interleaved, void* out);

namespace {

// Above this, memory is given back after a call.
constexpr size_t kMostKept = size_t{64} << 20;

int64_t rows_of(const void* product) { return static_cast<const gemm::Packed*>(product)->out; }
int64_t columns_of(const void* product) { return static_cast<const gemm::Packed*>(product)->in; }

// Numbers of a row that the results of each step take.
struct Widths {
    int64_t qkv = 0, turned = 0, mixed = 0, wide = 0, gate = 0;

    explicit Widths(const LayersCall& call) {
        for (const Layer* layer = call.layers; layer != call.layers + call.count; ++layer) {
            qkv = std::max(qkv, rows_of(layer->qkv));
            if (layer->rotary >= 0) turned = std::max(turned, (layer->heads + layer->key_heads) * layer->size);
            mixed = std::max(mixed, layer->heads * layer->size);
            wide = std::max(wide, rows_of(layer->up));
            if (layer->gated) gate = std::max(gate, columns_of(layer->down));
        }
    }
};

// Memory of one thread, kept between calls.
struct Free {
    void operator()(char* space) const { std::free(space); }
};
struct Space {
    std::unique_ptr<char, Free> memory;
    size_t size = 0;

    char* of(size_t bytes) {
        if (size < bytes) {
            size = (bytes + 4095) / 4096 * 4096;
            memory.reset();
            memory.reset(static_cast<char*>(std::aligned_alloc(4096, size)));
            if (!memory) size = 0;
        }
        return memory.get();
    }
    void shrink() {
        if (size > kMostKept) memory.reset(), size = 0;
    }
};

class Run {
  public:
    Run(const LayersCall& call) : call_(call), widths_(call), bytes_(call.dtype == kFloat32 ? 4 : 2) {}

    // Returns 0, 1 where no instructions fit, 2 where memory is missing.
    int operator()(Space& space) {
        const int64_t attention = widths_.qkv + widths_.turned + widths_.mixed, wide = widths_.wide + widths_.gate;
        const int64_t all = 2 * call_.width + std::max(attention, wide);
        normed_ = space.of(call_.tokens * all * bytes_ + 64 * 8);
        if (normed_ == nullptr) return 2;
        part_ = after(normed_, call_.width);
        shared_ = after(part_, call_.width);
        rows_ = call_.normed;
        residual_ = call_.stream;
        for (const Layer* layer = call_.layers; layer != call_.layers + call_.count; ++layer) {
            if (const int failure = attend(*layer)) return failure;
            add(layer->norms[0]);
            if (widen(*layer)) return 2;
            add(layer->norms[1]);
        }
        return 0;
    }

  private:
    char* after(char* begin, int64_t width) const { return begin + (call_.tokens * width * bytes_ + 63) / 64 * 64; }

    int product(const void* weight, const void* rows, void* result, int activation = gemm::kNothing) const {
        return cenote_linear(weight, rows, call_.dtype, call_.tokens, columns_of(weight), result, activation,
                             call_.threads);
    }

    int attend(const Layer& layer) {
        char* const qkv = shared_;
        if (product(layer.qkv, rows_, qkv)) return 2;
        const int64_t step = rows_of(layer.qkv), size = layer.size, turned = layer.heads + layer.key_heads;
        const char *queries = qkv, *values = qkv + turned * size * bytes_;
        int64_t queries_step = step;
        char* mixed = after(qkv, widths_.qkv);
        if (layer.rotary >= 0) {
            const Angles& angles = call_.angles[layer.rotary];
            cenote_rotary(call_.level, call_.threads, call_.tokens, turned, size, angles.turned, qkv, step, call_.dtype,
                          size, angles.cosines, angles.sines, 0, mixed);
            queries = mixed;
            queries_step = turned * size;
            mixed = after(mixed, widths_.turned);
        }
        const char* const keys = queries + layer.heads * size * bytes_;
        const AttentionCall attention = {
            queries, keys, values, mixed, layer.sinks, call_.starts, call_.keys,
            queries_step, size, queries_step, size, step, size,
            call_.sequences, layer.heads, layer.key_heads, size, size,
            std::min(layer.window, call_.tokens), layer.scale, layer.softcap, layer.causal, call_.dtype};
        if (const int failure = cenote_attention(&attention, call_.level, call_.threads)) return failure;
        return product(layer.out, mixed, part_) ? 2 : 0;
    }

    int widen(const Layer& layer) {
        char* const wide = shared_;
        if (!layer.gated)
            return product(layer.up, rows_, wide, layer.activation) || product(layer.down, wide, part_);
        char* const gate = after(wide, widths_.wide);
        if (product(layer.up, rows_, wide)) return 2;
        cenote_bias_act(call_.level, call_.threads, call_.tokens, columns_of(layer.down), wide, rows_of(layer.up),
                        call_.dtype, nullptr, layer.activation, 1, gate);
        return product(layer.down, gate, part_);
    }

    // Adds a part to the stream, where it lies from the first sum on, and normalises. In float32 the stream may hold
    // the normed values itself.
    void add(const LayerNorm& norm) {
        const bool same = norm.carries_norm && call_.dtype == kFloat32;
        void* const normed = same ? static_cast<void*>(call_.result) : normed_;
        cenote_residual_norm(call_.level, call_.threads, call_.tokens, call_.width, part_, call_.width, call_.dtype,
                             residual_, call_.width, kFloat32, norm.weight, norm.bias, norm.eps, norm.layer,
                             norm.carries_norm, normed, call_.dtype, call_.result);
        rows_ = normed;
        residual_ = call_.result;
    }

    const LayersCall& call_;
    const Widths widths_;
    const int64_t bytes_;
    char *normed_ = nullptr, *part_ = nullptr, *shared_ = nullptr;
    const void* rows_ = nullptr;
    const float* residual_ = nullptr;
};

} // namespace

// Returns 0, 1 where no instructions fit, 2 where memory is missing.
CENOTE_API int cenote_layers(const LayersCall* call) {
    static thread_local Space space;
    const int failure = Run(*call)(space);
    space.shrink();
    return failure;
}
#endif
