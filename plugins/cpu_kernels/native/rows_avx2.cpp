// Operators on rows, compiled for avx2; the code is that of the .inc.h files.
#if defined(__x86_64__)
#pragma GCC target("avx2,fma")
#include "simd_avx2.h"

#include "rows.h"
#include "rows_common.h"
#define CENOTE_SPACE cenote::rows_avx2
#include "activation.inc.h"
#include "norm.inc.h"
#include "pool.inc.h"
#include "rotary.inc.h"
#endif
