// Bias and activation, plain or gated.

namespace {

// 2^x of x within ±150, beyond which it is 0 or infinity; relative error 1e-7.
inline Vec power_of_two(Vec x) {
    x = max(set1(-150.0f), min(set1(150.0f), x));
    const Vec whole = round_whole(x), part = sub(x, whole);
    Vec sum = set1(1.5353362e-4f);
    sum = fma(sum, part, set1(1.33988750e-3f));
    sum = fma(sum, part, set1(9.61843692e-3f));
    sum = fma(sum, part, set1(5.55033237e-2f));
    sum = fma(sum, part, set1(2.40226477e-1f));
    sum = fma(sum, part, set1(6.93147182e-1f));
    sum = fma(sum, part, set1(1.0f));
    return scale(sum, whole);
}

// x / (1 + e^-(factor x))
inline Vec times_sigmoid(Vec x, Vec factored) {
    constexpr float kLog2OfE = 1.44269504f;
    return div(x, add(set1(1.0f), power_of_two(mul(factored, set1(-kLog2OfE)))));
}

// x Φ(x) = max(x, 0) - |x| (1 - Φ(|x|))
inline Vec gelu(Vec x) {
    constexpr float kScale = kPieces / 6.0f;
    const Vec size = max(x, sub(zero(), x));
    const Vec place = min(set1(kPieces * 0.999999f), mul(size, set1(kScale))), piece = round_down(place);
    const Vec t = sub(sub(place, piece), set1(0.5f));
    Vec lacking = look_up(kGeluOff[kDegree], piece);
    for (int power = kDegree - 1; power >= 0; --power) lacking = fma(lacking, t, look_up(kGeluOff[power], piece));
    return sub(max(zero(), x), lacking);
}

template <int kKind>
inline Vec activated(Vec x) {
    if constexpr (kKind == cenote::kGelu) {
        return gelu(x);
    } else if constexpr (kKind == cenote::kGeluTanh) {
        // (1 + tanh y) / 2 = 1 / (1 + e^-2y), y = sqrt(2 / pi) (x + 0.044715 x³)
        const Vec cubic = fma(mul(mul(x, x), x), set1(0.044715f), x);
        return times_sigmoid(x, mul(cubic, set1(2.0f * 0.797884561f)));
    } else if constexpr (kKind == cenote::kSilu) {
        return times_sigmoid(x, x);
    } else if constexpr (kKind == cenote::kRelu) {
        return max(zero(), x);
    } else {
        return times_sigmoid(x, mul(x, set1(1.702f)));
    }
}

template <int kKind, bool kGated, class T>
void activate_row(const cenote::ActivationCall& call, const T* row, T* out) {
    const float* bias = call.bias;
    const int64_t width = call.width;
    columns(
        width,
        [&](int64_t at) {
            Vec value = load(row + at);
            if (bias) value = add(value, load(bias + at));
            value = activated<kKind>(value);
            if constexpr (kGated) {
                Vec gate = load(row + width + at);
                if (bias) gate = add(gate, load(bias + width + at));
                value = mul(value, gate);
            }
            store(out + at, value);
        },
        [&](int64_t at, int count) {
            Vec value = load(row + at, count);
            if (bias) value = add(value, load(bias + at, count));
            value = activated<kKind>(value);
            if constexpr (kGated) {
                Vec gate = load(row + width + at, count);
                if (bias) gate = add(gate, load(bias + width + at, count));
                value = mul(value, gate);
            }
            store(out + at, value, count);
        });
}

template <int kKind, bool kGated, class T>
void activate_rows(const cenote::ActivationCall& call) {
#pragma omp parallel for schedule(static) num_threads(team(call.threads, call.count * call.width, 8192))
    for (int64_t index = 0; index < call.count; ++index)
        activate_row<kKind, kGated>(call, row_of<T>(call.rows, index), static_cast<T*>(call.out) + index * call.width);
}

template <int kKind>
void activate(const cenote::ActivationCall& call) {
    const bool whole = call.rows.type == cenote::kFloat32;
    if (call.gated)
        whole ? activate_rows<kKind, true, float>(call) : activate_rows<kKind, true, uint16_t>(call);
    else
        whole ? activate_rows<kKind, false, float>(call) : activate_rows<kKind, false, uint16_t>(call);
}

} // namespace

void CENOTE_SPACE::bias_act(const ActivationCall& call) {
    switch (call.activation) {
        case kGelu: return activate<kGelu>(call);
        case kGeluTanh: return activate<kGeluTanh>(call);
        case kSilu: return activate<kSilu>(call);
        case kRelu: return activate<kRelu>(call);
        default: return activate<kQuickGelu>(call);
    }
}
