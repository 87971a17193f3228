// Programs whose number of sweeps is known.
#include "test/Schedule/Parse.h"

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
  if (getenv("SHOW")) llvm::errs() << ir.print();
}

} // namespace mlr::schedule::test
