// Runs layers: exactly the operators that Python would call, without what each call costs there, without memory that is
// fresh for every result, and between attention and attention in chunks of rows that stay in a thread's cache.
#include "layers.h"

#if defined(__x86_64__)
#include <algorithm>

#include "attention.h"
#include "gemm.h"
#include "isa.h"
#include "space.h"

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

// Above this, memory is given back after a call: that of all rows, and that of the chunks of all threads.
constexpr size_t kMostKept = size_t{64} << 20;
// Rows that one thread takes through a layer between attention and attention, so that what they leave behind stays in its
// cache; with fewer of them it waits for weights, which every chunk reads anew. Cut to fewer than kLeastRows, every thread
// would read all weights for too little.
constexpr int64_t kChunkRows = 256, kLeastRows = 96, kBlockRows = 32;
// Rows of a chunk are multiplied as they would be in one piece: the borders of chunks are multiples of kBlockRows.
static_assert(kLeastRows - kBlockRows >= gemm::kFewRows);

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

thread_local Space whole_space, chunk_space; // of all rows, and of those that one thread takes through a layer

// Rows that go through the products together, and by how many threads.
struct Chunk {
    int64_t first, count;
    int threads;
};

class Run {
  public:
    Run(LayersCall& call) : call_(call), widths_(call), bytes_(call.dtype == kFloat32 ? 4 : 2) {
        const int64_t threads = call.threads;
        const int64_t wanted = ((call.tokens + kChunkRows - 1) / kChunkRows + threads - 1) / threads * threads;
        const int64_t most = call.tokens / kLeastRows / threads * threads; // as many for each thread
        chunks_ = std::max<int64_t>(std::min(wanted, most), 1);
    }

    // Returns 0, 1 where no instructions fit, 2 where memory is missing.
    int operator()() {
        qkv_ = whole_space.of(call_.tokens * (widths_.qkv + widths_.turned + widths_.mixed) * bytes_ + 64 * 3);
        if (qkv_ == nullptr) return 2;
        turned_ = after(qkv_, call_.tokens, widths_.qkv);
        mixed_ = after(turned_, call_.tokens, widths_.turned);
        const Layer* const first = call_.layers;
        if (product(first->qkv, call_.normed, {0, call_.tokens, call_.threads}, qkv_)) return 2;
        for (const Layer* layer = first; layer != first + call_.count; ++layer) {
            if (const int failure = attend(*layer)) return failure;
            const int64_t done = layer + 1 - first;
            const bool ends = done == call_.count || is_interrupted(done);
            if (!finish(*layer, ends ? nullptr : layer + 1)) return 2;
            // Who asks while the layer ends gives up what was multiplied for the next one, and waits for no other layer.
            if (ends || is_interrupted(done)) call_.count = done;
        }
        return 0;
    }

    void shrink() const {
        whole_space.shrink(kMostKept);
        if (chunks_ == 1) return chunk_space.shrink(kMostKept);
        const size_t most = kMostKept / call_.threads;
        if (chunk_bytes((call_.tokens + kBlockRows) / chunks_ + kBlockRows) <= most) return;
#pragma omp parallel num_threads(call_.threads)
        chunk_space.shrink(most);
    }

  private:
    int64_t row_numbers() const { return 2 * call_.width + widths_.wide + widths_.gate; }
    size_t chunk_bytes(int64_t rows) const { return rows * row_numbers() * bytes_ + 64 * 4; }

    char* after(char* begin, int64_t rows, int64_t width) const { return begin + (rows * width * bytes_ + 63) / 64 * 64; }

    bool is_interrupted(int64_t done) const {
        return call_.interrupt != nullptr && done >= call_.least && __atomic_load_n(call_.interrupt, __ATOMIC_RELAXED);
    }

    // Returns 0, or 1 where memory is missing.
    int product(const void* weight, const void* from, const Chunk& rows, void* result,
                int activation = kNothing) const {
        return cenote_linear(weight, from, call_.dtype, rows.count, columns_of(weight), result, activation, rows.threads);
    }

    int attend(const Layer& layer) const {
        const int64_t step = rows_of(layer.qkv), size = layer.size, turned = layer.heads + layer.key_heads;
        const char *queries = qkv_, *values = qkv_ + turned * size * bytes_;
        int64_t queries_step = step;
        if (layer.rotary >= 0) {
            const Angles& angles = call_.angles[layer.rotary];
            cenote_rotary(call_.level, call_.threads, call_.tokens, turned, size, angles.turned, qkv_, step, call_.dtype,
                          size, angles.cosines, angles.sines, 0, turned_);
            queries = turned_;
            queries_step = turned * size;
        }
        const char* const keys = queries + layer.heads * size * bytes_;
        const AttentionCall attention = {
            queries, keys, values, mixed_, layer.sinks, call_.starts, call_.keys,
            queries_step, size, queries_step, size, step, size,
            call_.sequences, layer.heads, layer.key_heads, size, size,
            std::min(layer.window, call_.tokens), layer.scale, layer.softcap, layer.causal, call_.dtype};
        return cenote_attention(&attention, call_.level, call_.threads);
    }

    // The rest of a layer, and the queries, keys and values of the next one. False where memory is missing.
    bool finish(const Layer& layer, const Layer* next) const {
        if (chunks_ == 1) return finish_rows(layer, next, {0, call_.tokens, call_.threads});
        bool done = true;
        const int64_t blocks = (call_.tokens + kBlockRows - 1) / kBlockRows;
#pragma omp parallel for schedule(dynamic) num_threads(call_.threads) reduction(&& : done)
        for (int64_t i = 0; i < chunks_; ++i) {
            const int64_t first = blocks * i / chunks_ * kBlockRows;
            const int64_t last = std::min(blocks * (i + 1) / chunks_ * kBlockRows, call_.tokens);
            done = finish_rows(layer, next, {first, last - first, 1}) && done;
        }
        return done;
    }

    bool finish_rows(const Layer& layer, const Layer* next, const Chunk& rows) const {
        char* normed = chunk_space.of(chunk_bytes(rows.count));
        if (normed == nullptr) return false;
        char* const part = after(normed, rows.count, call_.width);
        char* const wide = after(part, rows.count, call_.width);
        const float* before = &layer == call_.layers ? call_.stream : call_.result;
        if (product(layer.out, mixed_ + rows.first * columns_of(layer.out) * bytes_, rows, part)) return false;
        const void* next_rows = add(layer.norms[0], part, before, normed, rows);
        if (!widen(layer, next_rows, wide, part, rows)) return false;
        char* const leaving = static_cast<char*>(call_.following);
        char* const to = leaving != nullptr ? leaving + rows.first * call_.width * bytes_ : normed;
        next_rows = add(layer.norms[1], part, call_.result, to, rows);
        return next == nullptr || !product(next->qkv, next_rows, rows, qkv_ + rows.first * rows_of(next->qkv) * bytes_);
    }

    bool widen(const Layer& layer, const void* from, char* wide, char* part, const Chunk& rows) const {
        if (!layer.gated)
            return !product(layer.up, from, rows, wide, layer.activation) && !product(layer.down, wide, rows, part);
        char* const gate = after(wide, rows.count, widths_.wide);
        if (product(layer.up, from, rows, wide)) return false;
        cenote_bias_act(call_.level, rows.threads, rows.count, columns_of(layer.down), wide, rows_of(layer.up),
                        call_.dtype, nullptr, layer.activation, 1, gate);
        return !product(layer.down, gate, rows, part);
    }

    // Adds a part to the stream, which lies in the result from the first sum on, and normalises; returns the normed
    // rows. In float32 the stream may hold the normed values itself.
    const void* add(const LayerNorm& norm, const char* part, const float* stream, char* normed, const Chunk& rows) const {
        const bool same = norm.carries_norm && call_.dtype == kFloat32;
        float* const carried = call_.result + rows.first * call_.width;
        void* const to = same ? static_cast<void*>(carried) : normed;
        cenote_residual_norm(call_.level, rows.threads, rows.count, call_.width, part, call_.width, call_.dtype,
                             stream + rows.first * call_.width, call_.width, kFloat32, norm.weight, norm.bias, norm.eps,
                             norm.layer, norm.carries_norm, to, call_.dtype, carried);
        return to;
    }

    LayersCall& call_;
    const Widths widths_;
    const int64_t bytes_;
    int64_t chunks_;
    char *qkv_ = nullptr, *turned_ = nullptr, *mixed_ = nullptr;
};

} // namespace

// Returns 0, 1 where no instructions fit, 2 where memory is missing.
CENOTE_API int cenote_layers(LayersCall* call) {
    Run run(*call);
    const int failure = run();
    run.shrink();
    return failure;
}
#endif
