// A stack of its own to run a function on, left and entered again at will. Switching costs some nanoseconds on x86-64
// and a system call elsewhere.
#pragma once
#include <cstddef>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next switch to this fiber calls `entry`, which must never return. What ran on its stack is forgotten.
  void prepare(void (*entry)());
  // Leaves the running fiber, `from`, for `to`. The thread's own stack is a Fiber that was never prepared.
  static void change(Fiber& from, Fiber& to);
  // The first thing `entry` has to call.
  static void entered();

 private:
  char* stack_ = nullptr;
#if defined(__x86_64__)
  void* top_ = nullptr;
#else
  ucontext_t context_{};
#endif
  // For AddressSanitizer, which wants to know every stack.
  void* fake_stack_ = nullptr;
  const void* bottom_ = nullptr;
  size_t size_ = 0;
  static Fiber* previous_;
};

}  // namespace emulator
