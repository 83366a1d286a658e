// Detection of instructions; compiled for any x86-64, or nothing at all elsewhere.
#include "isa.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

// Linux gives the state of tiles only to processes that ask for it (Documentation/arch/x86/xstate.rst).
bool may_use_tiles() {
    constexpr int kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// GCC 12 has no name for these features in __builtin_cpu_supports: leaf 7, EDX bits 22, 24 and 25.
bool has_amx() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    return (d >> 22 & 1) && (d >> 24 & 1) && (d >> 25 & 1);
}

int detect() {
    using namespace cenote;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return kNone;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return kAvx2;
    if (!__builtin_cpu_supports("avx512vnni")) return kAvx512;
    if (!__builtin_cpu_supports("avx512bf16")) return kVnni;
    return has_amx() && may_use_tiles() ? kAmx : kBf16Vnni;
}

} // namespace

int cenote_level() {
    static const int level = detect();
    return level;
}

#else

int cenote_level() { return cenote::kNone; }

#endif
