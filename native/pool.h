/**
 * A persistent pool of threads. A kernel cuts its work into tasks by the shapes alone, never by the number of threads, so
 * that results do not depend on that number; threads claim tasks one by one, the caller among them as thread 0.
 */
#pragma once
#include <stddef.h>

#define SUBBIT_INLINE inline __attribute__((always_inline))

namespace subbit {

class Pool {
 public:
  static constexpr int kMaxThreads = 256;

  /** Native: starts threads - 1 workers. WebAssembly: the host starts them, and each calls Work. */
  explicit Pool(int threads);
  /** Native: joins the workers. WebAssembly: the host has seen them leave Work, or never started them. */
  ~Pool();

  int threads() const { return threads_; }

  /** Calls body(task, thread) for every task in 0 .. tasks - 1 and returns when all are done. Must not be nested. */
  template <class Body>
  SUBBIT_INLINE void Run(int tasks, const Body& body) {
    if (threads_ == 1 || tasks == 1) {
      for (int task = 0; task < tasks; ++task) body(task, 0);
    } else if (tasks > 1) {
      const auto call = [](const void* context, int task, int thread) { (*static_cast<const Body*>(context))(task, thread); };
      RunTasks(tasks, call, &body);
    }
  }

  /** At least `bytes` of memory for one thread, 64-byte aligned, never to be freed. Valid until the thread asks again. */
  SUBBIT_INLINE void* Scratch(int thread, size_t bytes) {
    const Slot& slot = slots_[thread];
    return bytes <= slot.bytes ? slot.scratch : GrowScratch(thread, bytes);
  }

  /** The life of worker `thread`; returns after Stop. */
  void Work(int thread);
  /** Asks the workers to leave Work. */
  void Stop();
  /** Says that a worker died in the middle of a task, so that the caller does not wait for it for ever. */
  void Fail();
  bool hasFailed() const;

 private:
  struct Slot {
    void* scratch;
    size_t bytes;
  };
  struct State;
  using TaskFunction = void (*)(const void* context, int task, int thread);

  void RunTasks(int tasks, TaskFunction function, const void* context);
  void ClaimTasks(int thread);
  void* GrowScratch(int thread, size_t bytes);

  int threads_;
  Slot* slots_;
  State* state_;
};

}  // namespace subbit
