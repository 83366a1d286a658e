// Attention over sequences that lie end to end: cuts a call into tasks and gives them to the threads, longest first.
#include "attention.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "isa.h"
#include "space.h"

namespace {
using namespace cenote;

// Tasks for each thread, so that the last ones end at about the same time.
constexpr int64_t kTasksPerThread = 8;
// Multiply-adds below which a task is not worth being taken on its own: about 10 µs.
constexpr int64_t kLeastCost = 1 << 19;
// Rows of a task, all its heads counted, beyond which it is cut; a multiple of the rows of every engine's blocks.
constexpr int64_t kMostRows = 960, kCut = 96;

// Multiply-adds of rows [first, last) of one head, and about what else a row costs.
int64_t cost_of(const AttentionCall& call, int64_t first, int64_t last, int64_t keys) {
    int64_t seen = keys;
    if (call.causal) seen = std::min(seen, (first + last + 1) / 2);
    if (call.window > 0) seen = std::min(seen, (call.causal ? 1 : 2) * call.window);
    return (last - first) * ((seen + 8) * (call.size + call.value_size) + 512);
}

void cut(const AttentionCall& call, int64_t sequence, int64_t target, std::vector<AttentionTask>& tasks) {
    const int64_t rows = call.starts[sequence + 1] - call.starts[sequence], keys = call.keys[sequence];
    if (rows == 0) return;
    const int64_t group = call.heads / call.key_heads;
    const int64_t whole = group * cost_of(call, 0, rows, keys);
    const int64_t most = std::max(kCut, kMostRows / group / kCut * kCut);
    const int64_t wanted = std::max<int64_t>(1, std::min(whole / target, rows / kCut));
    const int64_t parts = std::max((rows + most - 1) / most, wanted);
    const int64_t part = parts == 1 ? rows : ((rows + parts - 1) / parts + kCut - 1) / kCut * kCut;
    const int64_t heads = parts > 1 ? 1 : std::clamp<int64_t>(target / std::max<int64_t>(whole, 1), 1, call.key_heads);
    for (int64_t first = 0; first < rows; first += part) {
        const int64_t last = std::min(first + part, rows), cost = group * cost_of(call, first, last, keys);
        for (int64_t head = 0; head < call.key_heads; head += heads) {
            const int64_t taken = std::min(heads, call.key_heads - head);
            tasks.push_back({static_cast<int32_t>(sequence), static_cast<int32_t>(head), static_cast<int32_t>(taken),
                             first, last, taken * cost});
        }
    }
}

std::vector<AttentionTask> plan(const AttentionCall& call, int threads) {
    int64_t total = 0;
    for (int64_t i = 0; i < call.sequences; ++i)
        total += call.heads * cost_of(call, 0, call.starts[i + 1] - call.starts[i], call.keys[i]);
    const int64_t target = std::max(kLeastCost, total / (threads * kTasksPerThread));
    std::vector<AttentionTask> tasks;
    for (int64_t i = 0; i < call.sequences; ++i) cut(call, i, target, tasks);
    std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a.cost > b.cost; });
    return tasks;
}

const AttentionEngine* engine_of(int level, int dtype) {
    level = std::min(level, cenote_level());
    if (dtype == kBFloat16 && level >= kAmx) return attention_amx();
    if (dtype == kBFloat16 && level >= kBf16Vnni) return attention_bf16();
    if (level >= kAvx512) return attention_avx512(dtype);
    return level >= kAvx2 ? attention_avx2(dtype) : nullptr;
}

thread_local Space space_of_thread;

} // namespace

// Computes one call with at most so many threads; returns 0, 1 where no instructions fit, 2 where memory is missing.
CENOTE_API int cenote_attention(const cenote::AttentionCall* call, int level, int threads) {
    const AttentionEngine* const engine = engine_of(level, call->dtype);
    if (engine == nullptr) return 1;
    const std::vector<AttentionTask> tasks = plan(*call, threads);
    if (tasks.empty()) return 0;
    int64_t bytes = 0;
    for (const AttentionTask& task : tasks)
        bytes = std::max(bytes, engine->bytes(*call, task.last - task.first, call->keys[task.sequence]));
    int failed = 0;
    const int64_t count = static_cast<int64_t>(tasks.size());
    threads = static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(threads, count)));
#pragma omp parallel num_threads(threads) reduction(| : failed)
    {
        char* const space = space_of_thread.of(bytes);
        failed = space == nullptr;
        if (space != nullptr && engine->enter) engine->enter();
#pragma omp for schedule(dynamic, 1)
        for (int64_t i = 0; i < count; ++i)
            if (space != nullptr) engine->run(*call, tasks[i], space);
        if (space != nullptr && engine->leave) engine->leave();
    }
    return failed ? 2 : 0;
}
