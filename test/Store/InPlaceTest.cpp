// What shares memory.
#include "Fixture.h"

using namespace mlir;
using namespace mlr::dataflow;
using namespace mlr::store;
using namespace mlr::store::test;

namespace {

Plan validPlan(Parsed &p) {
  EXPECT_TRUE(p.node);
  Plan plan = mlr::store::plan(p.node);
  attach(p.node, plan);
  EXPECT_TRUE(succeeded(validate(p.node)));
  return plan;
}

} // namespace

// a = .5*(1 fby a) + x; w = .9*(w eby 2) + a; q = .25*(0 fby q) + w; acc = x*x + (0 fby acc); z[t] = q /
// final acc
TEST(InPlace, ThreeSweepsShareTheOneOutputBuffer) {
  Parsed p(R"(mlr.node @f(%x: tensor<8xf32>) -> (z: tensor<8xf32>) attributes {scheduled} {
    %one = mlr.const 1.0 : f32
    %two = mlr.const 2.0 : f32
    %zero = mlr.const 0.0 : f32
    %as, %acc = mlr.scan %t < 8 sweep up {
      %ti = mlr.convert %t : i32 to index
      %xt = mlr.read %x[affine_map<(d0) -> (d0)>](%ti) : tensor<8xf32> -> f32
      %pa = mlr.fby %one, %a : f32
      %pacc = mlr.fby %zero, %ac : f32
      %a = mlr.add %pa, %xt : f32
      %ac = mlr.fma %xt, %xt, %pacc : f32
      %st = mlr.stack %a : f32 -> tensor<8xf32>
      %f = mlr.final %ac : f32
      mlr.yield %st, %f : tensor<8xf32>, f32
    } : tensor<8xf32>, f32
    %ws = mlr.scan %t < 8 sweep down {
      %ti = mlr.convert %t : i32 to index
      %at = mlr.read %as[affine_map<(d0) -> (d0)>](%ti) : tensor<8xf32> -> f32
      %nw = mlr.eby %w, %two : f32
      %w = mlr.add %nw, %at : f32
      %st = mlr.stack %w : f32 -> tensor<8xf32>
      mlr.yield %st : tensor<8xf32>
    } : tensor<8xf32>
    %zs = mlr.scan %t < 8 sweep up {
      %ti = mlr.convert %t : i32 to index
      %wt = mlr.read %ws[affine_map<(d0) -> (d0)>](%ti) : tensor<8xf32> -> f32
      %pq = mlr.fby %zero, %q : f32
      %q = mlr.add %pq, %wt : f32
      %z = mlr.div %q, %acc : f32
      %st = mlr.stack %z : f32 -> tensor<8xf32>
      mlr.yield %st : tensor<8xf32>
    } : tensor<8xf32>
    mlr.yield %zs : tensor<8xf32>
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 0);
  EXPECT_EQ(plan.stateBytes, 0);
  for (unsigned n = 0; n < 3; ++n)
    EXPECT_EQ(plan.locations.lookup(p.op<ScanOp>(n).getResult(0)), plan.outputs[0]);
  EXPECT_NE(bufferNamed(plan, Space::Out, "z")->reason.find("crosses from sweep 1 (up) to 2 (down)"),
            std::string::npos)
      << bufferNamed(plan, Space::Out, "z")->reason;
}

/// h = gen over old h, as the text of the gen's read.
static std::string recurrence(const char *read) {
  return std::string(R"(mlr.node @f(%x: tensor<16xf32>) -> (y: f32) attributes {scheduled} {
    %z = mlr.const dense<0.0> : tensor<16xf32>
    %old = mlr.fby %z, %h {name = "h"} : tensor<16xf32>
    %h = mlr.gen (%i) {
      %v = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32
      %o = )") +
         read + R"(
      %r = mlr.add %o, %v : f32
      mlr.yield %r : f32
    } : tensor<16xf32>
    %y = mlr.read %h[affine_map<() -> (3)>]() : tensor<16xf32> -> f32
    mlr.yield %y : f32
  })";
}

TEST(InPlace, AnElementWiseRecurrenceStaysInItsSlot) {
  Parsed p(recurrence("mlr.read %old[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32"));
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 0);
  EXPECT_EQ(plan.locations.lookup(p.op<GenOp>().getResult()),
            plan.locations.lookup(p.op<FbyOp>().getResult()));
}

TEST(InPlace, ARecurrenceThatReadsOtherElementsHasASecondSlot) {
  Parsed p(recurrence("mlr.read %old[affine_map<(d0) -> (15 - d0)>](%i) : tensor<16xf32> -> f32"));
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 64);
  EXPECT_NE(plan.locations.lookup(p.op<GenOp>().getResult()),
            plan.locations.lookup(p.op<FbyOp>().getResult()));
}

TEST(InPlace, AnInnerRecurrenceThatStartsFromStateAndEndsInItLivesThere) {
  Parsed p(R"(mlr.node @f(%x: tensor<16xf32>) -> (y: f32) attributes {scheduled} {
    %z = mlr.const dense<0.0> : tensor<16xf32>
    %p = mlr.fby %z, %end {name = "p"} : tensor<16xf32>
    %end = mlr.scan %t < 100 sweep up {
      %old = mlr.fby %p, %h : tensor<16xf32>
      %h = mlr.gen (%i) {
        %o = mlr.read %old[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32
        %v = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32
        %r = mlr.add %o, %v : f32
        mlr.yield %r : f32
      } : tensor<16xf32>
      %f = mlr.final %h : tensor<16xf32>
      mlr.yield %f : tensor<16xf32>
    } : tensor<16xf32>
    %y = mlr.read %end[affine_map<() -> (3)>]() : tensor<16xf32> -> f32
    mlr.yield %y : f32
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.stateBytes, 64);
  EXPECT_EQ(plan.scratchBytes, 0);
}

TEST(InPlace, AFinalValueIsComputedInTheOutput) {
  Parsed p(R"(mlr.node @f(%x: tensor<9x16xf32>) -> (y: tensor<16xf32>) attributes {scheduled} {
    %z = mlr.const dense<0.0> : tensor<16xf32>
    %end = mlr.scan %t < 9 sweep up {
      %ti = mlr.convert %t : i32 to index
      %old = mlr.fby %z, %h : tensor<16xf32>
      %h = mlr.gen (%i) {
        %o = mlr.read %old[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32
        %v = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%ti, %i) : tensor<9x16xf32> -> f32
        %r = mlr.add %o, %v : f32
        mlr.yield %r : f32
      } : tensor<16xf32>
      %f = mlr.final %h : tensor<16xf32>
      mlr.yield %f : tensor<16xf32>
    } : tensor<16xf32>
    mlr.yield %end : tensor<16xf32>
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 0);
  EXPECT_EQ(plan.locations.lookup(p.op<FbyOp>().getResult()), plan.outputs[0]);
}

TEST(InPlace, NestedSweepsHandOverElementByElement) {
  auto nest = [](const std::string &outer, const std::string &read, const std::string &direction) {
    return "%" + outer + " = mlr.scan %i" + outer + " < 6 sweep " + direction + " {\n%ii" + outer +
           " = mlr.convert %i" + outer + " : i32 to index\n%rows" + outer + " = mlr.scan %j" + outer +
           " < 7 sweep " + direction + " {\n%jj" + outer + " = mlr.convert %j" + outer +
           " : i32 to index\n%e" + outer + " = mlr.read %" + read + "[affine_map<(d0, d1) -> (d0, d1)>](%ii" +
           outer + ", %jj" + outer + ") : tensor<6x7xf32> -> f32\n%n" + outer + " = mlr.neg %e" + outer +
           " : f32\n%s" + outer + " = mlr.stack %n" + outer + " : f32 -> tensor<7xf32>\nmlr.yield %s" +
           outer + " : tensor<7xf32>\n} : tensor<7xf32>\n%ss" + outer + " = mlr.stack %rows" + outer +
           " : tensor<7xf32> -> tensor<6x7xf32>\nmlr.yield %ss" + outer +
           " : tensor<6x7xf32>\n} : tensor<6x7xf32>\n";
  };
  Parsed p("mlr.node @f(%x: tensor<6x7xf32>) -> (y: f32) attributes {scheduled} {\n" + nest("a", "x", "up") +
           nest("b", "a", "down") + nest("c", "b", "up") + R"(%y = mlr.reduce sum (%k < 6, %l < 7) {
      %e = mlr.read %c[affine_map<(d0, d1) -> (d0, d1)>](%k, %l) : tensor<6x7xf32> -> f32
      mlr.yield %e : f32
    } : f32
    mlr.yield %y : f32
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 6 * 7 * 4);
}

TEST(InPlace, AnElementWiseChainKeepsItsMemory) {
  Parsed p(R"(mlr.node @f(%x: tensor<32xf32>) -> (y: f32) attributes {scheduled} {
    %a = mlr.gen (%i) {
      %e = mlr.read %x[affine_map<(d0) -> (31 - d0)>](%i) : tensor<32xf32> -> f32
      mlr.yield %e : f32
    } : tensor<32xf32>
    %b = mlr.gen (%i) {
      %e = mlr.read %a[affine_map<(d0) -> (d0)>](%i) : tensor<32xf32> -> f32
      %n = mlr.neg %e : f32
      mlr.yield %n : f32
    } : tensor<32xf32>
    %y = mlr.read %b[affine_map<() -> (3)>]() : tensor<32xf32> -> f32
    mlr.yield %y : f32
  })");
  EXPECT_EQ(validPlan(p).scratchBytes, 128);
}

TEST(InPlace, PartsOfAConcatAreComputedInTheOutput) {
  Parsed p(R"(mlr.node @f(%x: tensor<3xf32>) -> (y: tensor<9xf32>) attributes {scheduled} {
    %a = mlr.gen (%i) {
      %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<3xf32> -> f32
      mlr.yield %e : f32
    } : tensor<3xf32>
    %y = mlr.concat %a, %x, %a : tensor<3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<9xf32>
    mlr.yield %y : tensor<9xf32>
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 0);
  EXPECT_EQ(plan.locations.lookup(p.op<GenOp>().getResult()), plan.outputs[0]);
}

TEST(InPlace, ARecurrenceThatEndsInAConcatStaysInItsSlot) {
  Parsed p(R"(mlr.node @f(%x: tensor<16xf32>) -> (y: tensor<32xf32>) attributes {scheduled} {
    %zero = mlr.const dense<0.0> : tensor<16xf32>
    %s = mlr.scan %t < 5 sweep up {
      %old = mlr.fby %zero, %new : tensor<16xf32>
      %new = mlr.gen (%i) {
        %a = mlr.read %old[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32
        %b = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32
        %c = mlr.add %a, %b : f32
        mlr.yield %c : f32
      } : tensor<16xf32>
      %end = mlr.final %new : tensor<16xf32>
      mlr.yield %end : tensor<16xf32>
    } : tensor<16xf32>
    %y = mlr.concat %x, %s : tensor<16xf32>, tensor<16xf32> -> tensor<32xf32>
    mlr.yield %y : tensor<32xf32>
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.locations.lookup(p.op<FbyOp>().getResult()), plan.locations.lookup(p.op<GenOp>().getResult()));
  EXPECT_EQ(plan.scratchBytes, 64);
}

TEST(InPlace, ATableIsAddedToInTheOutputThroughNestedScans) {
  Parsed p(R"(mlr.node @f(%ids: tensor<5x4xi32>, %u: tensor<8xf32>) -> (y: tensor<16x8xf32>) attributes {scheduled} {
    %zero = mlr.const dense<0.0> : tensor<16x8xf32>
    %y = mlr.scan %t < 5 sweep down {
      %ti = mlr.convert %t : i32 to index
      %old = mlr.eby %sum, %zero : tensor<16x8xf32>
      %sum = mlr.scan %s < 4 sweep down {
        %si = mlr.convert %s : i32 to index
        %k = mlr.read %ids[affine_map<(d0, d1) -> (d0, d1)>](%ti, %si) : tensor<5x4xi32> -> i32
        %inner = mlr.eby %again, %old : tensor<16x8xf32>
        %once = mlr.scatter %inner add %u at(%k) along [0] : tensor<16x8xf32>, tensor<8xf32>, (i32)
        %again = mlr.scatter %once add %u at(%s) along [0] : tensor<16x8xf32>, tensor<8xf32>, (i32)
        %first = mlr.initial %again : tensor<16x8xf32>
        mlr.yield %first : tensor<16x8xf32>
      } : tensor<16x8xf32>
      %end = mlr.initial %sum : tensor<16x8xf32>
      mlr.yield %end : tensor<16x8xf32>
    } : tensor<16x8xf32>
    mlr.yield %y : tensor<16x8xf32>
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 0);
  p.node->walk([&](ScatterOp op) { EXPECT_EQ(plan.locations.lookup(op.getResult()), plan.outputs[0]); });
  p.node->walk([&](EbyOp op) { EXPECT_EQ(plan.locations.lookup(op.getResult()), plan.outputs[0]); });
}

TEST(InPlace, WhatAScatterReadsStaysApartFromItsResult) {
  Parsed p(R"(mlr.node @f(%x: tensor<16xf32>, %k: tensor<16xi32>) -> (y: tensor<16xf32>) attributes {scheduled} {
    %a = mlr.gen (%i) {
      %e = mlr.read %x[affine_map<(d0) -> (-d0 + 15)>](%i) : tensor<16xf32> -> f32
      mlr.yield %e : f32
    } : tensor<16xf32>
    %b = mlr.gen (%i) {
      %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32
      %f = mlr.mul %e, %e : f32
      mlr.yield %f : f32
    } : tensor<16xf32>
    %r = mlr.scatter %a add %b at(%k) along [0] : tensor<16xf32>, tensor<16xf32>, (tensor<16xi32>)
    %y = mlr.scatter %r add %r at(%k) along [0] : tensor<16xf32>, tensor<16xf32>, (tensor<16xi32>)
    mlr.yield %y : tensor<16xf32>
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 64); // %b is in the output, until that is written
}

TEST(InPlace, WhatIsReadByLinesIsNotInAnOutputThatStartsBetweenTwo) {
  auto bytes = [](const char *attributes) {
    Parsed p(std::string(R"(mlr.node @f(%x: tensor<64xf32>) -> (a: f32, y: tensor<64xf32>) attributes {scheduled} {
      %copy = mlr.gen (%i) )") + attributes + R"( {
        %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<64xf32> -> f32
        mlr.yield %e : f32
      } : tensor<64xf32>
      %s = mlr.reduce sum (%i < 64) {
        %e = mlr.read %copy[affine_map<(d0) -> (-d0 + 63)>](%i) : tensor<64xf32> -> f32
        mlr.yield %e : f32
      } : f32
      %y = mlr.gen (%i) {
        %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<64xf32> -> f32
        %m = mlr.mul %e, %s : f32
        mlr.yield %m : f32
      } : tensor<64xf32>
      mlr.yield %s, %y : f32, tensor<64xf32>
    })");
    return validPlan(p).scratchBytes;
  };
  EXPECT_EQ(bytes(""), 0);
  EXPECT_EQ(bytes("attributes {mlr.read_by_lines}"), 256);
}

TEST(InPlace, MemoryOfAnOutputHoldsWhatIsDeadBeforeItIsWritten) {
  Parsed p(R"(mlr.node @f(%x: tensor<4xf32>) -> (y: tensor<40xf32>) attributes {scheduled} {
    %a = mlr.gen (%i) {
      %e = mlr.read %x[affine_map<(d0) -> (0)>](%i) : tensor<4xf32> -> f32
      mlr.yield %e : f32
    } : tensor<32xf32>
    %s = mlr.reduce sum (%k < 32) {
      %e = mlr.read %a[affine_map<(d0) -> (d0)>](%k) : tensor<32xf32> -> f32
      mlr.yield %e : f32
    } : f32
    %y = mlr.gen (%i) {
      mlr.yield %s : f32
    } : tensor<40xf32>
    mlr.yield %y : tensor<40xf32>
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 0);
}

TEST(InPlace, WindowsTakeTheirNewestRowInPlace) {
  Parsed p(R"(mlr.node @f(%x: tensor<4xf32>) -> (y: f32) attributes {scheduled} {
    %z = mlr.const dense<0.0> : tensor<4xf32>
    %a = mlr.gen (%i) {
      %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<4xf32> -> f32
      mlr.yield %e : f32
    } : tensor<4xf32>
    %w = mlr.window %a, %z : tensor<4xf32> -> tensor<5x4xf32>
    %y = mlr.read %w[affine_map<() -> (0, 0)>]() : tensor<5x4xf32> -> f32
    mlr.yield %y : f32
  })");
  Plan plan = validPlan(p);
  EXPECT_EQ(plan.scratchBytes, 0);
  EXPECT_EQ(plan.locations.lookup(p.op<GenOp>().getResult()).offset, 16);
  EXPECT_EQ(bufferOf(plan, p.op<GenOp>().getResult()).space, Space::State);
}
