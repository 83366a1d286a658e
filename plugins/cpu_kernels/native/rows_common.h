// What the operators on rows share; after one of the simd headers.
#pragma once

namespace {

// Threads for so many numbers: a team costs some microseconds, in which one thread does a few thousand of them.
inline int team(int threads, int64_t numbers, int64_t least) {
    const int64_t most = numbers / least;
    return most < 2 ? 1 : static_cast<int>(most < threads ? most : threads);
}

// Whole vectors first, then what is left: step(place, all of a vector) and rest(place, numbers).
template <class Step, class Rest>
inline __attribute__((always_inline)) void columns(int64_t width, Step step, Rest rest) {
    int64_t at = 0;
    for (; at + kWidth <= width; at += kWidth) step(at);
    if (at < width) rest(at, static_cast<int>(width - at));
}

template <class T>
inline const T* row_of(const cenote::Rows& rows, int64_t index) {
    return static_cast<const T*>(rows.from) + index * rows.step;
}

} // namespace
