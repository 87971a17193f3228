// Flags of operators of time: random nodes with clocks, resets, calls and scans do after each pass what the
// definition says.
#include "Machine.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>
#include <random>

namespace mlr::test {
namespace {

/// Writes a random node and one that it calls. Instantaneous operands come from earlier operations; the value
/// of an fby may come from a later one, but not from one that looks ahead (`ahead`), so that no cycle goes
/// both ways.
class Writer {
public:
  explicit Writer(unsigned seed) : random(seed) {}

  std::string module() {
    std::string cell = node("cell", false), main = node("main", true);
    return cell + main;
  }

private:
  struct Item {
    std::string name;
    bool ahead = false;
  };
  struct Level {
    std::vector<Item> numbers, flags;
    std::vector<std::pair<std::string, size_t>> open; ///< placeholder of a later value
    bool isScan = false;
    size_t own = 0; ///< the first number of this level; those before are captured
  };

  unsigned pick(size_t n) { return static_cast<unsigned>(random() % n); }
  bool chance(unsigned percent) { return pick(100) < percent; }
  std::string fresh() { return "%v" + std::to_string(++last); }
  const Item &number(const Level &l) { return l.numbers[pick(l.numbers.size())]; }
  const Item &flag(const Level &l) { return l.flags[pick(l.flags.size())]; }

  Item put(Level &l, std::string text, bool ahead, const char *type = "i32") {
    Item item{fresh(), ahead};
    out += "  " + item.name + " = " + text + "\n";
    (std::string(type) == "i32" ? l.numbers : l.flags).push_back(item);
    return item;
  }

  struct Clocked {
    std::string text, when;
    bool ahead = false;
  };
  Clocked clocked(const Level &l, bool typed = true) {
    Clocked c;
    std::string type = typed ? " : i1" : "";
    if (chance(60)) {
      const Item &f = flag(l);
      c.when = f.name, c.ahead = f.ahead, c.text += " when " + f.name + type;
    }
    if (chance(50)) {
      const Item &f = flag(l);
      c.ahead |= f.ahead, c.text += " reset " + f.name + type;
    }
    return c;
  }

  /// The result is looked at where the clock is active only.
  void mask(Level &l, const std::string &value, const Clocked &c, bool ahead) {
    if (c.when.empty()) put(l, "mlr.add " + value + ", " + l.numbers[0].name + " : i32", ahead);
    else put(l, "mlr.select " + c.when + ", " + value + ", " + l.numbers[1].name + " : i32", ahead);
  }

  void operation(Level &l, int depth, bool mayCall) {
    std::string r;
    switch (pick(10)) {
    case 0:
    case 1: {
      Item a = number(l), b = number(l);
      put(l, std::string(chance(50) ? "mlr.add " : "mlr.sub ") + a.name + ", " + b.name + " : i32",
          a.ahead || b.ahead);
      break;
    }
    case 2: {
      Item a = number(l), b = number(l);
      put(l, "mlr.lt " + a.name + ", " + b.name + " : i32", a.ahead || b.ahead, "i1");
      break;
    }
    case 3: {
      Clocked c = clocked(l);
      r = fresh();
      out += "  " + r + " = mlr.first" + c.text + " : i1\n";
      std::string on = c.when.empty() ? r : c.when;
      put(l, "mlr.and " + on + ", " + r + " : i1", c.ahead, "i1");
      break;
    }
    case 4: {
      Clocked c = clocked(l);
      Item value = number(l), init = chance(50) ? l.numbers[1] : number(l);
      r = fresh();
      out +=
          "  " + r + " = mlr.window " + value.name + ", " + init.name + c.text + " : i32 -> tensor<3xi32>\n";
      std::string e = fresh();
      out += "  " + e + " = mlr.read " + r + "[affine_map<() -> (" + std::to_string(pick(3)) +
             ")>]() : tensor<3xi32> -> i32\n";
      mask(l, e, c, c.ahead || value.ahead || init.ahead);
      break;
    }
    case 5: {
      Item c = flag(l), a = number(l), b = number(l);
      put(l, "mlr.select " + c.name + ", " + a.name + ", " + b.name + " : i32",
          c.ahead || a.ahead || b.ahead);
      break;
    }
    case 6:
      if (depth < 2) {
        scan(l, depth, mayCall);
        break;
      }
      [[fallthrough]];
    case 7:
      if (mayCall && chance(70)) {
        Clocked c = clocked(l, false);
        Item a = number(l), f = flag(l);
        r = fresh();
        out +=
            "  " + r + " = mlr.call @cell(" + a.name + ", " + f.name + ")" + c.text + " : (i32, i1) -> i32\n";
        mask(l, r, c, c.ahead || a.ahead || f.ahead);
        break;
      }
      [[fallthrough]];
    case 8:
      if (l.isScan && chance(70)) {
        Clocked c = clocked(l);
        Item x = number(l), end = chance(50) ? l.numbers[1] : number(l);
        r = fresh();
        std::string next = fresh();
        out += "  " + r + " = mlr.eby " + next + ", " + end.name + c.text + " : i32\n";
        std::string seen = c.when.empty() ? r : fresh();
        if (!c.when.empty())
          out += "  " + seen + " = mlr.select " + c.when + ", " + r + ", " + x.name + " : i32\n";
        out += "  " + next + " = mlr.sub " + x.name + ", " + seen + " : i32\n";
        mask(l, r, c, true);
        break;
      }
      [[fallthrough]];
    default: {
      Clocked c = clocked(l);
      Item init = chance(50) ? l.numbers[1] : number(l);
      bool ahead = c.ahead || init.ahead;
      std::string value = "?" + std::to_string(l.open.size()) + "?";
      if (ahead) value = number(l).name;
      else l.open.push_back({value, out.size()});
      r = fresh();
      if (chance(30)) {
        out += "  " + r + " = mlr.pre " + value + c.text + " : i32\n";
        std::string f = fresh();
        out += "  " + f + " = mlr.first" + c.text + " : i1\n";
        std::string g = fresh();
        out += "  " + g + " = mlr.select " + f + ", " + init.name + ", " + r + " : i32\n";
        r = g;
      } else {
        out += "  " + r + " = mlr.fby " + init.name + ", " + value + c.text + " : i32\n";
      }
      mask(l, r, c, ahead);
    }
    }
  }

  /// Later values of the same level for the open places.
  void close(Level &l, size_t begin) {
    std::vector<std::string> names;
    for (size_t k = l.own; k < l.numbers.size(); ++k)
      if (!l.numbers[k].ahead) names.push_back(l.numbers[k].name);
    if (names.empty()) names.push_back(l.numbers[0].name);
    for (auto it = l.open.rbegin(); it != l.open.rend(); ++it) {
      size_t at = out.find(it->first, begin);
      while (at != std::string::npos) {
        std::string name = names[pick(names.size())];
        out.replace(at, it->first.size(), name);
        at = out.find(it->first, begin);
      }
    }
  }

  void scan(Level &outer, int depth, bool mayCall) {
    bool resume = chance(60);
    Clocked c = resume ? clocked(outer) : Clocked();
    std::string r = fresh(), t = "%t" + std::to_string(last);
    std::string head = "  " + r + ":2 = mlr.scan " + t + " < 3" + (resume ? " resume" : "") + c.text + " {\n";
    std::string saved = std::move(out);
    out = head;
    Level l = outer;
    l.open.clear();
    l.isScan = true;
    l.own = l.numbers.size();
    l.numbers.push_back({t, false});
    // What looks ahead outside is a constant in here.
    for (auto *items : {&l.numbers, &l.flags})
      for (Item &item : *items) item.ahead = false;
    put(l, "mlr.eq " + t + ", " + l.numbers[1].name + " : i32", false, "i1");
    int n = 2 + pick(5);
    for (int k = 0; k < n; ++k) operation(l, depth + 1, mayCall);
    close(l, 0);
    std::string f = fresh(), g = fresh();
    out += "  " + f + " = mlr.final " + l.numbers.back().name + " : i32\n";
    out += "  " + g + " = mlr.initial " + l.numbers.back().name + " : i32\n";
    out += "  mlr.yield " + f + ", " + g + " : i32, i32\n  } : i32, i32\n";
    std::swap(out, saved);
    out += saved;
    bool ahead = true; // captured values may be of any kind
    mask(outer, r + "#0", c, ahead);
    mask(outer, r + "#1", c, ahead);
  }

  std::string node(const std::string &name, bool isMain) {
    out.clear();
    Level l;
    l.numbers = {{"%x" + name, false}, {"%k" + name, false}};
    l.flags = {{"%c" + name, false}};
    std::string head = "mlr.node @" + name + "(%x" + name + ": i32, %c" + name + ": i1";
    if (isMain) {
      head += ", %d: i1, %e: i1";
      l.flags.push_back({"%d", false});
      l.flags.push_back({"%e", false});
    }
    head += ") -> (y: i32) ";
    if (!isMain) head += "attributes {sym_visibility = \"private\"} ";
    out += "  %k" + name + " = mlr.const 7 : i32\n";
    int n = isMain ? 12 : 5;
    for (int k = 0; k < n; ++k) operation(l, 0, isMain);
    close(l, 0);
    std::string sum = l.numbers[0].name;
    for (size_t k = 2; k < l.numbers.size(); ++k) {
      std::string next = fresh();
      out += "  " + next + " = mlr.mul " + sum + ", %three" + name + " : i32\n";
      std::string total = fresh();
      out += "  " + total + " = mlr.add " + next + ", " + l.numbers[k].name + " : i32\n";
      sum = total;
    }
    return head + "{\n  %three" + name + " = mlr.const 3 : i32\n" + out + "  mlr.yield " + sum +
           " : i32\n}\n";
  }

  std::mt19937 random;
  std::string out;
  unsigned last = 0;
};

std::vector<Bytes> runNode(mlir::ModuleOp module, unsigned seed) {
  Machine machine(mlir::SymbolTable(module).lookup<dataflow::NodeOp>("main"));
  std::mt19937 random(seed);
  std::vector<Bytes> out;
  for (int n = 0; n < 9; ++n) {
    int32_t x = static_cast<int32_t>(random() % 9);
    Bytes in(4);
    std::memcpy(in.data(), &x, 4);
    Bytes c(1, random() % 2), d(1, random() % 3 == 0), e(1, random() % 3 != 0);
    out.push_back(machine.step({in, c, d, e}).at(0));
  }
  return out;
}

TEST(Clocks, PassesKeepWhatRandomNodesCompute) {
  mlir::MLIRContext context;
  context.loadDialect<dataflow::MlrDialect>();
  int guards = 0;
  for (unsigned seed = 1; seed <= 400; ++seed) {
    std::string text = Writer(seed).module();
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    auto expected = runNode(*module, seed);
    ASSERT_TRUE(mlir::succeeded(dataflow::inlineCalls(*module))) << text;
    ASSERT_EQ(runNode(*module, seed), expected) << "seed " << seed << " after inlineCalls\n" << text;
    ASSERT_TRUE(mlir::succeeded(dataflow::normalizeTime(*module))) << text;
    ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
    ASSERT_TRUE(mlir::succeeded(dataflow::verifyNormalized(*module))) << text;
    ASSERT_EQ(runNode(*module, seed), expected) << "seed " << seed << " after normalizeTime\n" << text;
    ASSERT_TRUE(mlir::succeeded(dataflow::simplify(*module)));
    ASSERT_EQ(runNode(*module, seed), expected) << "seed " << seed << " after simplify\n" << text;
    ASSERT_TRUE(mlir::succeeded(dataflow::guardWork(*module)));
    ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
    ASSERT_TRUE(mlir::succeeded(dataflow::verifyNormalized(*module))) << text;
    ASSERT_EQ(runNode(*module, seed), expected) << "seed " << seed << " after guardWork\n" << text;
    module->walk([&](mlir::Operation *op) {
      if (auto scan = mlir::dyn_cast<dataflow::ScanOp>(op)) guards += scan.getWhen() && !scan.getResume();
      if (auto gen = mlir::dyn_cast<dataflow::GenOp>(op)) guards += static_cast<bool>(gen.getWhen());
    });
  }
  EXPECT_GT(guards, 30);
}

} // namespace
} // namespace mlr::test
