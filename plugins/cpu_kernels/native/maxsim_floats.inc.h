// float32 products; documents of other types become float32 block by block.

namespace {

struct Floats {
    using Sum = Vec;
    using Unit = Vec;
    static Sum start() { return zero(); }
    static Sum lowest() { return set1(-__builtin_inff()); }
    static Unit unit(const uint32_t* from) { return load(reinterpret_cast<const float*>(from)); }
    static Unit repeated(const char* from) { return set1(*reinterpret_cast<const float*>(from)); }
    static Sum step(Sum sum, Unit wanted, Unit given) { return fma(wanted, given, sum); }
    static Sum larger(Sum best, Sum value) { return max_or_nan(best, value); }
    static void write(float* to, Sum best, const int32_t*, int64_t) { store(to, best); }

    static void convert(const char* from, int type, int64_t width, char* to) {
        float* out = reinterpret_cast<float*>(to);
        const uint16_t* halves = reinterpret_cast<const uint16_t*>(from);
        const int8_t* bytes = reinterpret_cast<const int8_t*>(from);
        int64_t at = 0;
        if (type == cenote::kVectorFloat32) {
            for (; at < width; ++at) out[at] = reinterpret_cast<const float*>(from)[at];
        } else if (type == cenote::kVectorBFloat16) {
            for (; at + kWidth <= width; at += kWidth) store(out + at, load(halves + at));
            if (at < width) store(out + at, load(halves + at, static_cast<int>(width - at)), static_cast<int>(width - at));
        } else if (type == cenote::kVectorFloat16) {
            for (; at + kWidth <= width; at += kWidth) store(out + at, load_half(halves + at));
            for (; at < width; ++at) out[at] = _cvtsh_ss(halves[at]);
        } else {
            for (; at < width; ++at) out[at] = static_cast<float>(bytes[at]);
        }
    }
};

} // namespace

bool CENOTE_SPACE::floats(const MaxsimCall& call) {
    return score<Floats>(call, call.type == kVectorFloat32);
}
