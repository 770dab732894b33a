/**
 * The ABI for Node.js, as a Node-API addon. Addresses and engines are plain numbers (below 2^53).
 *
 * Memory is made by JavaScript, so that the garbage collector knows its size and no view can outlive it: an ArrayBuffer
 * does not move, and `addressOf` gives its place. `release` detaches it, which frees it at once.
 */
#define NAPI_VERSION 8
#include <node_api.h>

#include "abi.h"

namespace subbit {
namespace {

/** The arguments of a call. They come from src/backends/native.ts alone, which passes the right number and kinds. */
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMax;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
  }

  napi_value operator[](int i) const { return values_[i]; }

  int64_t Integer(int i) const {
    int64_t value = 0;
    napi_get_value_int64(env_, values_[i], &value);
    return value;
  }

  template <class T>
  T* Pointer(int i) const {
    return reinterpret_cast<T*>(Integer(i));
  }

 private:
  static constexpr int kMax = 3;
  napi_env env_;
  napi_value values_[kMax];
};

napi_value Number(napi_env env, double number) {
  napi_value value;
  napi_create_double(env, number, &value);
  return value;
}

napi_value Boolean(napi_env env, bool flag) {
  napi_value value;
  napi_get_boolean(env, flag, &value);
  return value;
}

napi_value Address(napi_env env, const void* address) {
  return Number(env, static_cast<double>(reinterpret_cast<uintptr_t>(address)));
}

napi_value AddressOf(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  void* data = nullptr;
  size_t bytes;
  napi_get_arraybuffer_info(env, arguments[0], &data, &bytes);
  return Address(env, data);
}

napi_value Release(napi_env env, napi_callback_info info) {
  napi_detach_arraybuffer(env, Arguments(env, info)[0]);
  return nullptr;
}

napi_value HasKernel(napi_env env, napi_callback_info info) {
  return Boolean(env, SubbitHasKernel(static_cast<int>(Arguments(env, info).Integer(0))));
}

napi_value Open(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  return Address(env, SubbitOpen(static_cast<int>(arguments.Integer(0)), static_cast<int>(arguments.Integer(1))));
}

napi_value Close(napi_env env, napi_callback_info info) {
  SubbitClose(Arguments(env, info).Pointer<Engine>(0));
  return nullptr;
}

napi_value Execute(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const int count = static_cast<int>(arguments.Integer(2));
  return Boolean(env, SubbitExecute(arguments.Pointer<Engine>(0), arguments.Pointer<void>(1), count));
}

napi_value IsaNames(napi_env env) {
  napi_value names;
  napi_create_array(env, &names);
  for (int i = 0; i < SubbitNumIsas(); ++i) {
    napi_value name;
    napi_create_string_utf8(env, SubbitIsaName(i), NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, i, name);
  }
  return names;
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace
}  // namespace subbit

NAPI_MODULE_INIT() {
  using namespace subbit;
  napi_set_named_property(env, exports, "signature", Number(env, SubbitSignature()));
  napi_set_named_property(env, exports, "runtimeSignature", Number(env, SubbitRuntimeSignature()));
  napi_set_named_property(env, exports, "isas", IsaNames(env));
  Export(env, exports, "addressOf", AddressOf);
  Export(env, exports, "release", Release);
  Export(env, exports, "hasKernel", HasKernel);
  Export(env, exports, "open", Open);
  Export(env, exports, "close", Close);
  Export(env, exports, "execute", Execute);
  return exports;
}
