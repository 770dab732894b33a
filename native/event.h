/**
 * A counter that threads wait on: spinning for some tens of microseconds, which is longer than the gaps between the
 * kernels of a training step, and then asleep (native: condition variable; WebAssembly: memory.atomic.wait32).
 */
#pragma once
#include <stdint.h>

#ifndef __wasm__
#include <condition_variable>
#include <mutex>
#endif

namespace subbit {

class Event {
 public:
  uint32_t value() const { return __atomic_load_n(&value_, __ATOMIC_SEQ_CST); }

  /** Adds one and wakes everybody who waits; whether somebody was asleep. */
  bool Advance() {
    __atomic_fetch_add(&value_, 1, __ATOMIC_SEQ_CST);
    // A sleeper announces itself before it looks at the value for the last time, so one of the two sees the other.
    if (__atomic_load_n(&sleepers_, __ATOMIC_SEQ_CST) == 0) return false;
    Wake();
    return true;
  }

  /** Returns once the value is another than `seen`. */
  void Wait(uint32_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      if (value() != seen) return;
      Pause();
    }
    __atomic_fetch_add(&sleepers_, 1, __ATOMIC_SEQ_CST);
    Sleep(seen);
    __atomic_fetch_sub(&sleepers_, 1, __ATOMIC_SEQ_CST);
  }

  /** Wait for threads that must not sleep: a browser's main thread. */
  void Spin(uint32_t seen) const {
    while (value() == seen) Pause();
  }

 private:
#if defined(__x86_64__)
  static constexpr int kSpins = 1000;
  static void Pause() { __builtin_ia32_pause(); }
#elif defined(__aarch64__)
  static constexpr int kSpins = 2000;
  static void Pause() { asm volatile("isb"); }
#else
  static constexpr int kSpins = 20000;
  static void Pause() {}
#endif

#ifdef __wasm__
  void Sleep(uint32_t seen) {
    while (value() == seen) __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int*>(&value_), static_cast<int>(seen), -1);
  }
  void Wake() { __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(&value_), ~0u); }
#else
  void Sleep(uint32_t seen) {
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [&] { return value() != seen; });
  }
  void Wake() {
    // With the mutex held, a sleeper that saw the old value is already waiting.
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
#endif
  uint32_t value_ = 0;
  uint32_t sleepers_ = 0;
};

}  // namespace subbit
