// Random scheduled nodes, as text: nested scans in both directions, recurrences, windows, ends, stacks,
// concats, reshapes.
#pragma once

#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace mlr::store::test {

class RandomNode {
public:
  explicit RandomNode(unsigned seed, int operations = 6) : random(seed), operations(operations) {}
  std::string text();

private:
  using Shape = std::vector<int64_t>;
  struct Value {
    std::string name;
    Shape shape; ///< empty: a scalar
  };
  struct Scope {
    bool up = true, resume = false, keepsState = true;
    std::string index; ///< of type index; "" at the node's time
    int64_t length = 0;
    std::vector<Value> visible;
    size_t local = 0;                                   ///< where this scope's own values start
    std::vector<std::pair<std::string, Shape>> pending; ///< placeholders of recurrences
  };

  int64_t pick(int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); }
  std::string fresh() { return "%v" + std::to_string(count++); }
  static std::string type(const Shape &s);
  static int64_t elements(const Shape &s);
  std::string constant(const Shape &s);
  const Value *choose(const Scope &scope, const Shape *shape = nullptr, bool localOnly = false);
  Shape anyShape();
  std::string identity(size_t rank, bool row);
  void gen(Scope &scope);
  void recurrence(Scope &scope);
  void window(Scope &scope);
  void concat(Scope &scope);
  void reshape(Scope &scope);
  void scan(Scope &scope, int depth);
  void fill(Scope &scope, int depth, int budget);
  void close(Scope &scope, size_t from);

  std::mt19937 random;
  int operations, count = 0;
  std::string out;
};

} // namespace mlr::store::test
