// RUN: mlr-opt %s --mlr-normalize-time --mlr-verify-normalized | FileCheck %s

// CHECK-LABEL: mlr.node @base
mlr.node @base(%x: f32, %w: tensor<3xf32>) -> (y: f32, z: f32, v: tensor<3xf32>) {
  // pre is fby of zero
  // CHECK: %[[Z:.*]] = mlr.const 0.000000e+00 : f32
  // CHECK: mlr.fby %[[Z]], %x {name = "p"} : f32
  %p = mlr.pre %x {name = "p"} : f32
  // a computed start becomes a selection at the first instant
  // CHECK: %[[F:.*]] = mlr.fby %{{.*}}, %x : f32
  // CHECK: %[[FIRST:.*]] = mlr.first : i1
  // CHECK: mlr.select %[[FIRST]], %x, %[[F]] : f32
  %f = mlr.fby %x, %x : f32
  // CHECK: mlr.gen
  // CHECK: mlr.select
  %v = mlr.fby %w, %w : tensor<3xf32>
  mlr.yield %p, %f, %v : f32, f32, tensor<3xf32>
}

// CHECK-LABEL: mlr.node @inner
mlr.node @inner(%x: f32) -> (y: f32, z: f32) {
  // CHECK: mlr.scan %t < 4 {
  %r:2 = mlr.scan %t < 4 {
    // CHECK-NEXT: %[[A:.*]] = mlr.fby %x, %[[S:.*]] : f32
    %a = mlr.fby %x, %s : f32
    // CHECK-NEXT: %[[S]] = mlr.add
    %s = mlr.add %a, %x : f32
    // CHECK: mlr.eby %[[S]], %x : f32
    %b = mlr.eby %s, %x : f32
    // CHECK: %[[E:.*]] = mlr.eby %[[S]], %{{.*}} : f32
    // CHECK: %[[THREE:.*]] = mlr.const 3 : i32
    // CHECK: %[[LAST:.*]] = mlr.eq %t, %[[THREE]] : i32
    // CHECK: mlr.select %[[LAST]], %[[S]], %[[E]] : f32
    %c = mlr.eby %s, %s : f32
    // CHECK: mlr.eq %t, %{{.*}} : i32
    %first = mlr.first : i1
    %d = mlr.select %first, %b, %c : f32
    %fa = mlr.final %d : f32
    %fb = mlr.initial %d : f32
    mlr.yield %fa, %fb : f32, f32
  } : f32, f32
  mlr.yield %r#0, %r#1 : f32, f32
}
