// Programs whose number of sweeps is known.
#include "mlr/Schedule/Describe.h"
#include "test/Schedule/Parse.h"

#include <chrono>

namespace mlr::schedule::test {

// compilation.md, "Sweeps".
TEST(Sweeps, ExampleOfTheDesignTakesThree) {
  Ir ir(R"(
mlr.node @f(%xs: tensor<10xf32>) -> (z: tensor<10xf32>) {
  %one = mlr.const 1.0 : f32
  %two = mlr.const 2.0 : f32
  %zero = mlr.const 0.0 : f32
  %half = mlr.const 0.5 : f32
  %c9 = mlr.const 0.9 : f32
  %c25 = mlr.const 0.25 : f32
  %z = mlr.scan %t < 10 {
    %i = mlr.convert %t : i32 to index
    %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<10xf32> -> f32
    %ap = mlr.fby %one, %a : f32
    %ah = mlr.mul %half, %ap : f32
    %a = mlr.add %ah, %x : f32
    %wn = mlr.eby %w, %two : f32
    %wh = mlr.mul %c9, %wn : f32
    %w = mlr.add %wh, %a : f32
    %qp = mlr.fby %zero, %q : f32
    %qh = mlr.mul %c25, %qp : f32
    %q = mlr.add %qh, %w : f32
    %xx = mlr.mul %x, %x : f32
    %accp = mlr.fby %zero, %acc : f32
    %acc = mlr.add %xx, %accp : f32
    %f = mlr.final %acc : f32
    %r = mlr.div %q, %f : f32
    %s = mlr.stack %r : f32 -> tensor<10xf32>
    mlr.yield %s : tensor<10xf32>
  } : tensor<10xf32>
  mlr.yield %z : tensor<10xf32>
})");
  ASSERT_TRUE(ir.schedule()) << ir.print();
  EXPECT_EQ(ir.sweeps(), "udu") << ir.print();
}

static int count(Ir &ir, llvm::StringRef what) {
  int n = 0;
  ir.node().walk([&](mlir::Operation *op) { n += op->getName().getStringRef() == what; });
  return n;
}

// A forward and a backward recurrence over the same inputs, each with an expensive product of its own.
TEST(Sweeps, ProductOfInputsRunsInTheSweepThatReadsIt) {
  Ir ir(R"(
mlr.node @f(%xs: tensor<10xf32>, %w: tensor<64xf32>) -> (a: tensor<10xf32>, b: tensor<10xf32>) {
  %zero = mlr.const 0.0 : f32
  %r:2 = mlr.scan %t < 10 {
    %i = mlr.convert %t : i32 to index
    %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<10xf32> -> f32
    %p = mlr.reduce sum (%k < 64) { %v = mlr.read %w[affine_map<(d0) -> (d0)>](%k) : tensor<64xf32> -> f32
                                   mlr.yield %v, %x : f32, f32 } : f32
    %q = mlr.reduce sum (%k < 64) { %v = mlr.read %w[affine_map<(d0) -> (63 - d0)>](%k) : tensor<64xf32> -> f32
                                   mlr.yield %v, %x : f32, f32 } : f32
    %ap = mlr.fby %zero, %a : f32
    %a = mlr.sub %p, %ap : f32
    %bn = mlr.eby %b, %zero : f32
    %b = mlr.sub %q, %bn : f32
    %s = mlr.stack %a : f32 -> tensor<10xf32>
    %u = mlr.stack %b : f32 -> tensor<10xf32>
    mlr.yield %s, %u : tensor<10xf32>, tensor<10xf32>
  } : tensor<10xf32>, tensor<10xf32>
  mlr.yield %r#0, %r#1 : tensor<10xf32>, tensor<10xf32>
})");
  ASSERT_TRUE(ir.schedule()) << ir.print();
  EXPECT_EQ(ir.sweeps(), "ud");
  EXPECT_EQ(count(ir, "mlr.stack"), 2) << ir.print();
}

// w looks back at the stored a from a down sweep: no second recurrence on a, no further sweep.
TEST(Sweeps, PreviousStoredValueInADownSweepIsARow) {
  Ir ir(R"(
mlr.node @f(%xs: tensor<10xf32>) -> (z: tensor<10xf32>) {
  %zero = mlr.const 0.0 : f32
  %z = mlr.scan %t < 10 {
    %i = mlr.convert %t : i32 to index
    %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<10xf32> -> f32
    %ap = mlr.fby %zero, %a : f32
    %a = mlr.add %ap, %x : f32
    %wn = mlr.eby %w, %zero : f32
    %d = mlr.mul %ap, %x : f32
    %w = mlr.add %wn, %d : f32
    %s = mlr.stack %w : f32 -> tensor<10xf32>
    mlr.yield %s : tensor<10xf32>
  } : tensor<10xf32>
  mlr.yield %z : tensor<10xf32>
})");
  ASSERT_TRUE(ir.schedule()) << ir.print();
  EXPECT_EQ(ir.sweeps(), "ud");
  EXPECT_EQ(count(ir, "mlr.fby"), 1) << ir.print();
  EXPECT_EQ(count(ir, "mlr.stack"), 2) << ir.print();
}

// initial of a forward value in the sweep that computes it; the length that `until` finds is a bound of the
// down sweep.
TEST(Sweeps, InitialIsHeldAndUntilBoundsLaterSweeps) {
  Ir ir(R"(
mlr.node @f(%xs: tensor<10xi32>) -> (z: tensor<10xi32>, n: i32) {
  %zero = mlr.const 0 : i32
  %z:2 = mlr.scan %t < 10 {
    %i = mlr.convert %t : i32 to index
    %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<10xi32> -> i32
    %ap = mlr.fby %zero, %a : i32
    %a = mlr.add %ap, %x : i32
    %first = mlr.initial %a : i32
    %far = mlr.lt %first, %a : i32
    mlr.until %far : i1
    %wn = mlr.eby %w, %zero : i32
    %w = mlr.sub %wn, %a : i32
    %s = mlr.stack %w : i32 -> tensor<10xi32>
    %n = mlr.count : i32
    mlr.yield %s, %n : tensor<10xi32>, i32
  } : tensor<10xi32>, i32
  mlr.yield %z#0, %z#1 : tensor<10xi32>, i32
})");
  ASSERT_TRUE(ir.schedule()) << ir.print();
  EXPECT_EQ(ir.sweeps(), "ud");
  auto scans = llvm::to_vector(ir.node().getBody().getOps<dataflow::ScanOp>());
  EXPECT_FALSE(scans[0].getUpto());
  EXPECT_TRUE(scans[1].getUpto());
}

// The inner scan feeds an outer forward loop and an outer backward one: its halves go to different sweeps of
// the outer scan.
TEST(Sweeps, InnerScanIsDistributedOverOuterSweeps) {
  Ir ir(R"(
mlr.node @f(%xs: tensor<4xi32>) -> (z: tensor<3xi32>) {
  %zero = mlr.const 0 : i32
  %z = mlr.scan %s < 3 {
    %ap = mlr.fby %zero, %a : i32
    %bn = mlr.eby %b, %zero : i32
    %r:2 = mlr.scan %t < 4 {
      %i = mlr.convert %t : i32 to index
      %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<4xi32> -> i32
      %up = mlr.fby %ap, %u : i32
      %u = mlr.sub %x, %up : i32
      %vp = mlr.fby %bn, %v : i32
      %v = mlr.sub %u, %vp : i32
      %f = mlr.final %u : i32
      %g = mlr.final %v : i32
      mlr.yield %f, %g : i32, i32
    } : i32, i32
    %a = mlr.add %r#0, %ap : i32
    %b = mlr.add %r#1, %bn : i32
    %y = mlr.stack %b : i32 -> tensor<3xi32>
    mlr.yield %y : tensor<3xi32>
  } : tensor<3xi32>
  mlr.yield %z : tensor<3xi32>
})");
  ASSERT_TRUE(ir.schedule()) << ir.print();
  EXPECT_EQ(ir.sweeps(), "ud") << ir.print();
  for (auto scan : ir.node().getBody().getOps<dataflow::ScanOp>())
    EXPECT_EQ(ir.sweeps(scan), "u") << ir.print();
}

// The next value of a forward recurrence, in the sweep that computes it.
TEST(Sweeps, LookAheadIsComputedAgainInsteadOfAFurtherSweep) {
  Ir ir(R"(
mlr.node @f(%xs: tensor<10xi32>) -> (z: i32) {
  %zero = mlr.const 0 : i32
  %z = mlr.scan %t < 10 {
    %i = mlr.convert %t : i32 to index
    %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<10xi32> -> i32
    %p = mlr.fby %zero, %a : i32
    %a = mlr.sub %x, %p : i32
    %n = mlr.eby %a, %zero : i32
    %q = mlr.fby %zero, %b : i32
    %b = mlr.sub %n, %q : i32
    %f = mlr.final %b : i32
    mlr.yield %f : i32
  } : i32
  mlr.yield %z : i32
})");
  ASSERT_TRUE(ir.schedule()) << ir.print();
  EXPECT_EQ(ir.sweeps(), "u");
  EXPECT_EQ(count(ir, "mlr.stack"), 0) << ir.print();
}

// Two steps back and one ahead: forward, although it contains an eby.
TEST(Sweeps, RecurrenceThatLooksAheadLessThanBackRunsUp) {
  Ir ir(R"(
mlr.node @f(%x: i32) -> (z: i32) {
  %zero = mlr.const 0 : i32
  %z = mlr.scan %t < 10 {
    %p = mlr.fby %zero, %q : i32
    %q = mlr.fby %x, %b : i32
    %a = mlr.sub %x, %p : i32
    %n = mlr.eby %a, %zero : i32
    %b = mlr.sub %n, %t : i32
    %f = mlr.final %b : i32
    mlr.yield %f : i32
  } : i32
  mlr.yield %z : i32
})");
  ASSERT_TRUE(ir.schedule()) << ir.print();
  EXPECT_EQ(ir.sweeps(), "u");
}

TEST(Sweeps, RecurrenceBothWaysAtOnceIsAnError) {
  Ir ir(R"(
mlr.node @f() -> (z: i32) {
  %zero = mlr.const 0 : i32
  %z = mlr.scan %t < 10 {
    %p = mlr.fby %zero, %a : i32
    %n = mlr.eby %a, %zero : i32
    %a = mlr.sub %p, %n : i32
    %f = mlr.final %a : i32
    mlr.yield %f : i32
  } : i32
  mlr.yield %z : i32
})");
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&ir.context, [&](mlir::Diagnostic &d) { message = d.str(); });
  EXPECT_FALSE(succeeded(scheduleNode(ir.node())));
  EXPECT_NE(message.find("no sequence of sweeps"), std::string::npos);
}

// The old h is read by g before the new one is computed, so that one buffer does for both.
TEST(Order, ReadersOfTheOldTensorComeBeforeTheNewOne) {
  Ir ir(R"(
mlr.node @f(%x: f32) -> (h: tensor<4xf32>, s: f32) {
  %zero = mlr.const dense<0.0> : tensor<4xf32>
  %h = mlr.gen (%i) { %e = mlr.read %old[affine_map<(d0) -> (d0)>](%i) : tensor<4xf32> -> f32
                      %m = mlr.mul %e, %x : f32
                      mlr.yield %m : f32 } : tensor<4xf32>
  %old = mlr.fby %zero, %h : tensor<4xf32>
  %s = mlr.reduce sum (%i < 4) { %e = mlr.read %old[affine_map<(d0) -> (d0)>](%i) : tensor<4xf32> -> f32
                                 mlr.yield %e : f32 } : f32
  mlr.yield %h, %s : tensor<4xf32>, f32
})");
  ASSERT_TRUE(ir.schedule()) << ir.print();
  std::string text = ir.print();
  EXPECT_LT(text.find("mlr.reduce"), text.find("mlr.gen")) << text;
}

TEST(Describe, NamesSweepsAndEquations) {
  Ir ir(R"(
mlr.node @f(%xs: tensor<10xf32>) -> (z: tensor<10xf32>) {
  %zero = mlr.const 0.0 : f32
  %z = mlr.scan %t < 10 {
    %i = mlr.convert %t : i32 to index
    %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<10xf32> -> f32
    %ap = mlr.fby %zero, %a : f32
    %a = mlr.add %ap, %x : f32 loc("a"("f.mlr":4:5))
    %wn = mlr.eby %w, %zero : f32
    %w = mlr.add %wn, %a : f32 loc("w"("f.mlr":5:5))
    %s = mlr.stack %w : f32 -> tensor<10xf32>
    mlr.yield %s : tensor<10xf32>
  } : tensor<10xf32> loc("f.mlr":3:3)
  mlr.yield %z : tensor<10xf32>
})");
  ASSERT_TRUE(ir.schedule());
  EXPECT_EQ(describe(ir.node()), "scan t < 10 at f.mlr:3:3: 2 sweeps\n  1 up: a\n  2 down: w\n");
}

// 100,000 operations: three long chains between a forward and a backward recurrence.
TEST(Sweeps, LargeScansTakeLinearTime) {
  std::string text =
      "mlr.node @f(%x: i32) -> (z: i32) {\n %zero = mlr.const 0 : i32\n %z = mlr.scan %t < 10 {\n"
      " %p = mlr.fby %zero, %v0 : i32\n %v0 = mlr.add %p, %x : i32\n";
  int n = 100000;
  for (int i = 1; i < n; ++i)
    text += i % 1000 == 0
                ? " %v" + std::to_string(i) + " = mlr.eby %v" + std::to_string(i - 1) + ", %zero : i32\n"
                : " %v" + std::to_string(i) + " = mlr.sub %v" + std::to_string(i - 1) + ", %v" +
                      std::to_string(i - 1 - i % 3 % i) + " : i32\n";
  text += " %f = mlr.final %v" + std::to_string(n - 1) +
          " : i32\n mlr.yield %f : i32\n } : i32\n mlr.yield %z : i32\n}";
  Ir ir(text);
  auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(ir.schedule());
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_LT(seconds, 60); // about one second when nothing else runs
  RecordProperty("seconds", std::to_string(seconds));
}

// ---- the validator
// ---------------------------------------------------------------------------------------------

static std::string rejection(llvm::StringRef body) {
  Ir ir(("mlr.node @f(%x: i32) -> (z: i32) attributes {scheduled} {\n" + body + "}").str());
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&ir.context, [&](mlir::Diagnostic &d) { message += d.str(); });
  EXPECT_FALSE(succeeded(validate(ir.node())));
  return message;
}

TEST(Validate, RejectsARecurrenceAgainstTheSweep) {
  EXPECT_NE(
      rejection("%z = mlr.scan %t < 3 sweep down { %p = mlr.fby %x, %a : i32\n %a = mlr.add %p, %x : i32\n"
                "%f = mlr.final %a : i32\n mlr.yield %f : i32 } : i32\n mlr.yield %z : i32")
          .find("down sweep"),
      std::string::npos);
}

TEST(Validate, RejectsUseBeforeDefinition) {
  EXPECT_NE(rejection("%a = mlr.add %b, %x : i32\n %b = mlr.add %x, %x : i32\n mlr.yield %a : i32")
                .find("later in the instant"),
            std::string::npos);
}

TEST(Validate, RejectsAnEndValueInItsOwnSweep) {
  EXPECT_NE(rejection("%z = mlr.scan %t < 3 sweep up { %f = mlr.final %t : i32\n %a = mlr.add %f, %x : i32\n"
                      "%g = mlr.final %a : i32\n mlr.yield %g : i32 } : i32\n mlr.yield %z : i32")
                .find("inside the sweep"),
            std::string::npos);
}

TEST(Validate, RejectsTheCountOfAnotherScan) {
  EXPECT_NE(
      rejection(
          "%n = mlr.scan %t < 5 sweep up { %k = mlr.count : i32\n mlr.yield %k : i32 } : i32\n"
          "%z = mlr.scan %t < 3 upto %n sweep up { %f = mlr.final %t : i32\n mlr.yield %f : i32 } : i32\n"
          "mlr.yield %z : i32")
          .find("another length"),
      std::string::npos);
}

TEST(Validate, RejectsAScanWithoutDirection) {
  EXPECT_NE(
      rejection(
          "%z = mlr.scan %t < 3 { %f = mlr.final %t : i32\n mlr.yield %f : i32 } : i32\n mlr.yield %z : i32")
          .find("no direction"),
      std::string::npos);
}

} // namespace mlr::schedule::test
