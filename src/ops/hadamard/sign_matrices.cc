// Constructions of Hadamard matrices.
#include "ops/hadamard/sign_matrices.h"

#include <string_view>

namespace farthing::ops {
namespace {

class Signs {
 public:
  explicit Signs(int64_t order) : order_(order), signs_(static_cast<size_t>(order * order), 1.0f) {}
  int64_t order() const { return order_; }
  float& at(int64_t row, int64_t column) {
    return signs_[static_cast<size_t>(row * order_ + column)];
  }
  // With a first column of +1: the sign of a row is free.
  std::vector<float> normalized() {
    for (int64_t row = 0; row < order_; ++row) {
      const float sign = at(row, 0);
      for (int64_t column = 0; column < order_; ++column) at(row, column) *= sign;
    }
    return std::move(signs_);
  }

 private:
  int64_t order_;
  std::vector<float> signs_;
};

bool is_prime(int64_t q) {
  if (q < 2) return false;
  for (int64_t d = 2; d * d <= q; ++d)
    if (q % d == 0) return false;
  return true;
}

// 0 for 0, 1 for the squares modulo the prime q, -1 for all others.
std::vector<float> quadratic_character(int64_t q) {
  std::vector<float> out(static_cast<size_t>(q), -1.0f);
  for (int64_t a = 1; a < q; ++a) out[static_cast<size_t>(a * a % q)] = 1.0f;
  out[0] = 0.0f;
  return out;
}

// I + S, S of order q + 1: a border of +1 above and -1 beside the character of differences.
std::vector<float> paley_one(int64_t q) {
  const auto character = quadratic_character(q);
  Signs out(q + 1);
  for (int64_t i = 0; i < q; ++i) {
    out.at(i + 1, 0) = -1;
    for (int64_t j = 0; j < q; ++j)
      out.at(i + 1, j + 1) = i == j ? 1.0f : character[static_cast<size_t>((i - j + q) % q)];
  }
  return out.normalized();
}

// The symmetric matrix of order q + 1 with a border of +1 beside the character of differences and
// a diagonal of 0: each entry c becomes c [1 1; 1 -1], each 0 becomes [1 -1; -1 -1].
std::vector<float> paley_two(int64_t q) {
  const auto character = quadratic_character(q);
  Signs out(2 * (q + 1));
  for (int64_t i = 0; i <= q; ++i) {
    for (int64_t j = 0; j <= q; ++j) {
      const float c = i == 0 || j == 0 ? 1.0f : character[static_cast<size_t>((i - j + q) % q)];
      const bool diagonal = i == j;
      out.at(2 * i, 2 * j) = diagonal ? 1.0f : c;
      out.at(2 * i, 2 * j + 1) = out.at(2 * i + 1, 2 * j) = diagonal ? -1.0f : c;
      out.at(2 * i + 1, 2 * j + 1) = diagonal ? -1.0f : -c;
    }
  }
  return out.normalized();
}

// First rows of four circulant matrices A, B, C and D with A A' + B B' + C C' + D D' = 4 n I; found
// by a search among rows that do not change when places are multiplied by a root of unity.
struct FourRows {
  std::string_view a, b, c, d;
};
constexpr FourRows four_rows[] = {
    {"+-+--++++--+-", "+-+--++++--+-", "++-++--++++++", "+---+--++-+++"},
    {"-+-+----++-+-+--++-++++++-+++--+-+----+", "+-++++--++++-+-----+++--+++++--+++-----",
     "--++-+++-+--+--+-+++-+-++-+++-+++++-+++", "----+--+--+-++---+---+-++++---+--++-+++"},
    {"+-+---+-+++--+++-+----++++-+---++---+-+++-+", "++-+++---+-+++++++-+++---+-------+-+++---+-",
     "-+--+-++-+++-++++++--+-++++-++++--+++-+-++-", "+--+-++--++-++++-+-++--+++-----+-+--+++-+--"}};

// [A BR CR DR; -BR A D'R -C'R; -CR -D'R A B'R; -DR C'R -B'R A], R the matrix that reverses.
std::vector<float> goethals_seidel(const FourRows& rows) {
  const auto n = static_cast<int64_t>(rows.a.size());
  Signs out(4 * n);
  const auto entry = [&](std::string_view row, int64_t place) {
    return row[static_cast<size_t>((place % n + n) % n)] == '+' ? 1.0f : -1.0f;
  };
  // X = x[j - i]; X R = x[n - 1 - j - i]; X' R = x[i - (n - 1 - j)]
  const auto put = [&](int64_t row, int64_t column, float sign, std::string_view of, int kind) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        out.at(row * n + i, column * n + j) = sign * entry(of, kind == 0   ? j - i
                                                               : kind == 1 ? n - 1 - j - i
                                                                           : i - (n - 1 - j));
  };
  for (int64_t i = 0; i < 4; ++i) put(i, i, 1, rows.a, 0);
  put(0, 1, 1, rows.b, 1), put(0, 2, 1, rows.c, 1), put(0, 3, 1, rows.d, 1);
  put(1, 0, -1, rows.b, 1), put(1, 2, 1, rows.d, 2), put(1, 3, -1, rows.c, 2);
  put(2, 0, -1, rows.c, 1), put(2, 1, -1, rows.d, 2), put(2, 3, 1, rows.b, 2);
  put(3, 0, -1, rows.d, 1), put(3, 1, 1, rows.c, 2), put(3, 2, -1, rows.b, 2);
  return out.normalized();
}

}  // namespace

std::vector<float> sign_matrix(int64_t order) {
  if (order % 4 != 0) return {};
  if (is_prime(order - 1)) return paley_one(order - 1);  // 3 modulo 4
  const int64_t q = order / 2 - 1;
  if (q % 4 == 1 && is_prime(q)) return paley_two(q);
  for (const FourRows& rows : four_rows)
    if (static_cast<int64_t>(4 * rows.a.size()) == order) return goethals_seidel(rows);
  return {};
}

}  // namespace farthing::ops
