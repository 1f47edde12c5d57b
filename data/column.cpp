#include "rill/data/column.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rill::data::detail {
namespace {

// What each of the 256 bytes is read as.
template <Element T>
using Table = std::array<T, 256>;

template <Element T>
constexpr Table<T> table(T divisor) {
  Table<T> values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(i) / divisor;
  return values;
}
constexpr Table<float> pixels = table(255.0F);
constexpr Table<std::int64_t> labels = table(std::int64_t{1});

Shape with_rows(std::span<const std::int64_t> rows, Shape row) {
  row.insert(0, static_cast<std::int64_t>(rows.size()));
  return row;
}

template <Element T>
class ByteColumn : public Column {
 public:
  ByteColumn(std::vector<std::uint8_t> bytes, std::int64_t size, const Shape& row, const Table<T>& table)
      : bytes_(std::move(bytes)), size_(size), row_(row), table_(table) {}
  std::int64_t size() const override { return size_; }
  Shape row() const override { return row_; }
  std::int64_t bytes() const override { return static_cast<std::int64_t>(bytes_.size()); }
  Tensor gather(std::span<const std::int64_t> rows) const override {
    Tensor result = Tensor::empty(with_rows(rows, row_), dtype_of<T>());
    const std::int64_t width = count(row_);
    T* out = rill::detail::TensorAccess::raw<T>(result);
    for (const std::int64_t row : rows) {
      const std::uint8_t* in = bytes_.data() + row * width;
      out = std::transform(in, in + width, out, [this](std::uint8_t byte) { return table_[byte]; });
    }
    return result;
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::int64_t size_;
  Shape row_;
  const Table<T>& table_;
};

template <Element T>
class TensorColumn : public Column {
 public:
  // Rows are read where they stand, so they must stand in order.
  explicit TensorColumn(const Tensor& values)
      : values_(values.is_contiguous() ? values : Tensor::from(values.to_vector<T>(), values.shape())),
        row_(values.shape().begin() + 1, values.shape().end()) {}
  std::int64_t size() const override { return values_.size(0); }
  Shape row() const override { return row_; }
  std::int64_t bytes() const override { return values_.count() * static_cast<std::int64_t>(sizeof(T)); }
  Tensor gather(std::span<const std::int64_t> rows) const override {
    Tensor result = Tensor::empty(with_rows(rows, row_), dtype_of<T>());
    const std::int64_t width = count(row_);
    const T* in = values_.span<T>().data();
    T* out = rill::detail::TensorAccess::raw<T>(result);
    for (const std::int64_t row : rows) out = std::copy_n(in + row * width, width, out);
    return result;
  }

 private:
  Tensor values_;
  Shape row_;
};

template <Element T>
Tensor rearrange(const Tensor& rows, const Shape& shape, const std::vector<std::int64_t>& order) {
  Tensor result = Tensor::empty(shape, dtype_of<T>());
  const std::int64_t count = rows.size(0);
  const std::int64_t width = count == 0 ? 0 : rows.count() / count;
  const T* in = rows.span<T>().data();
  T* out = rill::detail::TensorAccess::raw<T>(result);
  for (std::int64_t row = 0; row < count; ++row, in += width)
    out = std::transform(order.begin(), order.end(), out, [in](std::int64_t element) { return in[element]; });
  return result;
}

class RearrangedColumn : public Column {
 public:
  RearrangedColumn(std::shared_ptr<const Column> base, const Shape& row, std::vector<std::int64_t> order)
      : base_(std::move(base)), row_(row), order_(std::move(order)) {}
  std::int64_t size() const override { return base_->size(); }
  Shape row() const override { return row_; }
  std::int64_t bytes() const override { return base_->bytes(); }
  Tensor gather(std::span<const std::int64_t> rows) const override {
    const Tensor whole = base_->gather(rows);
    const Shape shape = with_rows(rows, row_);
    switch (whole.dtype()) {
      case DType::float32:
        return rearrange<float>(whole, shape, order_);
      case DType::float64:
        return rearrange<double>(whole, shape, order_);
      case DType::int64:
        break;
    }
    return rearrange<std::int64_t>(whole, shape, order_);
  }

 private:
  std::shared_ptr<const Column> base_;
  Shape row_;
  std::vector<std::int64_t> order_;
};

}  // namespace

std::shared_ptr<const Column> pixel_column(std::vector<std::uint8_t> bytes, const Shape& row) {
  const std::int64_t size = static_cast<std::int64_t>(bytes.size()) / count(row);
  return std::make_shared<ByteColumn<float>>(std::move(bytes), size, row, pixels);
}

std::shared_ptr<const Column> label_column(std::vector<std::uint8_t> bytes, const Shape& row) {
  const std::int64_t size = static_cast<std::int64_t>(bytes.size()) / count(row);
  return std::make_shared<ByteColumn<std::int64_t>>(std::move(bytes), size, row, labels);
}

std::shared_ptr<const Column> tensor_column(const Tensor& values) {
  switch (values.dtype()) {
    case DType::float32:
      return std::make_shared<TensorColumn<float>>(values);
    case DType::float64:
      return std::make_shared<TensorColumn<double>>(values);
    case DType::int64:
      break;
  }
  return std::make_shared<TensorColumn<std::int64_t>>(values);
}

std::shared_ptr<const Column> rearranged_column(std::shared_ptr<const Column> base, const Shape& row,
                                                std::vector<std::int64_t> order) {
  return std::make_shared<RearrangedColumn>(std::move(base), row, std::move(order));
}

}  // namespace rill::data::detail
