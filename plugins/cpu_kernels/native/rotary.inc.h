// Rotation of the first components of each head by the angles of its token.

namespace {

template <class T>
void turn_halves(const T* head, T* out, const float* cosines, const float* sines, int64_t half) {
    columns(
        half,
        [&](int64_t at) {
            const Vec low = load(head + at), high = load(head + half + at);
            store(out + at, fnma(high, load(sines + at), mul(low, load(cosines + at))));
            store(out + half + at, fma(low, load(sines + half + at), mul(high, load(cosines + half + at))));
        },
        [&](int64_t at, int count) {
            const Vec low = load(head + at, count), high = load(head + half + at, count);
            const Vec first = fnma(high, load(sines + at, count), mul(low, load(cosines + at, count)));
            store(out + at, first, count);
            const Vec cosine = load(cosines + half + at, count), sine = load(sines + half + at, count);
            store(out + half + at, fma(low, sine, mul(high, cosine)), count);
        });
}

template <class T>
void turn_neighbours(const T* head, T* out, const float* cosines, const float* sines, int64_t turned) {
    columns(
        turned,
        [&](int64_t at) {
            const Vec value = load(head + at), partner = negate_even(swap_neighbours(value));
            store(out + at, fma(partner, load(sines + at), mul(value, load(cosines + at))));
        },
        [&](int64_t at, int count) {
            const Vec value = load(head + at, count), partner = negate_even(swap_neighbours(value));
            store(out + at, fma(partner, load(sines + at, count), mul(value, load(cosines + at, count))), count);
        });
}

template <class T>
void turn(const cenote::RotaryCall& call) {
    const int64_t numbers = call.count * call.heads * call.size;
#pragma omp parallel for schedule(static) num_threads(team(call.threads, numbers, 16384))
    for (int64_t token = 0; token < call.count; ++token) {
        const float *cosines = call.cosines + token * call.turned, *sines = call.sines + token * call.turned;
        for (int64_t index = 0; index < call.heads; ++index) {
            const T* head = row_of<T>(call.rows, token) + index * call.head_step;
            T* out = static_cast<T*>(call.out) + (token * call.heads + index) * call.size;
            if (call.interleaved)
                turn_neighbours(head, out, cosines, sines, call.turned);
            else
                turn_halves(head, out, cosines, sines, call.turned / 2);
            for (int64_t at = call.turned; at < call.size; ++at) out[at] = head[at];
        }
    }
}

} // namespace

void CENOTE_SPACE::rotary(const RotaryCall& call) {
    if (call.rows.type == kFloat32)
        turn<float>(call);
    else
        turn<uint16_t>(call);
}
