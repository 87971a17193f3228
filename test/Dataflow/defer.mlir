// RUN: mlr-opt %s -mlr-defer-updates | FileCheck %s
// RUN: mlr-opt %s -mlr-defer-updates | mlr-opt | FileCheck %s
// The sum of x[t] y[t]' over 40 instants downwards is brought up to date at two of them; one that somebody sees at every instant is not.

// CHECK-LABEL: mlr.node @last
// CHECK: %[[T20:.*]] = mlr.const 20 : i32
// CHECK: mlr.scan
// CHECK: mlr.rem %t, %[[T20]]
// CHECK: %[[LAST:.*]] = mlr.eq
// CHECK: %[[MEMORY:.*]] = mlr.eby
// CHECK: mlr.rows {{.*}} -> tensor<20x32xf32>
// CHECK: mlr.rows {{.*}} -> tensor<20x64xf32>
// CHECK: mlr.gen
// CHECK: %[[BEFORE:.*]] = mlr.read %[[MEMORY]]
// CHECK: %[[SUM:.*]] = mlr.reduce sum (%{{.*}} < 20) from %[[BEFORE]] {
// CHECK: mlr.yield %{{.*}}, %{{.*}} : f32, f32
// CHECK: mlr.select %[[LAST]], %[[SUM]], %[[BEFORE]] : f32
mlr.node @last(%x: tensor<40x32xf32>, %y: tensor<40x64xf32>) -> (s: tensor<32x64xf32>) {
  %zero = mlr.const dense<0.0> : tensor<32x64xf32>
  %r = mlr.scan %t < 40 sweep down {
    %at = mlr.convert %t : i32 to index
    %m = mlr.eby %s, %zero : tensor<32x64xf32>
    %s = mlr.gen (%i, %j) {
      %a = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>] (%at, %i) : tensor<40x32xf32> -> f32
      %b = mlr.read %y[affine_map<(d0, d1) -> (d0, d1)>] (%at, %j) : tensor<40x64xf32> -> f32
      %c = mlr.read %m[affine_map<(d0, d1) -> (d0, d1)>] (%i, %j) : tensor<32x64xf32> -> f32
      %e = mlr.fma %a, %b, %c : f32
      mlr.yield %e : f32
    } : tensor<32x64xf32>
    %f = mlr.initial %s : tensor<32x64xf32>
    mlr.yield %f : tensor<32x64xf32>
  } : tensor<32x64xf32>
  mlr.yield %r : tensor<32x64xf32>
}

// CHECK-LABEL: mlr.node @every
// CHECK-NOT: mlr.rows
mlr.node @every(%x: tensor<40x32xf32>, %y: tensor<40x64xf32>) -> (s: tensor<40x32x64xf32>) {
  %zero = mlr.const dense<0.0> : tensor<32x64xf32>
  %r = mlr.scan %t < 40 sweep down {
    %at = mlr.convert %t : i32 to index
    %m = mlr.eby %s, %zero : tensor<32x64xf32>
    %s = mlr.gen (%i, %j) {
      %a = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>] (%at, %i) : tensor<40x32xf32> -> f32
      %b = mlr.read %y[affine_map<(d0, d1) -> (d0, d1)>] (%at, %j) : tensor<40x64xf32> -> f32
      %c = mlr.read %m[affine_map<(d0, d1) -> (d0, d1)>] (%i, %j) : tensor<32x64xf32> -> f32
      %e = mlr.fma %a, %b, %c : f32
      mlr.yield %e : f32
    } : tensor<32x64xf32>
    %f = mlr.stack %s : tensor<32x64xf32> -> tensor<40x32x64xf32>
    mlr.yield %f : tensor<40x32x64xf32>
  } : tensor<40x32x64xf32>
  mlr.yield %r : tensor<40x32x64xf32>
}
