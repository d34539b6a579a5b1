// A fiber: a function with a stack of its own that can be suspended and resumed. A switch costs a
// few nanoseconds on x86-64 and a system call on other processors.
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

  // The next switch to this fiber calls `entry`, which must never return. A function suspended on
  // the stack is discarded.
  void prepare(void (*entry)());
  // Switches from the running fiber, `from`, to `to`. A Fiber that was never prepared stands for
  // the thread's own stack.
  static void change(Fiber& from, Fiber& to);
  // `entry` must call this first.
  static void entered();

 private:
  char* stack_ = nullptr;
#if defined(__x86_64__)
  void* top_ = nullptr;
#else
  ucontext_t context_{};
#endif
  // For AddressSanitizer, which must know every stack.
  void* fake_stack_ = nullptr;
  const void* bottom_ = nullptr;
  size_t size_ = 0;
  static Fiber* previous_;
};

}  // namespace emulator
