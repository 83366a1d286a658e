// What needs no special instructions: shares of threads, scratch memory, tables of activations.
#if defined(__x86_64__)
#include <cmath>

#include "gemm.h"
#include "space.h"

namespace cenote {
namespace gemm {

namespace {

// Fits f on intervals around k * width for k in 0..30, by interpolation at Chebyshev points (error below 1e-6 here).
// The first interval goes through f(0) = 0, so that small numbers keep their relative precision.
template <class F> Evens fit(F f) {
    Evens evens{};
    for (int k = 0; k < 31; ++k) {
        const int terms = k == 0 ? 3 : 4;
        double x[4], y[4];
        for (int i = 0; i < terms; ++i) {
            const double point = std::cos(M_PI * (2 * i + 1) / (2 * terms)) / 2;
            x[i] = k == 0 ? 0.25 + point / 2 : point; // in widths from the middle; the first interval has one half
            const double value = f((k + x[i]) * kEvensWidth);
            y[i] = k == 0 ? value / x[i] : value;
        }
        for (int step = 1; step < terms; ++step) // Newton's divided differences
            for (int i = terms - 1; i >= step; --i) y[i] = (y[i] - y[i - 1]) / (x[i] - x[i - step]);
        double c[4] = {y[terms - 1], 0, 0, 0};
        for (int i = terms - 2; i >= 0; --i) { // c(r) := c(r) (r - x[i]) + y[i]
            for (int d = 3; d > 0; --d) c[d] = c[d - 1] - x[i] * c[d];
            c[0] = y[i] - x[i] * c[0];
        }
        for (int d = 0; d < 4; ++d) {
            if (k == 0) evens.degree[d][k] = static_cast<float>(d == 0 ? 0.0 : c[d - 1]);
            else evens.degree[d][k] = static_cast<float>(c[d]);
        }
    }
    return evens;
}

} // namespace

char* scratch(size_t bytes) {
    static thread_local Space space;
    return space.of(bytes);
}

// x Phi(x) = relu(x) - |x| Phi(-|x|)
const Evens& evens_of_gelu() {
    static const Evens evens = fit([](double a) { return a * 0.5 * std::erfc(a / std::sqrt(2.0)); });
    return evens;
}

// x sigma(2u(x)) = relu(x) - |x| sigma(-2u(|x|)), u(x) = sqrt(2/pi) (x + 0.044715 x^3)
const Evens& evens_of_gelu_tanh() {
    static const Evens evens = fit([](double a) {
        const double u = std::sqrt(2 / M_PI) * (a + 0.044715 * a * a * a);
        return a / (1 + std::exp(2 * u));
    });
    return evens;
}

Share share_of(long m, long panels, int thread, int threads) {
    const long tiles = (m + 15) / 16, blocks = (m + 31) / 32;
    int down = 1;
    long best = -1;
    for (int d = 1; d <= threads; ++d) { // threads over rows; the others of a divisor pair go over panels
        if (threads % d) continue;
        const long rows = (blocks + d - 1) / d * 2 < tiles ? (blocks + d - 1) / d * 2 : tiles;
        const long columns = (panels + threads / d - 1) / (threads / d);
        const long cost = rows * columns * 64 + rows + 2 * columns; // and what is read, where the work is the same
        if (best < 0 || cost < best) best = cost, down = d;
    }
    const int across = threads / down, i = thread / across, j = thread % across;
    Share share{blocks * i / down * 32, blocks * (i + 1) / down * 32, panels * j / across, panels * (j + 1) / across};
    if (share.last > m) share.last = m;
    return share;
}

} // namespace gemm
} // namespace cenote
#endif
