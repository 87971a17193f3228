// Selections of scalars that became branches: which do, and that no value changes.
#include "Runner.h"

#include "mlr/Loops/Branches.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlr::loops::test {
namespace {

template <class Op> int count(mlir::Operation *in) {
  int n = 0;
  in->walk([&](Op) { ++n; });
  return n;
}

/// A memory that moves while `on`, by work that nobody needs else.
const char *counter = R"(mlr.node @f(%on: i1, %k: i32) -> (y: i32) attributes {scheduled} {
  %c0 = mlr.const 0 : i32
  %c1 = mlr.const 1 : i32
  %c7 = mlr.const 7 : i32
  %old = mlr.fby %c0, %new {name = "x"} : i32
  %a = mlr.mul %k, %k : i32
  %b = mlr.add %old, %a : i32
  %c = mlr.rem %b, %c7 : i32
  %d = mlr.add %c, %c1 : i32
  %new = mlr.select %on, %d, %old : i32
  mlr.yield %new : i32
})";

TEST(Branches, WorkAndStoreOfOneSideStandInItsArm) {
  inBoth([](Options o) {
    Runner r(counter, o);
    ASSERT_TRUE(r);
    int32_t x = 0;
    for (int t = 0; t < 20; ++t) {
      bool on = t % 3 != 1;
      r.in<uint8_t>("on", {on});
      r.in<int32_t>("k", {t});
      r.step();
      if (on) x = (x + t * t) % 7 + 1;
      expectSame(r.out<int32_t>("y"), {x});
    }
    int branches = 0;
    r.module->walk([&](mlir::scf::IfOp branch) {
      ++branches;
      EXPECT_EQ(count<mlir::memref::StoreOp>(branch), 3) << "y in both arms, the state in one";
      EXPECT_EQ(count<mlir::arith::MulIOp>(branch), 1);
    });
    EXPECT_EQ(branches, 1);
    EXPECT_EQ(count<mlir::arith::SelectOp>(*r.module), 0);
  });
}

/// p and q are chosen by `on`; r, which is seen by all, is made from p, and one side of q from r.
TEST(Branches, WhatIsSeenBetweenTwoSelectionsPartsThem) {
  inBoth([](Options o) {
    Runner run(R"(mlr.node @f(%on: i1, %k: i32) -> (p: i32, q: i32, r: i32) attributes {scheduled} {
      %c3 = mlr.const 3 : i32
      %c7 = mlr.const 7 : i32
      %a = mlr.mul %k, %k : i32
      %b = mlr.rem %a, %c7 : i32
      %p = mlr.select %on, %b, %k : i32
      %r = mlr.mul %p, %c3 : i32
      %e = mlr.sub %r, %k : i32
      %f = mlr.rem %e, %c3 : i32
      %q = mlr.select %on, %p, %f : i32
      mlr.yield %p, %q, %r : i32, i32, i32
    })", o);
    ASSERT_TRUE(run);
    for (int32_t t = 0; t < 10; ++t) {
      bool on = t % 2;
      run.in<uint8_t>("on", {on});
      run.in<int32_t>("k", {t});
      run.step();
      int32_t p = on ? t * t % 7 : t, r = p * 3, q = on ? p : (r - t) % 3;
      expectSame(run.out<int32_t>("p"), {p});
      expectSame(run.out<int32_t>("q"), {q});
      expectSame(run.out<int32_t>("r"), {r});
    }
    EXPECT_EQ(count<mlir::scf::IfOp>(*run.module), 2);
  });
}

/// The old count is given before the new one is made: its load may wait, and what stores it waits with it.
TEST(PlaceAccesses, AnOldValueThatIsAlsoAResultIsLoadedBeforeItIsStored) {
  inBoth([](Options o) {
    Runner run(R"(mlr.node @f(%x: tensor<1xi32>) -> (before: tensor<1xi32>, last: tensor<1xi32>) attributes {scheduled} {
      %c1 = mlr.const 1 : i32
      %zeros = mlr.const dense<0> : tensor<1xi32>
      %old = mlr.fby %c1, %new : i32
      %before = mlr.gen (%i) { mlr.yield %old : i32 } : tensor<1xi32>
      %kept = mlr.fby %zeros, %sums : tensor<1xi32>
      %a = mlr.read %kept[affine_map<() -> (0)>] () : tensor<1xi32> -> i32
      %b = mlr.read %x[affine_map<() -> (0)>] () : tensor<1xi32> -> i32
      %sums = mlr.gen (%i) {
        %s = mlr.add %a, %b : i32
        mlr.yield %s : i32
      } : tensor<1xi32>
      %last = mlr.gen (%i) { mlr.yield %a : i32 } : tensor<1xi32>
      %new = mlr.add %old, %c1 : i32
      mlr.yield %before, %last : tensor<1xi32>, tensor<1xi32>
    })", o);
    ASSERT_TRUE(run);
    int32_t sum = 0;
    for (int32_t t = 0; t < 10; ++t) {
      run.in<int32_t>("x", {t * t});
      run.step();
      expectSame(run.out<int32_t>("before"), {t + 1});
      expectSame(run.out<int32_t>("last"), {sum});
      sum += t * t;
    }
  });
}

} // namespace
} // namespace mlr::loops::test
