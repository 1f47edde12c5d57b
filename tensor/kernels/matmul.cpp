#include "rill/tensor/kernels/matmul.h"

#include <algorithm>
#include <type_traits>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/matmul_operand.h"
#include "rill/tensor/kernels/panels.h"
#include "rill/tensor/kernels/scratch.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/precision.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;
using gemm::Matrix;
using gemm::Operand;
using gemm::Panels;
using gemm::Side;

namespace {

// Floating-point operations that are worth waking a thread for, and that are worth being a part of their own.
constexpr std::int64_t worth_threads = 400'000;
constexpr std::int64_t worth_part = 8'000'000;
// With fewer rows, copying a panel of the right operand into dense rows costs more than it saves.
constexpr std::int64_t worth_gathering = 128;

/// A rectangle of one of the products.
struct Block {
  std::int64_t product, row, rows, column, columns;
};

/// What is added to a product: elements with any strides, 0 where one repeats.
template <class T>
struct Addend {
  const T* data = nullptr;
  std::int64_t row_stride = 0, column_stride = 0;

  void copy_to(const Block& at, T* c, std::int64_t c_stride) const {
    for (std::int64_t i = 0; i < at.rows; ++i) {
      const T* from = data + (at.row + i) * row_stride + at.column * column_stride;
      T* to = c + i * c_stride;
      if (column_stride == 1)
        std::copy_n(from, at.columns, to);
      else
        for (std::int64_t j = 0; j < at.columns; ++j) to[j] = from[j * column_stride];
    }
  }
};

/// A stack of products of one size, cut into blocks of rows by panels of columns. The cut follows from sizes
/// and layouts alone, never from the number of threads. Operands are given to the backend as `Element`, which
/// is T or less precise.
template <class T, class Element>
class Products {
 public:
  Products(const Operand& a, const Operand& b, const Dims& batch, T* c, Addend<T> addend)
      : a_(a),
        b_(b),
        batch_(batch),
        c_(c),
        addend_(addend),
        m_(a.rows),
        n_(b.columns),
        k_(a.columns),
        panels_(n_) {
    if (b.batch.empty()) packed_ = gemm::packed_panels<Element>(b.tensor, b.matrix<T>(), k_, n_);
    gathers_ = !packed_ && (rounds || (!b.transposed && panels_.count > 1 && m_ >= worth_gathering));
    const std::int64_t fewest = gathers_ ? 2 * worth_gathering : 32;
    const std::int64_t rows = std::max(fewest, worth_part / (2 * k_ * panels_.width));
    const std::int64_t blocks = (m_ + rows - 1) / rows;
    block_rows_ = ((m_ + blocks - 1) / blocks + 7) / 8 * 8;
  }

  void compute() const {
    const std::int64_t products = rill::count(batch_);
    const std::int64_t operations = 2 * m_ * n_ * k_;
    if (operations > worth_threads) {
      const std::int64_t blocks = (m_ + block_rows_ - 1) / block_rows_;
      const std::int64_t units = panels_.count * blocks;
      detail::parallel_parts(products * units, [&](std::int64_t part) {
        const std::int64_t panel = part % units / blocks, row = part % blocks * block_rows_;
        compute_block(
            {part / units, row, std::min(block_rows_, m_ - row), panels_.begin(panel), panels_.size(panel)});
      });
    } else {
      detail::parallel_for(products, worth_threads / operations, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t product = begin; product < end; ++product) compute_product(product);
      });
    }
  }

 private:
  void compute_product(std::int64_t product) const {
    if (!packed_) return compute_block({product, 0, m_, 0, n_});
    for (std::int64_t panel = 0; panel < panels_.count; ++panel)
      compute_block({product, 0, m_, panels_.begin(panel), panels_.size(panel)});
  }

  void compute_block(const Block& at) const {
    T* c = c_ + (at.product * m_ + at.row) * n_ + at.column;
    if (addend_.data) addend_.copy_to(at, c, n_);
    const Matrix<T> a = matrix(a_, at.product).from(at.row, 0);
    const Matrix<T> b = matrix(b_, at.product).from(0, at.column);
    if constexpr (!rounds) {
      if (packed_) return multiply(at, k_, a, {packed_ + k_ * at.column, at.columns}, c, addend_.data);
      if (!gathers_) return multiply(at, k_, a, b, c, addend_.data);
    }
    constexpr std::int64_t deepest = 512;
    const gemm::Scratch<Element> rows(rounds ? at.rows * std::min(k_, deepest) : 0);
    const gemm::Scratch<Element> panel(packed_ ? 0 : std::min(k_, deepest) * at.columns);
    for (std::int64_t depth = 0; depth < k_; depth += deepest) {
      const std::int64_t k = std::min(deepest, k_ - depth);
      Matrix<Element> left, right{panel.data(), at.columns};
      if constexpr (rounds)
        left = gemm::round_rows(a.from(0, depth), at.rows, k, rows.data());
      else
        left = a.from(0, depth);
      if (packed_)
        right.data = packed_ + k_ * at.column + depth * at.columns;
      else
        gemm::copy_dense(b.from(depth, 0), k, at.columns, panel.data());
      multiply(at, k, left, right, c, addend_.data || depth > 0);
    }
  }

  void multiply(const Block& at, std::int64_t k, const Matrix<Element>& a, const Matrix<Element>& b, T* c,
                bool accumulate) const {
    gemm::multiply(gemm::Product<Element>{at.rows, at.columns, k, a, b, c, n_, accumulate});
  }

  Matrix<T> matrix(const Operand& x, std::int64_t product) const {
    Matrix<T> matrix = x.matrix<T>();
    for (int i = batch_.size() - 1, j = x.batch.size() - 1; j >= 0; --i, --j) {
      if (x.batch[j] != 1) matrix.data += product % batch_[i] * x.batch_strides[j];
      product /= batch_[i];
    }
    return matrix;
  }

  static constexpr bool rounds = !std::is_same_v<T, Element>;

  const Operand& a_;
  const Operand& b_;
  const Dims& batch_;
  T* c_;
  Addend<T> addend_;
  std::int64_t m_, n_, k_;
  Panels panels_;
  const Element* packed_ = nullptr;
  bool gathers_;
  std::int64_t block_rows_;
};

template <class T>
void compute(const Operand& a, const Operand& b, const Dims& batch, const Tensor& out, const Tensor& addend) {
  if (out.count() == 0) return;
  if (a.columns == 0) return addend.defined() ? copy_into(addend, out) : fill(out, 0);
  Addend<T> added;
  if (addend.defined()) {
    const Tensor full = expand(addend, out.shape());
    added = {TensorAccess::data<T>(full), full.strides()[0], full.strides()[1]};
  }
  if constexpr (std::is_same_v<T, float>)
    if (gemm::rounds_operands(b.rows, b.columns))
      return Products<T, gemm::Bfloat16>(a, b, batch, TensorAccess::raw<T>(out), added).compute();
  Products<T, T>(a, b, batch, TensorAccess::raw<T>(out), added).compute();
}

Tensor product(Tensor left, Tensor right, const Tensor& addend, const char* operation) {
  const auto fail = [&](const std::string& what) {
    throw ShapeError(
        fmt::format("{}: {} x {}: {}", operation, to_string(left.shape()), to_string(right.shape()), what));
  };
  if (left.rank() == 0 || right.rank() == 0) fail("a scalar has no rows and columns; use *");
  gemm::agree_on_dtype(left, right, operation);
  Operand a = gemm::operand(left, Side::left), b = gemm::operand(right, Side::right);
  if (a.columns != b.rows) fail(fmt::format("inner sizes {} and {} differ", a.columns, b.rows));

  Shape shape = a.batch;
  if (!b.batch.empty()) {
    for (int i = a.batch.size() - 1, j = b.batch.size() - 1; i >= 0 && j >= 0; --i, --j)
      if (a.batch[i] != b.batch[j] && a.batch[i] != 1 && b.batch[j] != 1)
        fail(fmt::format("leading axes {} and {} do not broadcast", to_string(a.batch), to_string(b.batch)));
    shape = broadcast_shapes(a.batch, b.batch, operation);
  }
  if (b.batch.empty()) gemm::join_rows(a);
  const Dims batch = a.batch.empty() && b.batch.empty() ? Dims() : shape;
  if (left.rank() > 1) shape.push_back(left.shape()[left.rank() - 2]);
  if (right.rank() > 1) shape.push_back(right.shape().back());
  const Tensor out = Tensor::empty(shape, left.dtype());
  if (left.dtype() == DType::float32)
    compute<float>(a, b, batch, out, addend);
  else
    compute<double>(a, b, batch, out, addend);
  return out;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) { return product(a, b, {}, "matmul"); }

Tensor matmul_add(const Tensor& a, const Tensor& b, const Tensor& c) {
  if (a.rank() != 2 || b.rank() != 2)
    throw ShapeError(fmt::format("matmul_add: {} x {}: expected two matrices", to_string(a.shape()),
                                 to_string(b.shape())));
  const Shape shape{a.shape()[0], b.shape()[1]};
  if (c.rank() > 2 || !(broadcast_shapes(shape, c.shape(), "matmul_add") == shape))
    throw ShapeError(fmt::format("matmul_add: {} cannot be added to a product of shape {}",
                                 to_string(c.shape()), to_string(shape)));
  Tensor addend = c;
  if (TensorAccess::body(c).weak) addend = cast(c, a.dtype());
  if (addend.dtype() != a.dtype())
    throw DTypeError(fmt::format("matmul_add: {} {} cannot be added to a {} product; cast one",
                                 name(c.dtype()), to_string(c.shape()), name(a.dtype())));
  return product(a, b, addend, "matmul_add");
}

const char* matmul_backend() { return gemm::backends().front().name; }

}  // namespace rill::kernels
