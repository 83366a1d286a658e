// What is alike for all ways of multiplying: shares of the documents, and the sums of what was found.
#pragma once

#include <cstdlib>

namespace {

// Memory of one thread; null where there is none.
struct Scratch {
    void* at;
    explicit Scratch(int64_t bytes) : at(nullptr) {
        if (posix_memalign(&at, 64, static_cast<size_t>(bytes < 64 ? 64 : bytes)) != 0) at = nullptr;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { free(at); }
};

// Vectors that a thread takes at a time.
constexpr int64_t kShare = 2048;

inline int64_t documents_together(const cenote::MaxsimCall& call) {
    const int64_t average = call.total / (call.documents > 0 ? call.documents : 1);
    const int64_t together = kShare / (average > 0 ? average : 1);
    const int64_t even = (call.documents + 2 * call.threads - 1) / (2 * call.threads);
    const int64_t most = together < even ? together : even;
    return most > 0 ? most : 1;
}

inline int maxsim_team(const cenote::MaxsimCall& call) {
    constexpr int64_t kLeast = 1 << 19; // multiplications, below which a second thread costs more than it brings
    const int64_t most = call.total * call.vectors * call.width / kLeast;
    return most < 2 ? 1 : static_cast<int>(most < call.threads ? most : call.threads);
}

inline const char* first_vector(const cenote::MaxsimCall& call, int64_t document) {
    return reinterpret_cast<const char*>(call.addresses[document]);
}

// One score per query from the best of each of its vectors.
inline void write_sums(const cenote::MaxsimCall& call, int64_t document, const float* best) {
    for (int64_t query = 0; query < call.queries; ++query) {
        const int64_t stop = call.ends[query + 1];
        Vec total = zero();
        int64_t at = call.ends[query];
        for (; at + kWidth <= stop; at += kWidth) total = add(total, load(best + at));
        if (at < stop) total = add(total, load(best + at, static_cast<int>(stop - at)));
        call.out[query * call.documents + document] = sum(total);
    }
}

} // namespace
