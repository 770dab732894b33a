/**
 * All state of a job is one 64-bit ticket: generation in the high half, tasks left in the low one. A task is claimed by
 * counting the low half down with compare-and-swap, and only while the ticket still is of the generation that was read:
 *
 *   - While tasks are left, the job's fields cannot change, so a claim that succeeds has read the fields of its own job.
 *   - A worker that wakes late finds no tasks left and goes back to wait. Nobody waits for workers that are still asleep,
 *     and a pool whose workers have not started yet is correct, only slower.
 */
#include "pool.h"

#include <stdint.h>

#include "event.h"
#include "memory.h"

#ifndef __wasm__
#include <thread>
#endif
#ifdef __linux__
#include <sched.h>
#endif

namespace subbit {
namespace {

#ifdef __linux__
int CurrentProcessor() { return sched_getcpu(); }

/**
 * Moves a worker off the caller's processor. Linux wakes a sleeper where it was woken, behind the caller, who then computes
 * in front of it; until the scheduler balances, after milliseconds, two threads were no faster than one. So a caller who has
 * woken somebody lets go of its processor once, and whoever finds himself there moves on.
 */
void LeaveProcessor(int processor) {
  if (processor < 0 || sched_getcpu() != processor) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(processor, &others);
  if (CPU_COUNT(&others) == 0) return;
  sched_setaffinity(0, sizeof(others), &others);
  sched_setaffinity(0, sizeof(allowed), &allowed);
}

void LetWokenRun() { sched_yield(); }
#else
int CurrentProcessor() { return -1; }
void LeaveProcessor(int) {}
void LetWokenRun() {}
#endif

}  // namespace

struct Pool::State {
  /** On cache lines of their own: every claim and every finished task writes one of these. */
  alignas(64) uint64_t ticket = 0;
  alignas(64) uint32_t unfinished = 0;

  alignas(64) int tasks = 0;
  TaskFunction function = nullptr;
  const void* context = nullptr;
  /** Where the caller runs; -1 where that is not known. */
  int processor = -1;
  bool isStopping = false;
  bool hasFailed = false;

  /** Counts jobs that were posted, and jobs whose last task is done. */
  Event posted;
  Event finished;
#ifndef __wasm__
  std::thread workers[kMaxThreads];
#endif
};

Pool::Pool(int threads) : threads_(threads), slots_(NewArray<Slot>(threads)), state_(New<State>()) {
#ifndef __wasm__
  for (int i = 1; i < threads; ++i) state_->workers[i] = std::thread([this, i] { Work(i); });
#endif
}

Pool::~Pool() {
#ifndef __wasm__
  Stop();
  for (int i = 1; i < threads_; ++i) state_->workers[i].join();
#endif
  for (int i = 0; i < threads_; ++i) Free(slots_[i].scratch);
  Free(slots_);
  Delete(state_);
}

void Pool::RunTasks(int tasks, TaskFunction function, const void* context) {
  State& state = *state_;
  const uint32_t generation = state.posted.value() + 1;
  // Relaxed atomics, because a worker that is late by a job may be reading them; it will fail to claim.
  __atomic_store_n(&state.tasks, tasks, __ATOMIC_RELAXED);
  __atomic_store_n(&state.function, function, __ATOMIC_RELAXED);
  __atomic_store_n(&state.context, context, __ATOMIC_RELAXED);
  __atomic_store_n(&state.processor, CurrentProcessor(), __ATOMIC_RELAXED);
  __atomic_store_n(&state.unfinished, static_cast<uint32_t>(tasks), __ATOMIC_RELAXED);
  __atomic_store_n(&state.ticket, static_cast<uint64_t>(generation) << 32 | static_cast<uint32_t>(tasks), __ATOMIC_RELEASE);
  if (state.posted.Advance()) LetWokenRun();
  ClaimTasks(0);
#ifdef __wasm__
  state.finished.Spin(generation - 1);
#else
  state.finished.Wait(generation - 1);
#endif
}

void Pool::ClaimTasks(int thread) {
  State& state = *state_;
  uint64_t ticket = __atomic_load_n(&state.ticket, __ATOMIC_ACQUIRE);
  for (;;) {
    const int left = static_cast<int>(static_cast<uint32_t>(ticket));
    if (left == 0) return;
    const int tasks = __atomic_load_n(&state.tasks, __ATOMIC_RELAXED);
    const TaskFunction function = __atomic_load_n(&state.function, __ATOMIC_RELAXED);
    const void* context = __atomic_load_n(&state.context, __ATOMIC_RELAXED);
    // On failure `ticket` becomes what another thread made of it.
    if (!__atomic_compare_exchange_n(&state.ticket, &ticket, ticket - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) continue;
    function(context, tasks - left, thread);
    if (__atomic_sub_fetch(&state.unfinished, 1, __ATOMIC_ACQ_REL) == 0) state.finished.Advance();
    ticket = __atomic_load_n(&state.ticket, __ATOMIC_ACQUIRE);
  }
}

void Pool::Work(int thread) {
  State& state = *state_;
  uint32_t seen = 0;
  while (!__atomic_load_n(&state.isStopping, __ATOMIC_ACQUIRE)) {
    state.posted.Wait(seen);
    seen = state.posted.value();
    LeaveProcessor(__atomic_load_n(&state.processor, __ATOMIC_RELAXED));
    ClaimTasks(thread);
  }
}

void Pool::Stop() {
  __atomic_store_n(&state_->isStopping, true, __ATOMIC_RELEASE);
  state_->posted.Advance();
}

void Pool::Fail() {
  __atomic_store_n(&state_->hasFailed, true, __ATOMIC_RELEASE);
  state_->finished.Advance();
}

bool Pool::hasFailed() const { return __atomic_load_n(&state_->hasFailed, __ATOMIC_ACQUIRE); }

void* Pool::GrowScratch(int thread, size_t bytes) {
  Slot& slot = slots_[thread];
  Free(slot.scratch);
  slot = {Allocate(bytes), bytes};
  return slot.scratch;
}

}  // namespace subbit
