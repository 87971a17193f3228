#include "Fixture.h"

#include "mlr/Store/Report.h"

#include <nlohmann/json.hpp>

using namespace mlir;
using namespace mlr::dataflow;
using namespace mlr::store;
using namespace mlr::store::test;

static const char *program =
    R"(mlr.node @f(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>) -> (y: tensor<8xi32>, s: f32) attributes {scheduled} {
  %zero = mlr.const dense<0.0> : tensor<4xf32> loc("zero")
  %half = mlr.const 0.5 : f32
  %ys, %sum = mlr.scan %t < 8 sweep up {
    %ti = mlr.convert %t : i32 to index
    %old = mlr.fby %zero, %h {name = "h"} : tensor<4xf32>
    %h = mlr.gen (%i) {
      %d = mlr.reduce sum (%k < 4) {
        %a = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<4x4xf32> -> f32
        %b = mlr.read %old[affine_map<(d0) -> (d0)>](%k) : tensor<4xf32> -> f32
        mlr.yield %a, %b : f32, f32
      } : f32
      %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%ti, %i) : tensor<8x4xf32> -> f32
      %m = mlr.mul %e, %half : f32
      %r = mlr.add %d, %m : f32
      mlr.yield %r : f32
    } : tensor<4xf32> loc("h")
    %n = mlr.reduce argmax (%k < 4) {
      %b = mlr.read %h[affine_map<(d0) -> (d0)>](%k) : tensor<4xf32> -> f32
      mlr.yield %b : f32
    } : i32 loc("n")
    %total = mlr.reduce sum tree (%k < 4) {
      %b = mlr.read %h[affine_map<(d0) -> (d0)>](%k) : tensor<4xf32> -> f32
      mlr.yield %b : f32
    } : f32
    %st = mlr.stack %n : i32 -> tensor<8xi32>
    %f = mlr.final %total : f32
    mlr.yield %st, %f : tensor<8xi32>, f32
  } : tensor<8xi32>, f32
  mlr.yield %ys, %sum : tensor<8xi32>, f32
})";

TEST(Report, CountsTheOperationsOfAStep) {
  Parsed p(program);
  auto made = report(p.node);
  ASSERT_TRUE(succeeded(made));
  ASSERT_EQ(made->sweeps.size(), 1u);
  const OperationCounts &c = made->sweeps[0].operations;
  EXPECT_EQ(c.fmas, 8 * 16);
  EXPECT_EQ(c.flops, 8 * (2 * 4 + 4 + 15));
  EXPECT_EQ(c.comparisons, 8 * 4);
  // gen: 2 loads a product, 1 an element; the two reductions; h copied to its slot, which starts from zero.
  EXPECT_EQ(c.loads, 8 * (16 * 2 + 4 + 4 + 4 + 4) + 4);
  EXPECT_EQ(c.stores, 8 * (4 + 1 + 4) + 4);
  EXPECT_EQ(made->operations.stores, c.stores + 1);
  EXPECT_EQ(made->operations.fmas, c.fmas);
}

TEST(Report, ShowsEveryBufferWithItsReason) {
  Parsed p(program);
  std::string text = reportText(p.node);
  if (std::getenv("MLR_STORE_SHOW")) llvm::errs() << text;
  EXPECT_NE(text.find("state 0, scratch 32, in 192, out 36, constants 16"), std::string::npos) << text;
  EXPECT_NE(text.find("state of `0 fby h`"), std::string::npos) << text;
  EXPECT_NE(text.find("1 t < 8 up"), std::string::npos) << text;
}

TEST(Report, JsonHoldsTheSame) {
  Parsed p(program);
  auto made = report(p.node);
  auto json = nlohmann::json::parse(reportJson(*made));
  EXPECT_EQ(json["bytes"]["scratch"], 32);
  EXPECT_EQ(json["sweeps"][0]["equations"], (std::vector<std::string>{"h", "n"}));
  EXPECT_EQ(json["operations"]["fma"], 128);
}
