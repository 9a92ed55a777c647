// OutlierColumns: the columns of a linear's input that an activation format leaves as they are.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace farthing {

// Indices of columns, ascending. Copies share them.
class OutlierColumns {
 public:
  OutlierColumns() = default;
  explicit OutlierColumns(std::vector<int32_t> ascending) {
    if (!ascending.empty())
      list_ = std::make_shared<const std::vector<int32_t>>(std::move(ascending));
  }

  std::span<const int32_t> list() const {
    return list_ == nullptr ? std::span<const int32_t>() : std::span(*list_);
  }
  bool empty() const { return list_ == nullptr; }
  int64_t count() const { return static_cast<int64_t>(list().size()); }
  // Whether each is the index of one of k columns, and above the one before it.
  bool fit(int64_t k) const {
    int64_t above = -1;
    for (const int32_t column : list()) {
      if (column <= above || column >= k) return false;
      above = column;
    }
    return true;
  }
  bool operator==(const OutlierColumns& other) const {
    return list_ == other.list_ || (!empty() && !other.empty() && *list_ == *other.list_);
  }

 private:
  std::shared_ptr<const std::vector<int32_t>> list_;  // null: none
};

}  // namespace farthing
