#include <array>
#include <cstddef>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/kernels/program_end.h"
#include "rill/tensor/kernels/scratch.h"
#include "rill/tensor/kernels/without_openmp.h"
#include "rill/tensor/per_thread.h"

namespace rill::gemm {
namespace {

// Never destroyed: a product may come after any static object.
const dnnl::engine& engine() {
  static const auto* cpu = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *cpu;
}

/// What a product's code is generated for.
struct Key {
  std::array<std::int64_t, 4> sizes;  // m, n, k and the stride of a
  bool a_transposed, accumulate, has_bias;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::size_t hash = static_cast<std::size_t>(key.a_transposed + 2 * key.accumulate + 4 * key.has_bias);
    for (auto size : key.sizes) hash = (hash ^ static_cast<std::size_t>(size)) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 32);
  }
};

/// A product that is ready to run. One thread has it to itself, because it keeps the operands' addresses.
class Prepared {
 public:
  explicit Prepared(const dnnl::matmul::primitive_desc& description)
      : product_(description),
        stream_(engine()),
        a_(description.src_desc(), engine(), nullptr),
        b_(description.weights_desc(), engine(), nullptr),
        bias_(description.bias_desc(), engine(), nullptr),
        c_(description.dst_desc(), engine(), nullptr),
        scratchpad_(description.scratchpad_desc(), engine(), nullptr),
        scratch_bytes_(description.scratchpad_desc().get_size()) {}

  void run(const RoundedProduct& p) {
    const Scratch<std::byte> scratch(static_cast<std::int64_t>(scratch_bytes_));
    a_.set_data_handle(const_cast<Bfloat16*>(p.a.data));
    b_.set_data_handle(const_cast<std::uint32_t*>(p.b));
    if (p.bias) bias_.set_data_handle(const_cast<float*>(p.bias));
    c_.set_data_handle(p.c);
    scratchpad_.set_data_handle(scratch.data());
    const std::array<dnnl_exec_arg_t, 5> arguments{{{DNNL_ARG_SRC, a_.get()},
                                                    {DNNL_ARG_WEIGHTS, b_.get()},
                                                    {DNNL_ARG_DST, c_.get()},
                                                    {DNNL_ARG_SCRATCHPAD, scratchpad_.get()},
                                                    {DNNL_ARG_BIAS, bias_.get()}}};
    const int count = static_cast<int>(arguments.size()) - (p.bias ? 0 : 1);
    const auto status = dnnl_primitive_execute(product_.get(), stream_.get(), count, arguments.data());
    if (status != dnnl_success)
      throw Error(fmt::format("matmul: oneDNN refused bfloat16 [{}, {}] x [{}, {}] with status {}", p.m, p.k,
                              p.k, p.n, static_cast<int>(status)));
  }

 private:
  dnnl::matmul product_;
  dnnl::stream stream_;
  dnnl::memory a_, b_, bias_, c_, scratchpad_;
  std::size_t scratch_bytes_;
};

/// Nothing where oneDNN has but its reference kernel, which is hundreds of times slower than Eigen.
std::optional<Prepared> prepare(const Key& key) {
  // oneDNN's cache hands one description to several threads, in ways that a thread sanitizer cannot see.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  using dnnl::memory;
  const auto [m, n, k, a_stride] = key.sizes;
  const memory::desc a({m, k}, memory::data_type::bf16,
                       key.a_transposed ? memory::dims{1, a_stride} : memory::dims{a_stride, 1});
  const memory::desc b({k, n}, memory::data_type::bf16, memory::format_tag::BA16a64b2a);
  const memory::desc bias =
      key.has_bias ? memory::desc({1, n}, memory::data_type::f32, memory::format_tag::ab) : memory::desc();
  const memory::desc c({m, n}, memory::data_type::f32, memory::format_tag::ab);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (key.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1);
    attributes.set_post_ops(sum);
  }
  try {
#if DNNL_VERSION_MAJOR < 3
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, bias, c), attributes, engine());
#else
    const dnnl::matmul::primitive_desc description(engine(), a, b, bias, c, attributes);
#endif
    if (!std::string_view(description.impl_info_str()).starts_with("brg")) return std::nullopt;
    return Prepared(description);
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return std::nullopt;
    throw;
  }
}

}  // namespace

void multiply_with_onednn(const RoundedProduct& p) {
  if (is_program_ending()) return multiply_with_eigen(p);
  // Sizes that vary without end, such as those of unequal sequences, must not fill the memory.
  constexpr std::size_t most_prepared = 1024;
  auto& prepared = detail::PerThread<std::unordered_map<Key, std::optional<Prepared>, KeyHash>>::get();
  const WithoutOpenMP guard;
  const Key key{{p.m, p.n, p.k, p.a.stride}, p.a.transposed, p.accumulate, p.bias != nullptr};
  auto found = prepared.find(key);
  if (found == prepared.end()) {
    if (prepared.size() >= most_prepared) prepared.clear();
    found = prepared.emplace(key, prepare(key)).first;
  }
  if (found->second)
    found->second->run(p);
  else
    multiply_with_eigen(p);
}

}  // namespace rill::gemm
