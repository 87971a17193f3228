#include "test/Schedule/Generate.h"

#include <random>

namespace mlr::schedule::test {

namespace {

enum class Kind { Scalar, Pair, Bool };
/// How one value looks at another, as in language.md section 5, "Causality".
enum class Look { Same, Fby, Eby, Final, Initial, Whole, Window };

struct Value {
  std::string name;    ///< in its own scan and inside it
  std::string outside; ///< end values: in the time around their scan
  Kind kind;
  int scan;      ///< end values: the scan around
  int ends = -1; ///< end values: of which scan
  struct Use {
    int value;
    Look look;
    int time;
  };
  std::vector<Use> uses = {};
};

struct Scan {
  int parent = -1, length = 1;
  bool resume = false;
  std::vector<int> children;
  std::vector<std::string> lines;
  std::vector<std::string> results, resultTypes;
  std::string until;
};

/// A recurrence that is being built: what has been defined since `start` may be part of it.
struct Open {
  int scan;
  bool up;
  size_t start;
  bool mayLookBack = false; ///< up: one eby inside, for which it then has a second fby
  bool twice = false;
};

class Generator {
public:
  Generator(uint64_t seed, int size) : random(seed), budget(size) {}

  Program run() {
    scans.push_back({});
    for (int i = 0; i < 2; ++i) values.push_back({"%x" + std::to_string(i), "", Kind::Scalar, 0});
    values.push_back({"%p", "", Kind::Pair, 0});
    for (const char *c : {"3", "-2"}) constant(c);
    while (budget > 0) something(0, 0);
    for (int s = scans.size() - 1; s > 0; --s) close(s);
    return {print(), inputs(), both};
  }

private:
  std::mt19937_64 random;
  int budget;
  std::vector<Value> values;
  std::vector<Scan> scans;
  std::vector<Open> open;
  bool both = false;
  static constexpr int inputLength = 4;

  int below(int n) { return random() % n; }
  bool chance(int percent) { return below(100) < percent; }
  static const char *type(Kind k) {
    return k == Kind::Scalar ? "i32" : k == Kind::Pair ? "tensor<2xi32>" : "i1";
  }

  bool inside(int scan, int outer) const {
    while (scan >= 0 && scan != outer) scan = scans[scan].parent;
    return scan == outer;
  }

  int define(int scan, Kind kind, const std::string &right, std::vector<Value::Use> uses) {
    std::string name = "%v" + std::to_string(values.size());
    scans[scan].lines.push_back(name + " = " + right);
    values.push_back({name, "", kind, scan, -1, std::move(uses)});
    --budget;
    return values.size() - 1;
  }

  void constant(const char *c) { define(0, Kind::Scalar, std::string("mlr.const ") + c + " : i32", {}); }

  std::string nameIn(int v, int scan) const {
    const Value &value = values[v];
    return value.ends >= 0 && !inside(scan, value.ends) ? value.outside : value.name;
  }

  // Whether looking at v that way keeps every recurrence that is being built in one direction.
  bool allowed(int v, Look look, int time) const {
    for (const Open &o : open) {
      if (o.scan != time || size_t(v) < o.start) continue;
      bool up = look == Look::Fby || look == Look::Initial || look == Look::Window,
           down = look == Look::Eby || look == Look::Final;
      if (look == Look::Eby && o.mayLookBack) continue;
      if (look == Look::Whole || (o.up ? down : up)) return false;
    }
    return true;
  }

  // After an eby of v: the recurrences that it is part of pay with a second fby.
  void lookedBack(int v, int scan) {
    for (Open &o : open)
      if (o.scan == scan && size_t(v) >= o.start && o.up) o.mayLookBack = false, o.twice = both = true;
  }

  static Look lookOf(const Value &end) {
    return end.name[1] == 'f' ? Look::Final : end.name[1] == 'i' ? Look::Initial : Look::Whole;
  }

  // How an operation in `scan` sees v: an end value of a scan around is not at the same instant.
  Value::Use use(int v, int scan) const {
    const Value &value = values[v];
    if (value.ends >= 0 && inside(scan, value.ends)) return {v, lookOf(value), value.ends};
    return {v, Look::Same, scan};
  }

  bool visible(int v, int scan) const {
    if (!inside(scan, values[v].scan)) return false;
    Value::Use u = use(v, scan);
    return u.look == Look::Same || allowed(v, u.look, u.time);
  }

  int pick(int scan, Kind kind, bool own = false) {
    for (int attempt = 0; attempt < 60; ++attempt) {
      int n = values.size(), v = chance(60) ? n - 1 - below(std::min(n, 6)) : below(n);
      if (values[v].kind != kind || (own && values[v].scan != scan)) continue;
      if (visible(v, scan)) return v;
    }
    if (own) return -1;
    if (kind == Kind::Scalar) return 0;
    return kind == Kind::Pair ? 2 : -1;
  }

  // A constant or captured value, for borders.
  int captured(int scan, Kind kind) {
    int outer = scan == 0 || scans[scan].resume ? -1 : scans[scan].parent;
    for (int attempt = 0; outer >= 0 && attempt < 20; ++attempt) {
      int v = below(values.size());
      if (values[v].kind == kind && inside(outer, values[v].scan) && values[v].ends != scan &&
          visible(v, scan))
        return v;
    }
    if (kind == Kind::Scalar) return 3 + below(2);
    scans[scan].lines.push_back("%c" + std::to_string(values.size()) +
                                " = mlr.const dense<[5, -7]> : tensor<2xi32>");
    values.push_back({"%c" + std::to_string(values.size()), "", Kind::Pair, scan});
    return values.size() - 1;
  }

  // One more equation, scan or recurrence in `scan`.
  void something(int scan, int depth) {
    int r = below(100);
    const Scan &s = scans[scan];
    bool mayOpen = depth < 3;
    if (r < (scan == 0 ? 45 : 14) && depth < 3) return inner(scan, depth);
    if (r < (scan == 0 ? 60 : 30) && mayOpen) return recurrence(scan, depth);
    if (scan == 0) return r < 85 ? arithmetic(scan) : neighbour(scan, true);
    if (r < 58) return arithmetic(scan);
    if (r < 70) return neighbour(scan, chance(50) || s.resume);
    if (r < 74) return window(scan);
    if (r < 92) return end(scan);
    input(scan);
  }

  void inner(int scan, int depth) {
    int child;
    if (!scans[scan].children.empty() && chance(60)) {
      child = scans[scan].children[below(scans[scan].children.size())];
    } else {
      child = scans.size();
      scans.push_back({scan, 1 + below(inputLength), chance(20), {}, {}, {}, {}, ""});
      scans[scan].children.push_back(child);
      values.push_back({"%t" + std::to_string(child), "", Kind::Scalar, child});
    }
    for (int n = 1 + below(6); n > 0 && budget > 0; --n) something(child, depth + 1);
    if (chance(70)) end(child);
  }

  void arithmetic(int scan) {
    int r = below(10);
    if (r < 6) {
      static const char *ops[] = {"add", "sub", "mul", "max", "min", "xor"};
      int a = pick(scan, Kind::Scalar), b = pick(scan, Kind::Scalar);
      define(scan, Kind::Scalar,
             std::string("mlr.") + ops[r] + " " + nameIn(a, scan) + ", " + nameIn(b, scan) + " : i32",
             {use(a, scan), use(b, scan)});
    } else if (r == 6) {
      int a = pick(scan, Kind::Pair), b = pick(scan, Kind::Scalar);
      define(scan, Kind::Pair,
             "mlr.gen (%i) { %e = mlr.read " + nameIn(a, scan) + element + " %r = mlr.sub %e, " +
                 nameIn(b, scan) + " : i32 mlr.yield %r : i32 } : tensor<2xi32>",
             {use(a, scan), use(b, scan)});
    } else if (r == 7) {
      int a = pick(scan, Kind::Pair);
      define(scan, Kind::Scalar,
             "mlr.reduce sum (%i < 2) { %e = mlr.read " + nameIn(a, scan) + element +
                 " mlr.yield %e : i32 } : i32",
             {use(a, scan)});
    } else if (r == 8) {
      int a = pick(scan, Kind::Scalar); // too much to do twice
      define(scan, Kind::Scalar,
             "mlr.reduce sum (%i < 40) { %k = mlr.convert %i : index to i32 %r = mlr.max %k, " +
                 nameIn(a, scan) + " : i32 mlr.yield %r : i32 } : i32",
             {use(a, scan)});
    } else {
      int a = pick(scan, Kind::Scalar), b = pick(scan, Kind::Scalar);
      int c = define(scan, Kind::Bool, "mlr.lt " + nameIn(a, scan) + ", " + nameIn(b, scan) + " : i32",
                     {use(a, scan), use(b, scan)});
      define(scan, Kind::Scalar,
             "mlr.select " + nameIn(c, scan) + ", " + nameIn(b, scan) + ", " + nameIn(a, scan) + " : i32",
             {use(c, scan), use(a, scan), use(b, scan)});
    }
  }
  static constexpr const char *element = "[affine_map<(d0) -> (d0)>](%i) : tensor<2xi32> -> i32";

  // State that survives the scan's runs must not become part of a backward recurrence further out.
  bool mayKeepState(int scan) const {
    for (int s = scan; s > 0 && scans[s].resume; s = scans[s].parent)
      for (const Open &o : open)
        if (!o.up && (o.scan == s || o.scan == scans[s].parent)) return false;
    return true;
  }

  void neighbour(int scan, bool fby) {
    Kind kind = chance(75) ? Kind::Scalar : Kind::Pair;
    int v = pick(scan, kind), b = captured(scan, kind);
    Look look = fby ? Look::Fby : Look::Eby;
    if (values[v].scan == scan && !allowed(v, look, scan)) return;
    if (fby && !mayKeepState(scan)) return;
    if (!fby && values[v].scan == scan) lookedBack(v, scan);
    Value::Use seen = values[v].scan == scan || !fby ? Value::Use{v, look, scan} : use(v, scan);
    std::string first = nameIn(fby ? b : v, scan), second = nameIn(fby ? v : b, scan);
    define(scan, kind,
           std::string("mlr.") + (fby ? "fby " : "eby ") + first + ", " + second + " : " + type(kind),
           {seen, use(b, scan)});
  }

  void window(int scan) {
    int v = pick(scan, Kind::Scalar), b = captured(scan, Kind::Scalar);
    if (values[v].scan == scan && !allowed(v, Look::Window, scan)) return;
    if (!mayKeepState(scan)) return;
    for (const Open &o : open)
      if (o.scan == scan && !o.up) return;
    Value::Use seen = values[v].scan == scan ? Value::Use{v, Look::Window, scan} : use(v, scan);
    define(scan, Kind::Pair,
           "mlr.window " + nameIn(v, scan) + ", " + nameIn(b, scan) + " : i32 -> tensor<2xi32>",
           {seen, use(b, scan)});
  }

  void input(int scan) {
    std::string i = "%n" + std::to_string(values.size());
    scans[scan].lines.push_back(i + " = mlr.convert %t" + std::to_string(scan) + " : i32 to index");
    define(scan, Kind::Scalar, "mlr.read %xs[affine_map<(d0) -> (d0)>](" + i + ") : tensor<4xi32> -> i32",
           {});
  }

  // final, initial, count, or one element of a stack; for use inside and outside.
  void end(int scan) {
    int r = below(4), v = r < 3 ? pick(scan, r < 2 && chance(25) ? Kind::Pair : Kind::Scalar, true) : -1;
    if (r < 3 && (v < 0 || values[v].ends == scan)) return;
    Scan &s = scans[scan];
    std::string id = std::to_string(values.size()) + "_" + std::to_string(s.results.size());
    Kind kind = v < 0 ? Kind::Scalar : values[v].kind;
    std::string result = "%s" + std::to_string(scan) + "#" + std::to_string(s.results.size());
    if (r < 2) {
      std::string name = (r == 0 ? "%f" : "%i") + id;
      s.lines.push_back(name + " = mlr." + (r == 0 ? "final " : "initial ") + nameIn(v, scan) + " : " +
                        type(kind));
      s.results.push_back(name);
      s.resultTypes.push_back(type(kind));
      values.push_back({name, result, kind, s.parent, scan, {{v, Look::Same, scan}}});
    } else if (r == 3) {
      s.lines.push_back("%k" + id + " = mlr.count : i32");
      s.results.push_back("%k" + id);
      s.resultTypes.push_back("i32");
      values.push_back({"%k" + id, result, Kind::Scalar, s.parent, scan});
    } else {
      stack(scan, v, id, result);
    }
    --budget;
  }

  // Reads one element of the stack outside; inside, the value is its end value through a second stack of one
  // use.
  void stack(int scan, int v, const std::string &id, const std::string &result) {
    Scan &s = scans[scan];
    std::string array = "tensor<" + std::to_string(s.length) + "xi32>";
    s.lines.push_back("%k" + id + " = mlr.stack " + nameIn(v, scan) + " : i32 -> " + array);
    s.results.push_back("%k" + id);
    s.resultTypes.push_back(array);
    std::string map =
        "[affine_map<() -> (" + std::to_string(below(s.length)) + ")>]() : " + array + " -> i32";
    if (chance(50) && allowed(v, Look::Whole, scan)) {
      define(scan, Kind::Scalar, "mlr.read %k" + id + map, {{v, Look::Whole, scan}});
      return;
    }
    for (const Open &o : open)
      if (inside(o.scan, scan)) return; // outside of what is being built
    define(s.parent, Kind::Scalar, "mlr.read " + result + map, {{v, Look::Same, scan}});
    values.back().uses.push_back({v, Look::Whole, scan});
    passed.push_back({int(values.size()) - 1, scan});
  }
  std::vector<std::pair<int, int>> passed; ///< values that stand on a result of a scan

  void recurrence(int scan, int depth) {
    bool up = scan == 0 || scans[scan].resume || chance(50);
    for (const Open &o : open)
      if (o.scan == scan && o.up != up) return;
    if (up && !mayKeepState(scan)) return;
    Kind kind = chance(80) ? Kind::Scalar : Kind::Pair;
    int b = captured(scan, kind);
    int f = define(scan, kind, "", {use(b, scan)});
    size_t line = scans[scan].lines.size() - 1;
    open.push_back({scan, up, size_t(f), up && scan > 0 && chance(25)});
    for (int n = 1 + below(5); n > 0; --n) something(scan, depth + 1);
    int v = pick(scan, kind), x;
    if (kind == Kind::Scalar)
      x = define(scan, kind, "mlr.sub " + nameIn(v, scan) + ", " + values[f].name + " : i32",
                 {use(v, scan), {f, Look::Same, scan}});
    else
      x = define(scan, kind,
                 "mlr.gen (%i) { %e = mlr.read " + nameIn(v, scan) + element + " %g = mlr.read " +
                     values[f].name + element +
                     " %r = mlr.add %e, %g : i32 mlr.yield %r : i32 } : tensor<2xi32>",
                 {use(v, scan), {f, Look::Same, scan}});
    bool twice = open.back().twice;
    open.pop_back();
    if (twice)
      x = define(scan, kind, "mlr.fby " + nameIn(b, scan) + ", " + values[x].name + " : " + type(kind),
                 {{x, Look::Fby, scan}, use(b, scan)});
    std::string init = nameIn(b, scan), next = values[x].name;
    scans[scan].lines[line] = values[f].name + " = mlr." +
                              (up ? "fby " + init + ", " + next : "eby " + next + ", " + init) + " : " +
                              type(kind);
    values[f].uses.push_back({x, up ? Look::Fby : Look::Eby, scan});
  }

  // Perhaps an until: on a condition that needs nothing that the scan's length has an influence on.
  void close(int scan) {
    if (chance(60)) return;
    for (size_t v = 0; v < values.size(); ++v) {
      if (values[v].kind != Kind::Bool || values[v].scan != scan || !chance(60) || !independent(v, scan))
        continue;
      scans[scan].until = values[v].name;
      for (Value &result : values)
        if (result.ends == scan) result.uses.push_back({int(v), Look::Same, scan});
      for (auto [result, of] : passed)
        if (of == scan) values[result].uses.push_back({int(v), Look::Same, scan});
      return;
    }
  }

  bool independent(int condition, int scan) const {
    std::vector<int> stack{condition};
    std::vector<bool> seen(values.size());
    while (!stack.empty()) {
      int v = stack.back();
      stack.pop_back();
      if (seen[v]) continue;
      seen[v] = true;
      for (auto [value, of] : passed)
        if (value == v && of == scan) return false;
      for (const Value::Use &u : values[v].uses) {
        if (u.time == scan && (u.look == Look::Eby || u.look == Look::Final || u.look == Look::Whole))
          return false;
        const Value &seen = values[u.value];
        if (seen.ends >= 0 && inside(scan, seen.ends) && (u.time != scan || u.look != Look::Initial))
          return false;
        stack.push_back(u.value);
      }
    }
    return true;
  }

  std::string printScan(int scan, const std::string &indent) const {
    const Scan &s = scans[scan];
    std::string text;
    std::string types = llvm::join(s.resultTypes, ", ");
    if (scan > 0) {
      text += indent;
      if (!s.results.empty())
        text += "%s" + std::to_string(scan) + ":" + std::to_string(s.results.size()) + " = ";
      text += "mlr.scan %t" + std::to_string(scan) + " < " + std::to_string(s.length) +
              (s.resume ? " resume" : "") + " {\n";
    }
    for (int child : s.children) text += printScan(child, indent + "  ");
    for (const std::string &line : s.lines) text += indent + "  " + line + "\n";
    if (scan == 0) return text;
    if (!s.until.empty()) text += indent + "  mlr.until " + s.until + " : i1\n";
    text += indent + "  mlr.yield" +
            (s.results.empty() ? "" : " " + llvm::join(s.results, ", ") + " : " + types) + "\n";
    return text + indent + "}" + (s.results.empty() ? "" : " : " + types) + "\n";
  }

  std::string print() const {
    std::string outputs, types, results;
    int n = 0;
    for (const Value &v : values) {
      if (v.scan != 0 || v.kind == Kind::Bool || v.name[1] == 'x' || v.name[1] == 'p') continue;
      std::string comma = n ? ", " : "";
      outputs += comma + (v.ends >= 0 ? v.outside : v.name);
      types += comma + type(v.kind);
      results += comma + "y" + std::to_string(n++) + ": " + type(v.kind);
    }
    return "mlr.node @f(%x0: i32, %x1: i32, %p: tensor<2xi32>, %xs: tensor<4xi32>) -> (" + results + ") {\n" +
           printScan(0, "") + "  mlr.yield " + outputs + " : " + types + "\n}\n";
  }

  std::vector<Step> inputs() {
    std::vector<Step> steps(3);
    for (Step &step : steps)
      for (int size : {1, 1, 2, inputLength}) {
        Data data;
        for (int i = 0; i < size; ++i) data.push_back(below(19) - 9);
        step.push_back(data);
      }
    return steps;
  }
};

} // namespace

Program generate(uint64_t seed, int size) { return Generator(seed, size).run(); }

} // namespace mlr::schedule::test
