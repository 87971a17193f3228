// What the analyses accept, the interpreter runs: on random programs no accepted one reads an undefined value
// or meets a cycle.
#include "mlr/Check/Analyses.h"
#include "mlr/Eval/Interpreter.h"
#include "test/ProgramBuilder.h"

#include <gtest/gtest.h>
#include <random>

namespace mlr::eval {
namespace {

using namespace mlr::test;

class RandomProgram {
public:
  explicit RandomProgram(uint32_t seed) : random(seed) {
    int count = upTo(2);
    for (int i = 0; i <= count; ++i) node("n" + std::to_string(i), i < count);
  }
  Program program;

private:
  struct Scope {
    std::vector<VarId> vars, tensors; ///< readable: of this time and the enclosing ones
    std::vector<VarId> own;           ///< to be defined here
    bool inScan = false;
  };

  int upTo(int n) { return static_cast<int>(random() % static_cast<uint32_t>(n + 1)); }
  bool chance(int percent) { return upTo(99) < percent; }

  void node(const std::string &name, bool isCallee) {
    NodeBuilder b(program, name);
    builder = &b;
    Scope scope;
    b.node.usesEnd = isCallee && chance(40);
    scope.inScan = b.node.usesEnd;
    scope.vars.push_back(b.input("x", F32));
    for (int i = 0; i <= upTo(2); ++i) {
      scope.own.push_back(b.output("y" + std::to_string(i), F32));
      scope.vars.push_back(scope.own.back());
    }
    region(scope, 0);
    b.node.hasState = true;
    if (isCallee) callees.push_back(&b.node);
  }

  void region(Scope scope, int depth) {
    for (int i = upTo(2); i >= 0; --i) {
      scope.own.push_back(builder->var("v" + std::to_string(names++), F32));
      scope.vars.push_back(scope.own.back());
    }
    std::vector<std::vector<VarId>> results;
    int scans = depth < 2 ? upTo(depth == 0 ? 2 : 1) : 0;
    std::vector<std::pair<VarId, VarId>> stacks;
    std::vector<int64_t> lengths;
    for (int i = 0; i < scans; ++i) {
      lengths.push_back(1 + upTo(2));
      stacks.push_back({builder->var("s" + std::to_string(names++), f32s({lengths.back()})),
                        builder->var("f" + std::to_string(names++), F32)});
      scope.tensors.push_back(stacks.back().first);
      scope.vars.push_back(stacks.back().second);
    }
    while (!callees.empty() && chance(40)) callEquation(scope);
    for (VarId v : scope.own) builder->define(v, expr(scope, 2));
    for (int i = 0; i < scans; ++i)
      scan(scope, lengths[static_cast<size_t>(i)], stacks[static_cast<size_t>(i)], depth);
  }

  void callEquation(Scope &scope) {
    const NodeInstance *callee = callees[static_cast<size_t>(upTo(static_cast<int>(callees.size()) - 1))];
    if (callee->usesEnd && !scope.inScan) return;
    std::vector<VarId> targets;
    for (size_t i = 0; i < callee->outputs.size(); ++i)
      targets.push_back(builder->var("c" + std::to_string(names++), F32));
    builder->call(targets, *callee, {expr(scope, 1)});
    scope.vars.insert(scope.vars.end(), targets.begin(), targets.end());
  }

  void scan(Scope scope, int64_t length, std::pair<VarId, VarId> result, int depth) {
    ScanTime &s = builder->scan(length, chance(30));
    scope.own.clear();
    scope.inScan = true;
    VarId stacked = builder->var("v" + std::to_string(names++), F32);
    scope.own.push_back(stacked);
    scope.vars.push_back(stacked);
    region(scope, depth + 1);
    if (chance(30))
      s.until = builder->op(OpKind::Gt, {expr(scope, 1), builder->c(static_cast<float>(upTo(3)))});
    builder->close();
    builder->result(s, ScanResult::Kind::Stack, result.first, builder->get(stacked));
    builder->result(s, chance(50) ? ScanResult::Kind::Final : ScanResult::Kind::Initial, result.second,
                    builder->get(stacked));
  }

  Expr *leaf(const Scope &scope) {
    if (chance(25)) return builder->c(static_cast<float>(upTo(3)));
    if (!scope.tensors.empty() && chance(15))
      return builder->reduceAll(
          ReduceKind::Sum,
          builder->get(scope.tensors[static_cast<size_t>(upTo(static_cast<int>(scope.tensors.size()) - 1))]));
    return builder->get(scope.vars[static_cast<size_t>(upTo(static_cast<int>(scope.vars.size()) - 1))]);
  }

  Expr *expr(const Scope &scope, int depth) {
    NodeBuilder &b = *builder;
    if (depth == 0 || chance(25)) return leaf(scope);
    auto sub = [&] { return expr(scope, depth - 1); };
    switch (upTo(scope.inScan ? 9 : 6)) {
    case 0:
    case 1: return b.fby(b.c(1), sub());
    case 2: return b.add(sub(), sub());
    case 3: return b.arrow(sub(), b.pre(sub()));
    case 4: return chance(5) ? b.pre(sub()) : b.fby(sub(), sub());
    case 5: {
      Expr *value = sub(), *init = sub();
      return b.reduceAll(ReduceKind::Sum, b.window(1 + upTo(2), value, init));
    }
    case 6: {
      Expr *a = sub(), *c = sub();
      Expr *condition = b.op(OpKind::Gt, {a, c});
      Expr *yes = sub(), *no = sub();
      return b.op(OpKind::Select, {condition, yes, no});
    }
    case 7:
    case 8: return b.eby(sub(), b.c(2));
    default: return chance(50) ? b.final(sub()) : b.initial(sub());
    }
  }

  std::mt19937 random;
  NodeBuilder *builder = nullptr;
  std::vector<const NodeInstance *> callees;
  int names = 0;
};

bool accepts(const Program &program, bool initialisation, bool causality) {
  SourceMap sources;
  sources.add("random.mlr", "");
  Diagnostics diagnostics(sources);
  return (!initialisation || checkInitialisation(program, diagnostics)) &&
         (!causality || checkCausality(program, diagnostics));
}

std::string run(const Program &program) {
  Interpreter interpreter(*program.roots[0], {});
  for (int i = 0; i < 4; ++i) {
    auto result = interpreter.step({f32(static_cast<float>(i))});
    if (auto *error = std::get_if<Error>(&result)) return error->message;
  }
  return "";
}

TEST(Soundness, WhatTheAnalysesAcceptRuns) {
  int accepted = 0, refusedButRuns = 0, refused = 0;
  for (uint32_t seed = 0; seed < 5000; ++seed) {
    RandomProgram random(seed);
    if (seed < 500)
      for (const std::string &broken : verify(random.program))
        FAIL() << broken << "\n" << print(random.program);
    if (accepts(random.program, true, true)) {
      ++accepted;
      std::string error = run(random.program);
      ASSERT_EQ(error, "") << "seed " << seed << "\n" << print(random.program);
    } else if (accepts(random.program, true, false)) {
      ++refused;
      refusedButRuns += run(random.program).empty();
    }
  }
  // The test has a point only if both sides occur; that some refused programs run is known and accepted.
  EXPECT_GT(accepted, 200);
  EXPECT_GT(refused - refusedButRuns, 200);
  RecordProperty("accepted", accepted);
  RecordProperty("refusedByCausality", refused);
  RecordProperty("refusedThoughTheyRun", refusedButRuns);
}

} // namespace
} // namespace mlr::eval
