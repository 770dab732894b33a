/** The pool of a module that may have no threads (WebAssembly without shared memory): the caller does every task. */
#include "memory.h"
#include "pool.h"

namespace subbit {

Pool::Pool(int) : threads_(1), slots_(New<Slot>()), state_(nullptr) {}

Pool::~Pool() {
  Free(slots_->scratch);
  Free(slots_);
}

void Pool::RunTasks(int tasks, TaskFunction function, const void* context) {
  for (int task = 0; task < tasks; ++task) function(context, task, 0);
}

bool Pool::hasFailed() const { return false; }

void* Pool::GrowScratch(int, size_t bytes) {
  Free(slots_->scratch);
  *slots_ = {Allocate(bytes), bytes};
  return slots_->scratch;
}

}  // namespace subbit
