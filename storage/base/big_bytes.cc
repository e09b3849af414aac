#include "storage/base/big_bytes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

namespace cloakroom::storage {
namespace {

struct alignas(64) Account {
  std::atomic<int64_t> bytes{0};  // negative where more was freed than made
};

constexpr uint32_t kAccounts = 256;  // more threads than that share them
std::array<Account, kAccounts> accounts;
std::atomic<uint32_t> threads{0};

Account& own_account() {
  thread_local Account* const own = &accounts[threads.fetch_add(1) % kAccounts];
  return *own;
}

void count(int64_t bytes) { own_account().bytes.fetch_add(bytes, std::memory_order_relaxed); }

// Counts what one allocation takes, for as long as it lives.
template <class T>
struct Counting {
  using value_type = T;
  Counting() = default;
  template <class U>
  explicit Counting(const Counting<U>&) {}

  T* allocate(size_t n) {
    T* const memory = std::allocator<T>().allocate(n);
    count(static_cast<int64_t>(n * sizeof(T)));
    return memory;
  }
  void deallocate(T* memory, size_t n) {
    count(-static_cast<int64_t>(n * sizeof(T)));
    std::allocator<T>().deallocate(memory, n);
  }
  friend bool operator==(const Counting&, const Counting&) { return true; }
};

// Lets the owner go. It is called also when the pointer to it cannot be made.
struct Adopted {
  BigBytes owner;
  int64_t size;
  void operator()(char*) {
    owner.reset();
    count(-size);
  }
};

}  // namespace

BigBytes make_big_bytes(size_t size) {
  return std::allocate_shared_for_overwrite<char[]>(Counting<char>(), size);
}

BigBytes adopt_big_bytes(BigBytes owner, char* data, size_t size) {
  const auto bytes = static_cast<int64_t>(size);
  count(bytes);
  return {data, Adopted{std::move(owner), bytes}};
}

// Copying a pointer first is a read-modify-write of the count: it makes what the last reader did happen
// before our change, which use_count() alone does not.
bool held_once(const BigBytes& bytes) {
  const BigBytes pin = bytes;  // NOLINT(performance-unnecessary-copy-initialization)
  if (pin.use_count() != 2) return false;
  const auto* const adopted = std::get_deleter<Adopted>(pin);
  if (adopted == nullptr) return true;
  const BigBytes owner_pin = adopted->owner;
  return owner_pin.use_count() == 2;
}

size_t big_bytes_alive() {
  const uint32_t used = std::min(threads.load(std::memory_order_relaxed), kAccounts);
  int64_t sum = 0;
  for (uint32_t i = 0; i < used; ++i) sum += accounts[i].bytes.load(std::memory_order_relaxed);
  return static_cast<size_t>(std::max<int64_t>(0, sum));
}

int64_t big_bytes_of_this_thread() { return own_account().bytes.load(std::memory_order_relaxed); }

}  // namespace cloakroom::storage
