// RUN: mlr-opt %s -mlr-split-reductions -mlr-transpose-reused | FileCheck %s
// The sum of a convolution's elements is one of a tensor that is there before, so that its elements lie in lanes; the kernel is copied with its
// results last.

// CHECK: #[[LAST:.*]] = affine_map<(d0, d1) -> (d1, d0)>
// CHECK-LABEL: mlr.node @convolution
// CHECK: %[[KERNEL:.*]] = mlr.gen
// CHECK: mlr.read %w[#[[LAST]]]
// CHECK: tensor<3x8xf32>
// CHECK: %[[ALL:.*]] = mlr.gen
// CHECK: mlr.read %[[KERNEL]]
// CHECK: tensor<62x8xf32>
// CHECK: mlr.reduce sum tree
// CHECK: %[[ELEMENT:.*]] = mlr.read %[[ALL]]
// CHECK: mlr.yield %[[ELEMENT]], %[[ELEMENT]]
mlr.node @convolution(%w: tensor<8x3xf32>, %x: tensor<64xf32>) -> (y: f32) {
  %y = mlr.reduce sum tree (%t < 62, %o < 8) {
    %s = mlr.reduce sum (%i < 4, %k < 3) {
      %a = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>] (%o, %k) : tensor<8x3xf32> -> f32
      %b = mlr.read %x[affine_map<(d0, d1) -> (d0 + d1)>] (%t, %k) : tensor<64xf32> -> f32
      mlr.yield %a, %b : f32, f32
    } : f32
    mlr.yield %s, %s : f32, f32
  } : f32
  mlr.yield %y : f32
}
