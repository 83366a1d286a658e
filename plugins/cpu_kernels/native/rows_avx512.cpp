// Operators on rows, compiled for avx512; the code is that of the .inc.h files.
#if defined(__x86_64__)
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#include "simd_avx512.h"

#include "rows.h"
#include "rows_common.h"
#define CENOTE_SPACE cenote::rows_avx512
#include "activation.inc.h"
#include "norm.inc.h"
#include "pool.inc.h"
#include "rotary.inc.h"
#endif
