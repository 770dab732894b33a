/**
 * Runs the kernels on cases that the TypeScript reference has computed (scripts/write-cases.mjs) and compares: for targets that
 * have no Node here (another architecture under an emulator), and for sanitizers, which want a program of their own.
 *
 *     test-kernels FILE..      runs every case with every instruction set that this machine has, with one thread and with three
 *
 * A file, little-endian, every field 8-byte aligned:
 *
 *     "SUBCASES"  u32 signature of the ops   u32 cases   then per case
 *     u32 op code   u32 bytes of params   u32 buffers   u32 bytes of the name   params   name   then per buffer
 *     u32 role   u32 element   u64 bytes   contents (inputs, changed)   expected (outputs, changed)   f64 bound per element (bounded)
 *
 *     role      0 absent, 1 input, 2 output, 3 changed input, 4 scratch; plus 8: bounded
 *     element   0 f32, 1 u8, 2 i16, 3 i32
 *
 * Results are compared bit for bit (all NaNs count as one), or within their bounds. Around every buffer lie guards, which nothing
 * may write to; outputs and scratch begin as their bytes, NaN in floats. With the address sanitizer, reading a guard is an error.
 */
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "abi.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define SUBBIT_POISON(start, bytes) __asan_poison_memory_region(start, bytes)
#define SUBBIT_UNPOISON(start, bytes) __asan_unpoison_memory_region(start, bytes)
#else
#define SUBBIT_POISON(start, bytes)
#define SUBBIT_UNPOISON(start, bytes)
#endif

namespace subbit {
namespace {

constexpr uint8_t kGuard = 0xff;
constexpr size_t kGuardBytes = 192;
constexpr size_t kAlignment = 64;

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(2);
}

enum Role : uint32_t { kAbsent, kInput, kOutput, kChanged, kScratch };
constexpr uint32_t kBounded = 8;
enum Element : uint32_t { kF32, kU8, kI16, kI32 };

struct Buffer {
  Role role;
  Element element;
  size_t bytes;
  const uint8_t* contents = nullptr;
  const uint8_t* expected = nullptr;
  const double* bounds = nullptr;
};

struct Case {
  std::string name;
  uint32_t op;
  const uint8_t* params;
  size_t paramBytes;
  std::vector<Buffer> buffers;
};

/** The bytes of a file, 8-byte aligned. */
std::vector<uint64_t> ReadFile(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) Fail(std::string("cannot read ") + path);
  std::vector<uint64_t> words;
  uint64_t word;
  while (std::fread(&word, sizeof(word), 1, file) == 1) words.push_back(word);
  std::fclose(file);
  return words;
}

class Reader {
 public:
  explicit Reader(const std::vector<uint64_t>& words)
      : next_(reinterpret_cast<const uint8_t*>(words.data())), end_(next_ + 8 * words.size()) {}

  /** The next bytes, and what fills them up to a multiple of eight. */
  const uint8_t* Take(size_t bytes) {
    const size_t padded = (bytes + 7) / 8 * 8;
    if (padded > static_cast<size_t>(end_ - next_)) Fail("a case file ends too early");
    const uint8_t* start = next_;
    next_ += padded;
    return start;
  }

  template <class T>
  const T* TakeArray(size_t count) {
    return reinterpret_cast<const T*>(Take(count * sizeof(T)));
  }

 private:
  const uint8_t* next_;
  const uint8_t* end_;
};

constexpr size_t kElementBytes[] = {4, 1, 2, 4};

Buffer ReadBuffer(Reader& reader) {
  const uint32_t* head = reader.TakeArray<uint32_t>(2);
  Buffer buffer = {static_cast<Role>(head[0] & ~kBounded), static_cast<Element>(head[1]), *reader.TakeArray<uint64_t>(1)};
  if (buffer.role == kInput || buffer.role == kChanged) buffer.contents = reader.Take(buffer.bytes);
  if (buffer.role == kOutput || buffer.role == kChanged) buffer.expected = reader.Take(buffer.bytes);
  if (head[0] & kBounded) buffer.bounds = reader.TakeArray<double>(buffer.bytes / kElementBytes[buffer.element]);
  return buffer;
}

std::vector<Case> ReadCases(Reader reader) {
  if (std::memcmp(reader.Take(8), "SUBCASES", 8) != 0) Fail("not a case file");
  const uint32_t* file = reader.TakeArray<uint32_t>(2);
  if (file[0] != SubbitSignature()) Fail("the case file was written for other op declarations than the kernels");
  std::vector<Case> cases(file[1]);
  for (Case& each : cases) {
    const uint32_t* head = reader.TakeArray<uint32_t>(4);
    each.op = head[0];
    each.paramBytes = head[1];
    each.params = reader.Take(head[1]);
    each.name.assign(reader.TakeArray<char>(head[3]), head[3]);
    for (uint32_t i = 0; i < head[2]; ++i) each.buffers.push_back(ReadBuffer(reader));
  }
  return cases;
}

/** Memory of a call: the buffer, aligned, between two guards. */
class GuardedBuffer {
 public:
  explicit GuardedBuffer(const Buffer& buffer) : bytes_(buffer.bytes) {
    const size_t whole = (2 * kGuardBytes + bytes_ + kAlignment - 1) / kAlignment * kAlignment;
    memory_.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, whole)));
    wholeBytes_ = whole;
    std::memset(memory_.get(), kGuard, whole);
    if (buffer.contents != nullptr && bytes_ > 0) std::memcpy(data(), buffer.contents, bytes_);
    SUBBIT_POISON(memory_.get(), kGuardBytes);
    SUBBIT_POISON(data() + bytes_, whole - kGuardBytes - bytes_);
  }
  ~GuardedBuffer() { SUBBIT_UNPOISON(memory_.get(), wholeBytes_); }

  uint8_t* data() { return memory_.get() + kGuardBytes; }

  bool HasStrayWrite() {
    SUBBIT_UNPOISON(memory_.get(), wholeBytes_);
    for (size_t i = 0; i < wholeBytes_; ++i) {
      if ((i < kGuardBytes || i >= kGuardBytes + bytes_) && memory_[i] != kGuard) return true;
    }
    return false;
  }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  std::unique_ptr<uint8_t[], Free> memory_;
  size_t bytes_;
  size_t wholeBytes_;
};

double ValueAt(Element element, const uint8_t* data, size_t i) {
  const uint8_t* at = data + i * kElementBytes[element];
  if (element == kU8) return *at;
  if (element == kF32) return *reinterpret_cast<const float*>(at);
  if (element == kI16) return *reinterpret_cast<const int16_t*>(at);
  return *reinterpret_cast<const int32_t*>(at);
}

bool IsRight(const Buffer& buffer, const uint8_t* actual, size_t i) {
  const size_t bytes = kElementBytes[buffer.element];
  if (std::memcmp(actual + i * bytes, buffer.expected + i * bytes, bytes) == 0) return true;
  const double value = ValueAt(buffer.element, actual, i);
  const double expected = ValueAt(buffer.element, buffer.expected, i);
  if (std::isnan(value) && std::isnan(expected)) return true;
  return buffer.bounds != nullptr && std::fabs(value - expected) <= buffer.bounds[i];
}

/** What is wrong with a buffer after a run; empty when nothing is. */
std::string Check(const Buffer& buffer, GuardedBuffer& memory) {
  if (memory.HasStrayWrite()) return "a write outside of it";
  if (buffer.role == kScratch) return "";
  if (buffer.role == kInput) {
    const bool isKept = buffer.bytes == 0 || std::memcmp(memory.data(), buffer.contents, buffer.bytes) == 0;
    return isKept ? "" : "an input was written to";
  }
  for (size_t i = 0; i < buffer.bytes / kElementBytes[buffer.element]; ++i) {
    if (IsRight(buffer, memory.data(), i)) continue;
    const double actual = ValueAt(buffer.element, memory.data(), i);
    const double expected = ValueAt(buffer.element, buffer.expected, i);
    char text[120];
    std::snprintf(text, sizeof(text), "element %zu is %.9g, expected %.9g", i, actual, expected);
    return text;
  }
  return "";
}

/** One command, as src/backends/cpu.ts writes it (abi.h). */
std::vector<uint64_t> CommandOf(const Case& each, const std::vector<std::unique_ptr<GuardedBuffer>>& memories) {
  // A null pointer for scratch that is not wanted.
  const size_t pointers = memories.size() + 1;
  const size_t paramsOffset = 16 + pointers * sizeof(void*);
  std::vector<uint64_t> command((paramsOffset + each.paramBytes + 7) / 8);
  uint32_t* head = reinterpret_cast<uint32_t*>(command.data());
  head[0] = each.op;
  head[1] = static_cast<uint32_t>(paramsOffset);
  head[2] = static_cast<uint32_t>(8 * command.size());
  void** addresses = reinterpret_cast<void**>(head + 4);
  for (size_t i = 0; i < memories.size(); ++i) addresses[i] = memories[i] ? memories[i]->data() : nullptr;
  if (each.paramBytes > 0) std::memcpy(reinterpret_cast<uint8_t*>(head) + paramsOffset, each.params, each.paramBytes);
  return command;
}

/** Runs a case and returns whether all is right. */
bool Passes(Engine* engine, const Case& each, const std::string& what) {
  std::vector<std::unique_ptr<GuardedBuffer>> memories;
  for (const Buffer& buffer : each.buffers) {
    memories.push_back(buffer.role == kAbsent ? nullptr : std::make_unique<GuardedBuffer>(buffer));
  }
  const std::vector<uint64_t> command = CommandOf(each, memories);
  SubbitExecute(engine, command.data(), 1);
  bool isRight = true;
  for (size_t i = 0; i < memories.size(); ++i) {
    const std::string wrong = memories[i] ? Check(each.buffers[i], *memories[i]) : "";
    if (wrong.empty()) continue;
    std::printf("FAILED %s %s: buffer %zu: %s\n", what.c_str(), each.name.c_str(), i, wrong.c_str());
    isRight = false;
  }
  return isRight;
}

int Main(int numFiles, char** files) {
  std::vector<std::vector<uint64_t>> contents;
  std::vector<Case> cases;
  for (int i = 0; i < numFiles; ++i) {
    contents.push_back(ReadFile(files[i]));
    for (Case& each : ReadCases(Reader(contents.back()))) cases.push_back(std::move(each));
  }
  int passed = 0;
  int failed = 0;
  for (int isa = 0; isa < SubbitNumIsas(); ++isa) {
    for (const int threads : {1, 3}) {
      const std::string what = std::string(SubbitIsaName(isa)) + ", threads " + std::to_string(threads);
      int passedHere = 0;
      Engine* engine = SubbitOpen(isa, threads);
      for (const Case& each : cases) passedHere += Passes(engine, each, what);
      SubbitClose(engine);
      std::printf("%s: %d of %zu cases passed\n", what.c_str(), passedHere, cases.size());
      std::fflush(stdout);
      passed += passedHere;
      failed += static_cast<int>(cases.size()) - passedHere;
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace subbit

int main(int argc, char** argv) { return subbit::Main(argc - 1, argv + 1); }
