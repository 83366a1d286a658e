// Memory that a thread keeps for its next call.
#pragma once

#include <cstddef>
#include <cstdlib>

namespace cenote {

class Space {
  public:
    Space() = default;
    Space(const Space&) = delete;
    Space& operator=(const Space&) = delete;
    ~Space() { std::free(data_); }

    // At least so many bytes from the start of a page on, with whatever they hold; null where there is no memory.
    char* of(size_t bytes) {
        if (size_ < bytes) {
            shrink(0);
            const size_t wanted = (bytes + kPage - 1) / kPage * kPage;
            data_ = static_cast<char*>(std::aligned_alloc(kPage, wanted));
            if (data_ != nullptr) size_ = wanted;
        }
        return data_;
    }

    // Gives all of it back where it is more than so many bytes.
    void shrink(size_t most) {
        if (size_ <= most) return;
        std::free(data_);
        data_ = nullptr;
        size_ = 0;
    }

  private:
    static constexpr size_t kPage = 4096;
    char* data_ = nullptr;
    size_t size_ = 0;
};

} // namespace cenote
