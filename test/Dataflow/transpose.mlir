// RUN: mlr-opt %s -mlr-transpose-invariants | FileCheck %s
// A matrix that a scan multiplies with instant by instant, a resuming one too, is copied before it, once for all parts of it; a scan of
// few instants, or one that may end early, does not pay.

// CHECK: #[[SWAP:.*]] = affine_map<(d0, d1) -> (d1, d0)>
// CHECK-LABEL: mlr.node @many
// CHECK: %[[COPY:.*]] = mlr.gen (%[[K:.*]], %[[I:.*]]) attributes {mlr.read_by_lines} {
// CHECK: mlr.read %w[#[[SWAP]]] (%[[K]], %[[I]]) : tensor<16x5xf32>
// CHECK: tensor<5x16xf32>
// CHECK: mlr.scan
// CHECK-COUNT-2: mlr.read %[[COPY]]
// CHECK-NOT: mlr.read %w
mlr.node @many(%w: tensor<16x5xf32>, %x: tensor<9x5xf32>) -> (y: tensor<9x8xf32>, z: tensor<9x8xf32>) {
  %r:2 = mlr.scan %t < 9 {
    %at = mlr.convert %t : i32 to index
    %a = mlr.gen (%i) {
      %s = mlr.reduce sum (%k < 5) {
        %e = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>] (%i, %k) : tensor<16x5xf32> -> f32
        %f = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>] (%at, %k) : tensor<9x5xf32> -> f32
        mlr.yield %e, %f : f32, f32
      } : f32
      mlr.yield %s : f32
    } : tensor<8xf32>
    %b = mlr.gen (%i) {
      %s = mlr.reduce sum (%k < 5) {
        %e = mlr.read %w[affine_map<(d0, d1) -> (d0 + 8, d1)>] (%i, %k) : tensor<16x5xf32> -> f32
        %f = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>] (%at, %k) : tensor<9x5xf32> -> f32
        mlr.yield %e, %f : f32, f32
      } : f32
      mlr.yield %s : f32
    } : tensor<8xf32>
    %c = mlr.stack %a : tensor<8xf32> -> tensor<9x8xf32>
    %d = mlr.stack %b : tensor<8xf32> -> tensor<9x8xf32>
    mlr.yield %c, %d : tensor<9x8xf32>, tensor<9x8xf32>
  } : tensor<9x8xf32>, tensor<9x8xf32>
  mlr.yield %r#0, %r#1 : tensor<9x8xf32>, tensor<9x8xf32>
}

// CHECK-LABEL: mlr.node @few
// CHECK: mlr.scan
// CHECK: mlr.read %w
mlr.node @few(%w: tensor<16x5xf32>, %x: tensor<7x5xf32>) -> (y: tensor<7x16xf32>) {
  %r = mlr.scan %t < 7 {
    %at = mlr.convert %t : i32 to index
    %a = mlr.gen (%i) {
      %s = mlr.reduce sum (%k < 5) {
        %e = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>] (%i, %k) : tensor<16x5xf32> -> f32
        %f = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>] (%at, %k) : tensor<7x5xf32> -> f32
        mlr.yield %e, %f : f32, f32
      } : f32
      mlr.yield %s : f32
    } : tensor<16xf32>
    %c = mlr.stack %a : tensor<16xf32> -> tensor<7x16xf32>
    mlr.yield %c : tensor<7x16xf32>
  } : tensor<7x16xf32>
  mlr.yield %r : tensor<7x16xf32>
}

// CHECK-LABEL: mlr.node @resuming
// CHECK: %[[COPY:.*]] = mlr.gen (%[[K:.*]], %[[I:.*]]) attributes {mlr.read_by_lines} {
// CHECK: mlr.read %w[#[[SWAP]]] (%[[K]], %[[I]]) : tensor<16x5xf32>
// CHECK: mlr.scan
// CHECK: mlr.read %[[COPY]]
mlr.node @resuming(%w: tensor<16x5xf32>, %x: tensor<9x5xf32>) -> (y: tensor<9x16xf32>) {
  %r = mlr.scan %t < 9 resume {
    %at = mlr.convert %t : i32 to index
    %a = mlr.gen (%i) {
      %s = mlr.reduce sum (%k < 5) {
        %e = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>] (%i, %k) : tensor<16x5xf32> -> f32
        %f = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>] (%at, %k) : tensor<9x5xf32> -> f32
        mlr.yield %e, %f : f32, f32
      } : f32
      mlr.yield %s : f32
    } : tensor<16xf32>
    %c = mlr.stack %a : tensor<16xf32> -> tensor<9x16xf32>
    mlr.yield %c : tensor<9x16xf32>
  } : tensor<9x16xf32>
  mlr.yield %r : tensor<9x16xf32>
}
