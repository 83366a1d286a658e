// The exported operators on rows: arguments into structures, and the choice of instructions.
#include "rows.h"

#if defined(__x86_64__)

using namespace cenote;

#define CENOTE_CALL(name)               \
    if (level >= kAvx512)               \
        rows_avx512::name(call);        \
    else                                \
        rows_avx2::name(call);

CENOTE_API void cenote_residual_norm(int level, int threads, int64_t count, int64_t width, const void* rows,
                                     int64_t step, int type, const void* residual, int64_t residual_step,
                                     int residual_type, const float* weight, const float* bias, float eps, int layer,
                                     int carries_norm, void* normed, int normed_type, float* carried) {
    const NormCall call = {threads,   count,        width,  {rows, step, type}, {residual, residual_step, residual_type},
                           weight,    bias,         eps,    layer != 0,         carries_norm != 0,
                           normed,    normed_type,  carried};
    CENOTE_CALL(residual_norm)
}

CENOTE_API void cenote_bias_act(int level, int threads, int64_t count, int64_t width, const void* rows, int64_t step,
                                int type, const float* bias, int activation, int gated, void* out) {
    const ActivationCall call = {threads, count, width, {rows, step, type}, bias, activation, gated != 0, out};
    CENOTE_CALL(bias_act)
}

CENOTE_API void cenote_rotary(int level, int threads, int64_t count, int64_t heads, int64_t size, int64_t turned,
                              const void* rows, int64_t step, int type, int64_t head_step, const float* cosines,
                              const float* sines, int interleaved, void* out) {
    const RotaryCall call = {threads,   count,   heads, size,             turned, {rows, step, type},
                             head_step, cosines, sines, interleaved != 0, out};
    CENOTE_CALL(rotary)
}

CENOTE_API void cenote_segment_pool(int level, int threads, int64_t count, int64_t width, const void* rows,
                                    int64_t step, int type, const int64_t* ends, int reduction, int normalize,
                                    float* out) {
    const PoolCall call = {threads, count, width, {rows, step, type}, ends, reduction, normalize != 0, out};
    CENOTE_CALL(segment_pool)
}

CENOTE_API void cenote_l2_normalize(int level, int threads, int64_t count, int64_t width, const void* rows,
                                    int64_t step, int type, float* out) {
    const NormalizeCall call = {threads, count, width, {rows, step, type}, out};
    CENOTE_CALL(l2_normalize)
}

#endif
