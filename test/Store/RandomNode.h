// Random scheduled nodes, as text: nested scans in both directions, recurrences, windows, ends, stacks,
// concats, reshapes.
#pragma once

#include <algorithm>
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

inline std::string RandomNode::type(const Shape &s) {
  if (s.empty()) return "i32";
  std::string t = "tensor<";
  for (int64_t d : s) t += std::to_string(d) + "x";
  return t + "i32>";
}

inline int64_t RandomNode::elements(const Shape &s) {
  int64_t n = 1;
  for (int64_t d : s) n *= d;
  return n;
}

inline std::string RandomNode::constant(const Shape &s) {
  std::string name = fresh();
  out += name + " = mlr.const " +
         (s.empty() ? "0 : i32" : "dense<" + std::to_string(pick(3)) + "> : " + type(s)) + "\n";
  return name;
}

inline RandomNode::Shape RandomNode::anyShape() {
  static const std::vector<Shape> shapes{{4}, {4}, {6}, {5}, {3, 4}, {5, 4}, {5, 4}, {20}, {3, 5, 4}};
  return shapes[pick(shapes.size())];
}

inline const RandomNode::Value *RandomNode::choose(const Scope &scope, const Shape *shape, bool localOnly) {
  std::vector<const Value *> fitting;
  for (size_t i = localOnly ? scope.local : 0; i < scope.visible.size(); ++i)
    if (!shape || scope.visible[i].shape == *shape) fitting.push_back(&scope.visible[i]);
  if (fitting.empty()) return nullptr;
  // Prefer recent values, as programs do.
  size_t last = fitting.size() - 1;
  return fitting[pick(2) ? last - pick(std::min<int64_t>(3, fitting.size())) : pick(fitting.size())];
}

inline std::string RandomNode::identity(size_t rank, bool row) {
  std::string dims, results;
  for (size_t k = 0; k < rank + row; ++k) dims += (k ? ", d" : "d") + std::to_string(k);
  return "affine_map<(" + dims + ") -> (" + dims + ")>";
}

inline void RandomNode::gen(Scope &scope) {
  Shape shape = anyShape();
  if (const Value *like = choose(scope); like && !like->shape.empty() && pick(3)) {
    shape = like->shape;
    if (!scope.index.empty() && shape.size() > 1 && shape[0] == scope.length && pick(2))
      shape.erase(shape.begin());
  }
  std::string name = fresh(), indices, body, sum = fresh();
  for (size_t k = 0; k < shape.size(); ++k) indices += (k ? ", " : "") + name + "_i" + std::to_string(k);
  body += sum + " = mlr.convert " + name + "_i0 : index to i32\n";
  for (int64_t reads = 1 + pick(3); reads-- > 0;) {
    std::string e = fresh(), next = fresh();
    Shape row = shape;
    row.insert(row.begin(), scope.length);
    const Value *own = choose(scope, &shape), *rows = scope.index.empty() ? nullptr : choose(scope, &row),
                *any = choose(scope);
    if (rows && pick(3)) {
      body += e + " = mlr.read " + rows->name + "[" + identity(shape.size(), true) + "](" + scope.index +
              ", " + indices + ") : " + type(row) + " -> i32\n";
    } else if (own && pick(4)) {
      body += e + " = mlr.read " + own->name + "[" + identity(shape.size(), false) + "](" + indices +
              ") : " + type(shape) + " -> i32\n";
    } else if (any && !any->shape.empty()) {
      std::string k = fresh(), r = fresh(), domain, args;
      for (size_t d = 0; d < any->shape.size(); ++d) {
        domain += (d ? ", " : "") + k + "_" + std::to_string(d) + " < " + std::to_string(any->shape[d]);
        args += (d ? ", " : "") + k + "_" + std::to_string(d);
      }
      body += e + " = mlr.reduce sum (" + domain + ") {\n" + r + " = mlr.read " + any->name + "[" +
              identity(any->shape.size(), false) + "](" + args + ") : " + type(any->shape) +
              " -> i32\nmlr.yield " + r + " : i32\n} : i32\n";
    } else if (any) {
      body += e + " = mlr.neg " + any->name + " : i32\n";
    } else {
      continue;
    }
    body += next + " = mlr.add " + sum + ", " + e + " : i32\n";
    sum = next;
  }
  out += name + " = mlr.gen (" + indices + ") {\n" + body + "mlr.yield " + sum +
         " : i32\n} : " + type(shape) + "\n";
  scope.visible.push_back({name, shape});
}

inline void RandomNode::recurrence(Scope &scope) {
  if (!scope.up && scope.index.empty()) return;
  Shape shape = pick(5) ? anyShape() : Shape{};
  if (const Value *like = choose(scope); like && pick(2)) shape = like->shape;
  const Value *captured = nullptr;
  if (!scope.index.empty() && !scope.resume && pick(2)) {
    Scope outer = scope;
    outer.visible.resize(scope.local);
    if (const Value *v = choose(outer, &shape)) {
      for (auto &w : scope.visible)
        if (w.name == v->name) captured = &w;
    }
  }
  std::string init = captured ? captured->name : constant(shape), name = fresh(),
              value = "$" + std::to_string(count++) + "$";
  out += name + (scope.up ? " = mlr.fby " + init + ", " + value : " = mlr.eby " + value + ", " + init) +
         " : " + type(shape) + "\n";
  scope.pending.push_back({value, shape});
  scope.visible.push_back({name, shape});
}

inline void RandomNode::window(Scope &scope) {
  const Value *v = choose(scope);
  if (!v || !scope.up) return;
  Value value = *v;
  std::string init = constant(value.shape), name = fresh();
  Shape shape = value.shape;
  shape.insert(shape.begin(), 1 + pick(3));
  out += name + " = mlr.window " + value.name + ", " + init + " : " + type(value.shape) + " -> " +
         type(shape) + "\n";
  scope.visible.push_back({name, shape});
}

inline void RandomNode::concat(Scope &scope) {
  const Value *a = choose(scope);
  if (!a || a->shape.empty()) return;
  std::vector<Value> parts{*a};
  size_t axis = a->shape.size() > 1 && pick(3) == 0 ? a->shape.size() - 1 : 0;
  auto fits = [&](Shape shape) {
    if (shape.size() != a->shape.size()) return false;
    shape[axis] = a->shape[axis];
    return shape == a->shape;
  };
  for (auto &v : scope.visible)
    if (fits(v.shape) && pick(3) == 0 && parts.size() < 3) parts.push_back(v);
  std::string name = fresh(), names, types, along = axis ? " {axis = " + std::to_string(axis) + " : i64}" : "";
  Shape shape = a->shape;
  shape[axis] = 0;
  for (auto &p : parts) {
    names += (names.empty() ? "" : ", ") + p.name;
    types += (types.empty() ? "" : ", ") + type(p.shape);
    shape[axis] += p.shape[axis];
  }
  out += name + " = mlr.concat " + names + along + " : " + types + " -> " + type(shape) + "\n";
  scope.visible.push_back({name, shape});
}

inline void RandomNode::reshape(Scope &scope) {
  const Value *v = choose(scope);
  if (!v || v->shape.empty()) return;
  Shape to{elements(v->shape)};
  if (to[0] == 20 && v->shape.size() == 1) to = {5, 4};
  std::string name = fresh();
  out += name + " = mlr.reshape " + v->name + " : " + type(v->shape) + " -> " + type(to) + "\n";
  scope.visible.push_back({name, to});
}

inline void RandomNode::scan(Scope &scope, int depth) {
  Scope inner;
  inner.length = std::vector<int64_t>{1, 3, 5, 5, 9}[pick(5)];
  inner.up = pick(2);
  inner.resume = pick(4) == 0;
  bool early = inner.up && pick(5) == 0;
  inner.visible = scope.visible;
  inner.local = inner.visible.size();
  std::string t = fresh(), saved = std::move(out);
  out.clear();
  inner.index = t + "x";
  out += inner.index + " = mlr.convert " + t + " : i32 to index\n";
  fill(inner, depth + 1, 2 + pick(operations));
  if (early) {
    std::string c = fresh();
    out += c + "k = mlr.const " + std::to_string(pick(inner.length)) + " : i32\n" + c + " = mlr.ge " + t +
           ", " + c + "k : i32\nmlr.until " + c + " : i1\n";
  }
  std::vector<Value> results;
  std::string yields, types;
  auto result = [&](const std::string &v, const Shape &s) {
    yields += (yields.empty() ? "" : ", ") + v;
    types += (types.empty() ? "" : ", ") + type(s);
    results.push_back({"", s});
  };
  for (int64_t n = 1 + pick(3); n-- > 0;) {
    const Value *v = choose(inner, nullptr, pick(5) != 0);
    if (!v) continue;
    std::string r = fresh();
    Shape shape = v->shape;
    switch (pick(4)) {
    case 0: out += r + " = mlr.final " + v->name + " : " + type(shape) + "\n"; break;
    case 1:
      if (pick(2)) {
        out += r + " = mlr.initial " + v->name + " : " + type(shape) + "\n";
        break;
      }
      [[fallthrough]];
    default:
      shape.insert(shape.begin(), inner.length);
      out += r + " = mlr.stack " + v->name + " : " + type(v->shape) + " -> " + type(shape) + "\n";
    }
    result(r, shape);
  }
  if (!scope.visible.empty() && pick(8) == 0) {
    const Value &captured = scope.visible[pick(scope.visible.size())];
    result(captured.name, captured.shape);
  }
  if (yields.empty()) {
    std::string c = fresh();
    out += c + " = mlr.count : i32\n";
  }
  close(inner, 0);
  std::string body = std::move(out);
  out = std::move(saved);
  std::string name = fresh();
  if (!results.empty()) out += name + ":" + std::to_string(results.size()) + " = ";
  out += "mlr.scan " + t + " < " + std::to_string(inner.length) + (inner.resume ? " resume" : "") +
         " sweep " + (inner.up ? "up" : "down") + " {\n" + body + "mlr.yield" +
         (yields.empty() ? "" : " " + yields + " : " + types) + "\n}" + (types.empty() ? "" : " : " + types) +
         "\n";
  for (size_t i = 0; i < results.size(); ++i)
    scope.visible.push_back({name + "#" + std::to_string(i), results[i].shape});
}

/// Gives each recurrence of the scope a value.
inline void RandomNode::close(Scope &scope, size_t) {
  for (auto &[placeholder, shape] : scope.pending) {
    const Value *v = choose(scope, &shape, pick(6) != 0);
    if (!v) v = choose(scope, &shape);
    size_t at = out.find(placeholder);
    out.replace(at, placeholder.size(), v->name);
  }
}

inline void RandomNode::fill(Scope &scope, int depth, int budget) {
  while (budget-- > 0) switch (pick(12)) {
    case 0:
    case 1: recurrence(scope); break;
    case 2: window(scope); break;
    case 3: concat(scope); break;
    case 4: reshape(scope); break;
    case 5:
    case 6:
    case 7:
      if (depth < 3) {
        scan(scope, depth);
        break;
      }
      [[fallthrough]];
    default: gen(scope);
    }
}

inline std::string RandomNode::text() {
  Scope scope;
  std::string args, results, yields, types;
  for (int64_t n = 1 + pick(3); n-- > 0;) {
    Value v{fresh(), pick(4) ? anyShape() : Shape{}};
    args += (args.empty() ? "" : ", ") + v.name + ": " + type(v.shape);
    scope.visible.push_back(v);
  }
  scope.local = scope.visible.size();
  fill(scope, 0, operations);
  for (int64_t n = 1 + pick(3); n-- > 0;) {
    const Value *v = choose(scope);
    results += (results.empty() ? "o" : ", o") + std::to_string(n) + ": " + type(v->shape);
    yields += (yields.empty() ? "" : ", ") + v->name;
    types += (types.empty() ? "" : ", ") + type(v->shape);
  }
  close(scope, 0);
  return "mlr.node @f(" + args + ") -> (" + results + ") attributes {scheduled} {\n" + out + "mlr.yield " +
         yields + " : " + types + "\n}\n";
}

} // namespace mlr::store::test
