// The largest dot product of each query vector with the vectors of a document, summed: never written to memory.
#pragma once

#include <cstdint>

#include "isa.h"

namespace cenote {

enum VectorType : int { kVectorFloat32 = 0, kVectorBFloat16 = 1, kVectorFloat16 = 2, kVectorInt8 = 3 };

struct MaxsimCall {
    int threads;
    int64_t documents;
    const int64_t* addresses; // of each document's first vector
    const int64_t* counts;    // vectors of each, none of them 0
    int64_t total;            // the sum of counts
    int64_t step;             // bytes from one vector to the next
    int64_t width;            // components
    int type;                 // of documents, a VectorType
    int64_t vectors;          // of the queries
    // Query vectors lie side by side in planes of as many as a register holds numbers of 32 bits. A plane has `units` rows:
    // one component of float32, two of bfloat16 or four of int8 each.
    const uint32_t* planes;
    int64_t plane_count, units;
    const int32_t* sums; // of the components of each query vector; of int8 ones only
    const int64_t* ends; // queries + 1 places where queries begin and end
    int64_t queries;
    float* out; // [queries, documents]
};

// Each returns false where a thread has no memory.
namespace maxsim_avx2 {
bool floats(const MaxsimCall& call);
}
namespace maxsim_avx512 {
bool floats(const MaxsimCall& call);
}
namespace maxsim_vnni {
bool bfloats(const MaxsimCall& call);
bool whole(const MaxsimCall& call);
}
namespace maxsim_amx {
// Of float32 documents; planes hold three bfloat16 parts of the query, one part's planes after another's. The words of
// each 16 hold numbers that are 16 places apart.
bool floats(const MaxsimCall& call);
bool bfloats(const MaxsimCall& call);
bool whole(const MaxsimCall& call);
}

} // namespace cenote
