#include "Fixture.h"

using namespace mlir;
using namespace mlr::dataflow;
using namespace mlr::store;
using namespace mlr::store::test;

TEST(Interface, FieldsFollowTheRulesOfC) {
  Parsed p(R"(mlr.node @f(%a: i1, %b: f64, %c: tensor<3xf16>, %d: ui8) -> (y: i8, z: tensor<2xf32>, u: i1)
      attributes {scheduled} {
    %y = mlr.const 1 : i8
    %z = mlr.const dense<2.0> : tensor<2xf32>
    mlr.yield %y, %z, %a : i8, tensor<2xf32>, i1
  })");
  Plan plan = mlr::store::plan(p.node);
  EXPECT_EQ(bufferNamed(plan, Space::In, "a")->offset, 0);
  EXPECT_EQ(bufferNamed(plan, Space::In, "b")->offset, 8);
  EXPECT_EQ(bufferNamed(plan, Space::In, "c")->offset, 16);
  EXPECT_EQ(bufferNamed(plan, Space::In, "d")->offset, 22);
  EXPECT_EQ(plan.inBytes, 24);
  EXPECT_EQ(bufferNamed(plan, Space::Out, "z")->offset, 4);
  EXPECT_EQ(bufferNamed(plan, Space::Out, "u")->offset, 12);
  EXPECT_EQ(plan.outBytes, 16);
  EXPECT_EQ(plan.stateBytes, 0);
}

TEST(State, ScalarsAndTensorsOfTheNodesTimeInOrder) {
  Parsed p(R"(mlr.node @f(%x: f32) -> (y: f32) attributes {scheduled} {
    %c0 = mlr.const 0.0 : f32
    %first = mlr.first : i1
    %h = mlr.fby %c0, %x {name = "cell.h"} : f32
    %w = mlr.window %x, %c0 {name = "w"} : f32 -> tensor<4xf32>
    mlr.yield %h : f32
  })");
  Plan plan = mlr::store::plan(p.node);
  EXPECT_EQ(bufferNamed(plan, Space::State, "first")->offset, 0);
  EXPECT_EQ(bufferNamed(plan, Space::State, "cell.h")->offset, 4);
  EXPECT_EQ(bufferNamed(plan, Space::State, "cell.h")->reason, "state of `0 fby ...`");
  EXPECT_EQ(bufferNamed(plan, Space::State, "w")->offset, 8);
  EXPECT_EQ(plan.stateBytes, 24);
}

static const char *nested =
    R"(mlr.node @f(%x: tensor<5xf32>) -> (y: tensor<5x4x2xf32>) attributes {scheduled} {
  %c0 = mlr.const 0.0 : f32
  %z = mlr.const dense<0.0> : tensor<2xf32>
  %y = mlr.scan %t < 5 sweep up {
    %inner = mlr.scan %s < 4 resume sweep up {
      %n = mlr.fby %c0, %m : f32
      %h = mlr.fby %z, %g : tensor<2xf32>
      %one = mlr.const 1.0 : f32
      %m = mlr.add %n, %one : f32
      %g = mlr.gen (%i) {
        %o = mlr.read %h[affine_map<(d0) -> (d0)>](%i) : tensor<2xf32> -> f32
        %p = mlr.add %o, %m : f32
        mlr.yield %p : f32
      } : tensor<2xf32>
      %st = mlr.stack %g : tensor<2xf32> -> tensor<4x2xf32>
      mlr.yield %st : tensor<4x2xf32>
    } : tensor<4x2xf32>
    %so = mlr.stack %inner : tensor<4x2xf32> -> tensor<5x4x2xf32>
    mlr.yield %so : tensor<5x4x2xf32>
  } : tensor<5x4x2xf32>
  mlr.yield %y : tensor<5x4x2xf32>
})";

TEST(Rows, NestedStacksAreComputedInTheOutput) {
  Parsed p(nested);
  ASSERT_TRUE(p.node);
  Plan plan = mlr::store::plan(p.node);
  EXPECT_EQ(plan.stateBytes, 0);
  mlr::store::Location inner = plan.locations.lookup(p.op<StackOp>(0).getResult());
  EXPECT_EQ(bufferOf(plan, p.op<StackOp>(0).getResult()).space, Space::Out);
  EXPECT_EQ(inner.rows, (llvm::SmallVector<mlr::store::Location::Row, 2>{{0, 8}}));
  EXPECT_EQ(plan.outputs[0], plan.locations.lookup(p.op<ScanOp>(0).getResult(0)));
}

TEST(Validate, AcceptsThePlanOfNestedScans) {
  Parsed p(nested);
  attach(p.node, mlr::store::plan(p.node));
  EXPECT_TRUE(succeeded(validate(p.node)));
}

TEST(Slots, OfAResumingScanInAScanThatDoesNotResumeLiveInScratch) {
  Parsed p(nested);
  Plan plan = mlr::store::plan(p.node);
  EXPECT_EQ(bufferOf(plan, p.op<FbyOp>(0).getResult()).space, Space::Scratch);
  EXPECT_EQ(bufferOf(plan, p.op<FbyOp>(1).getResult()).space, Space::Scratch);
}

TEST(Attributes, PrintAndReadBack) {
  Parsed p(nested);
  Plan plan = mlr::store::plan(p.node);
  attach(p.node, plan);
  std::string text;
  llvm::raw_string_ostream stream(text);
  p.module->print(stream);
  Parsed again(text);
  ASSERT_TRUE(again.node) << text;
  auto back = mlr::store::read(again.node);
  ASSERT_TRUE(succeeded(back));
  EXPECT_EQ(back->buffers.size(), plan.buffers.size());
  EXPECT_EQ(back->scratchBytes, plan.scratchBytes);
  EXPECT_EQ(back->outputs, plan.outputs);
  EXPECT_EQ(back->locations.size(), plan.locations.size());
  for (unsigned n = 0; n < 2; ++n)
    EXPECT_EQ(back->locations.lookup(again.op<StackOp>(n).getResult()),
              plan.locations.lookup(p.op<StackOp>(n).getResult()));
  std::string twice;
  llvm::raw_string_ostream second(twice);
  again.module->print(second);
  EXPECT_EQ(text, twice);
}

TEST(Constants, EqualOnesShareRom) {
  Parsed p(R"(mlr.node @f() -> (y: tensor<2xf32>) attributes {scheduled} {
    %a = mlr.const dense<[1.0, 2.0]> : tensor<2xf32>
    %y = mlr.gen (%i) {
      %b = mlr.const dense<[1.0, 2.0]> : tensor<2xf32>
      %e = mlr.read %b[affine_map<(d0) -> (d0)>](%i) : tensor<2xf32> -> f32
      mlr.yield %e : f32
    } : tensor<2xf32>
    mlr.yield %a : tensor<2xf32>
  })");
  Plan plan = mlr::store::plan(p.node);
  EXPECT_EQ(plan.locations.lookup(p.op<ConstOp>(0).getResult()),
            plan.locations.lookup(p.op<ConstOp>(1).getResult()));
  EXPECT_EQ(bufferOf(plan, p.op<ConstOp>(0).getResult()).space, Space::Rom);
}

TEST(Empty, TensorsOfNoElementsAndScansOfNoInstantsTakeNoRoom) {
  Parsed p(R"(mlr.node @f(%x: tensor<0xf64>, %g: f32) -> (y: tensor<0x4xf32>, z: tensor<0xf64>, n: i32) attributes {scheduled} {
    %c = mlr.const dense<> : tensor<0xf64>
    %s = mlr.fby %c, %v : tensor<0xf64>
    %v = mlr.gen (%i) {
      %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<0xf64> -> f64
      mlr.yield %e : f64
    } : tensor<0xf64>
    %ys, %n = mlr.scan %t < 0 sweep up {
      %r = mlr.gen (%i) {
        mlr.yield %g : f32
      } : tensor<4xf32>
      %st = mlr.stack %r : tensor<4xf32> -> tensor<0x4xf32>
      %k = mlr.count : i32
      mlr.yield %st, %k : tensor<0x4xf32>, i32
    } : tensor<0x4xf32>, i32
    mlr.yield %ys, %s, %n : tensor<0x4xf32>, tensor<0xf64>, i32
  })");
  ASSERT_TRUE(p.node);
  Plan plan = mlr::store::plan(p.node);
  EXPECT_EQ(plan.stateBytes, 0);
  EXPECT_EQ(plan.inBytes, 4);
  EXPECT_EQ(plan.outBytes, 4);
  attach(p.node, plan);
  EXPECT_TRUE(succeeded(validate(p.node)));
}
