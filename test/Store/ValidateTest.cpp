// Plans are valid as made, and each kind of corruption is noticed.
#include "Fixture.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace mlr::dataflow;
using namespace mlr::store;
using namespace mlr::store::test;

namespace {

using StoreLocation = mlr::store::Location;

/// Up sweep with a tensor recurrence that reads its whole old value, a crossing stack, a down sweep, an
/// output.
const char *twoSweeps =
    R"(mlr.node @f(%x: tensor<9x4xf32>, %gain: f32) -> (y: tensor<9x4xf32>, last: tensor<4xf32>)
    attributes {scheduled} {
  %z = mlr.const dense<0.0> : tensor<4xf32>
  %n = mlr.fby %z, %end {name = "kept"} : tensor<4xf32>
  %hs, %end = mlr.scan %t < 9 sweep up {
    %old = mlr.fby %n, %h {name = "h"} : tensor<4xf32>
    %ti = mlr.convert %t : i32 to index
    %h = mlr.gen (%i) {
      %s = mlr.reduce sum (%k < 4) {
        %o = mlr.read %old[affine_map<(d0) -> (d0)>](%k) : tensor<4xf32> -> f32
        mlr.yield %o : f32
      } : f32
      %v = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%ti, %i) : tensor<9x4xf32> -> f32
      %r = mlr.add %s, %v : f32
      mlr.yield %r : f32
    } : tensor<4xf32>
    %st = mlr.stack %h : tensor<4xf32> -> tensor<9x4xf32>
    %fin = mlr.final %h : tensor<4xf32>
    mlr.yield %st, %fin : tensor<9x4xf32>, tensor<4xf32>
  } : tensor<9x4xf32>, tensor<4xf32>
  %ys = mlr.scan %t < 9 sweep down {
    %next = mlr.eby %b, %end {name = "b"} : tensor<4xf32>
    %ti = mlr.convert %t : i32 to index
    %b = mlr.gen (%i) {
      %o = mlr.read %next[affine_map<(d0) -> (d0)>](%i) : tensor<4xf32> -> f32
      %v = mlr.read %hs[affine_map<(d0, d1) -> (d0, d1)>](%ti, %i) : tensor<9x4xf32> -> f32
      %m = mlr.mul %o, %gain : f32
      %r = mlr.add %m, %v : f32
      mlr.yield %r : f32
    } : tensor<4xf32>
    %st = mlr.stack %b : tensor<4xf32> -> tensor<9x4xf32>
    mlr.yield %st : tensor<9x4xf32>
  } : tensor<9x4xf32>
  mlr.yield %ys, %n : tensor<9x4xf32>, tensor<4xf32>
})";

struct Planned : Parsed {
  Plan plan;
  std::string message;
  Planned(llvm::StringRef text) : Parsed(text) {
    EXPECT_TRUE(node);
    plan = mlr::store::plan(node);
  }
  bool valid() {
    attach(node, plan);
    message.clear();
    ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &d) {
      message += d.str() + "\n";
      return success();
    });
    return succeeded(validate(node));
  }
  StoreLocation &at(Value v) { return plan.locations[v]; }
  Buffer &buffer(Value v) { return plan.buffers[at(v).buffer]; }
  /// The value leaves its memory for fresh scratch.
  void moveToFreshScratch(Value v) {
    auto type = cast<RankedTensorType>(v.getType());
    Buffer b;
    b.id = plan.buffers.size();
    b.element = type.getElementType();
    b.shape.assign(type.getShape().begin(), type.getShape().end());
    b.offset = (plan.scratchBytes + 63) / 64 * 64;
    plan.scratchBytes = b.offset + b.bytes();
    plan.buffers.push_back(b);
    at(v) = {b.id, 0, {}};
  }
};

} // namespace

TEST(Validate, AcceptsThePlanOfTwoSweeps) {
  Planned p(twoSweeps);
  EXPECT_TRUE(p.valid()) << p.message;
}

TEST(Validate, RejectsScratchOutsideItsSpace) {
  Planned p(twoSweeps);
  p.moveToFreshScratch(p.op<GenOp>(0).getResult());
  p.plan.scratchBytes -= 1;
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsMisalignment) {
  Planned p(twoSweeps);
  p.moveToFreshScratch(p.op<GenOp>(0).getResult());
  p.plan.buffers.back().offset += 2;
  p.plan.scratchBytes += 2;
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsOverlappingState) {
  Planned p(R"(mlr.node @f(%x: f32) -> (y: f32) attributes {scheduled} {
    %c = mlr.const 0.0 : f32
    %a = mlr.fby %c, %x : f32
    %b = mlr.fby %c, %a : f32
    mlr.yield %b : f32
  })");
  EXPECT_TRUE(p.valid()) << p.message;
  p.buffer(p.op<FbyOp>(1).getResult()).offset = p.buffer(p.op<FbyOp>(0).getResult()).offset;
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsARecurrenceInPlaceThatReadsOtherElements) {
  Planned p(twoSweeps);
  p.at(p.op<GenOp>(0).getResult()) = p.at(p.op<FbyOp>(1).getResult());
  EXPECT_FALSE(p.valid());
  EXPECT_NE(p.message.find("overwrites elements that it still reads"), std::string::npos) << p.message;
}

TEST(Validate, AcceptsARecurrenceInPlaceThatReadsItsOwnElement) {
  Planned p(twoSweeps);
  p.at(p.op<GenOp>(1).getResult()) = p.at(p.op<EbyOp>(0).getResult());
  EXPECT_TRUE(p.valid()) << p.message;
}

TEST(Validate, AcceptsASweepThatOverwritesTheRowsThatItConsumes) {
  Planned p(twoSweeps);
  StoreLocation out = p.at(p.op<StackOp>(1).getResult());
  p.at(p.op<StackOp>(0).getResult()) = p.at(p.op<ScanOp>(0).getResult(0)) = out;
  EXPECT_TRUE(p.valid()) << p.message;
}

TEST(Validate, RejectsAStackThatIsOverwrittenBeforeItIsRead) {
  // The second stack's row t lies where row t - 1 of the first one does, which is read an instant later.
  Planned p(twoSweeps);
  p.moveToFreshScratch(p.op<StackOp>(0).getResult());
  StoreLocation fresh = p.at(p.op<StackOp>(0).getResult());
  Buffer &b = p.plan.buffers.back();
  b.shape[0] = 10;
  p.plan.scratchBytes += 64;
  p.at(p.op<ScanOp>(0).getResult(0)) = fresh;
  p.moveToFreshScratch(p.op<GenOp>(1).getResult());
  p.moveToFreshScratch(p.op<GenOp>(0).getResult());
  p.at(p.op<FinalOp>(0).getResult()) = p.at(p.op<ScanOp>(0).getResult(1)) = p.at(p.op<GenOp>(0).getResult());
  EXPECT_TRUE(p.valid()) << p.message;
  p.at(p.op<StackOp>(1).getResult()) = p.at(p.op<ScanOp>(1).getResult(0)) = fresh;
  fresh.offset = 4;
  p.at(p.op<StackOp>(0).getResult()) = p.at(p.op<ScanOp>(0).getResult(0)) = fresh;
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsTwoLiveValuesInOnePlace) {
  Planned p(twoSweeps);
  p.moveToFreshScratch(p.op<EbyOp>(0).getResult());
  p.moveToFreshScratch(p.op<GenOp>(0).getResult());
  p.at(p.op<FinalOp>(0).getResult()) = p.at(p.op<ScanOp>(0).getResult(1)) = p.at(p.op<GenOp>(0).getResult());
  p.moveToFreshScratch(p.op<GenOp>(1).getResult());
  p.moveToFreshScratch(p.op<StackOp>(0).getResult());
  p.at(p.op<ScanOp>(0).getResult(0)) = p.at(p.op<StackOp>(0).getResult());
  EXPECT_TRUE(p.valid()) << p.message;
  // Onto a row in the middle, which no simulated instant writes.
  p.buffer(p.op<EbyOp>(0).getResult()).offset = p.buffer(p.op<StackOp>(0).getResult()).offset + 5 * 16;
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsStateInScratch) {
  Planned p(twoSweeps);
  p.moveToFreshScratch(p.op<FbyOp>(0).getResult());
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsAValueWithoutLocation) {
  Planned p(twoSweeps);
  p.plan.locations.erase(p.op<GenOp>(0).getResult());
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsWritingToInput) {
  Planned p(twoSweeps);
  p.at(p.op<StackOp>(0).getResult()) = p.at(p.op<ScanOp>(0).getResult(0)) = {0, 0, {}};
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsOutputsInOneMember) {
  Planned p(twoSweeps);
  p.plan.outputs[0] = p.plan.outputs[1];
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsAResultThatIsNotWhereTheBodyLeavesIt) {
  Planned p(twoSweeps);
  p.moveToFreshScratch(p.op<ScanOp>(0).getResult(0));
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsRowsOfTheWrongLength) {
  Planned p(twoSweeps);
  p.at(p.op<GenOp>(1).getResult()) = p.at(p.op<StackOp>(1).getResult());
  p.at(p.op<GenOp>(1).getResult()).rows = {{0, 3}};
  EXPECT_FALSE(p.valid());
}

TEST(Validate, RejectsAnOutputCopiedOverTheNextState) {
  // `end` in the memory of the output `last`, which takes `n` before the slot takes `end`.
  Planned p(twoSweeps);
  p.at(p.op<GenOp>(0).getResult()) = p.at(p.op<FinalOp>(0).getResult()) = p.at(p.op<ScanOp>(0).getResult(1)) =
      p.plan.outputs[1];
  EXPECT_FALSE(p.valid());
}
