#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::kernels {

/// a [..., m, k] x b [..., k, n] -> [..., m, n]; leading axes broadcast. A vector operand counts as a row
/// (left) or a column (right), whose axis is dropped from the result. Any layout is read in place where rows
/// or columns are dense, transposed ones too. Where b's storage is a parameter's (`reused`), b is packed once
/// and the packed form is kept beside its value until that changes. Where a is one zero, repeated, the
/// product is zeros whatever b holds, infinities too. Floating dtypes only. Throws ShapeError, DTypeError.
Tensor matmul(const Tensor& a, const Tensor& b);

/// c + a x b for matrices a [m, k], b [k, n] and c [m, n] or broadcast to it (a bias [n]).
Tensor matmul_add(const Tensor& a, const Tensor& b, const Tensor& c);
/// The same written to c, which is contiguous, of the product's shape, and whose elements are no other
/// tensor's.
void add_matmul(const Tensor& a, const Tensor& b, const Tensor& c);

/// Right operands as sum_of_products rounded them to bfloat16, for another sum over the same rows or nearly
/// all of them: two weights of a recurrent layer share the gradients of its gates. Keeps the operands alive.
class RoundedRight {
 public:
  struct Rows;
  RoundedRight();
  ~RoundedRight();
  RoundedRight(const RoundedRight&) = delete;
  RoundedRight& operator=(const RoundedRight&) = delete;
  void clear();
  std::unique_ptr<Rows>& rows() { return rows_; }

 private:
  std::unique_ptr<Rows> rows_;
};

/// The sum over i of transpose(left_i) x right_i: the gradient of a weight that was used several times, in
/// one product. left_i [rows_i, m], right_i [rows_i, n] -> [m, n]. Operands are read where they are; beside
/// the result it takes up to a megabyte a thread and, where operands have less than 32 rows each or are
/// rounded to bfloat16, at most 16 MiB to gather the left ones in (or one left operand, if that is larger).
Tensor sum_of_products(const std::vector<std::pair<Tensor, Tensor>>& pairs, RoundedRight* rounded = nullptr);

/// The name of the backend in use: "oneDNN" or "Eigen". float64 always goes through Eigen.
const char* matmul_backend();

}  // namespace rill::kernels
