// RUN: mlr-opt %s -mlr-pad-reads | FileCheck %s
// A sum over places beyond the ends of a tensor reads a copy that has them; under which conditions a place holds an element is found by
// evaluation, whatever their form. Conditions on anything else stay.

// CHECK-DAG: #[[INTO:.*]] = affine_map<(d0) -> (d0 - 1)>
// CHECK-DAG: #[[PLACE:.*]] = affine_map<(d0, d1) -> (d0 + d1)>
// CHECK-LABEL: mlr.node @padded
// CHECK: %[[COPY:.*]] = mlr.gen (%[[P:.*]]) {
// CHECK: mlr.read %x[#[[INTO]]] (%[[P]]) clamp [true]
// CHECK: mlr.select
// CHECK: } : tensor<18xf32>
// CHECK: mlr.reduce sum
// CHECK-NOT: mlr.select
// CHECK: mlr.read %[[COPY]][#[[PLACE]]] ({{.*}}) : tensor<18xf32>
mlr.node @padded(%w: tensor<3xf32>, %x: tensor<16xf32>) -> (y: tensor<16xf32>) {
  %one = mlr.const 1 : i32
  %low = mlr.const 0 : i32
  %high = mlr.const 16 : i32
  %zero = mlr.const 0.0 : f32
  %y = mlr.gen (%i) {
    %s = mlr.reduce sum (%k < 3) {
      %a = mlr.read %w[affine_map<(d0) -> (d0)>] (%k) : tensor<3xf32> -> f32
      %b = mlr.read %x[affine_map<(d0, d1) -> (d0 + d1 - 1)>] (%i, %k) clamp [true] : tensor<16xf32> -> f32
      %p = mlr.convert %i : index to i32
      %q = mlr.convert %k : index to i32
      %r = mlr.add %p, %q : i32
      %at = mlr.sub %r, %one : i32
      %above = mlr.ge %at, %low : i32
      %below = mlr.lt %at, %high : i32
      %c = mlr.select %above, %b, %zero : f32
      %d = mlr.select %below, %c, %zero : f32
      mlr.yield %a, %d : f32, f32
    } : f32
    mlr.yield %s : f32
  } : tensor<16xf32>
  mlr.yield %y : tensor<16xf32>
}

// The adjoint of a strided sum: every second place holds an element.
// CHECK-LABEL: mlr.node @dilated
// CHECK: %[[COPY:.*]] = mlr.gen
// CHECK: mlr.rem
// CHECK: } : tensor<18xf32>
// CHECK: mlr.reduce sum
// CHECK-NOT: mlr.select
// CHECK: mlr.read %[[COPY]]
mlr.node @dilated(%w: tensor<3xf32>, %x: tensor<8xf32>) -> (y: tensor<16xf32>) {
  %two = mlr.const 2 : i32
  %low = mlr.const 0 : i32
  %high = mlr.const 16 : i32
  %zero = mlr.const 0.0 : f32
  %y = mlr.gen (%i) {
    %s = mlr.reduce sum (%k < 3) {
      %a = mlr.read %w[affine_map<(d0) -> (d0)>] (%k) : tensor<3xf32> -> f32
      %b = mlr.read %x[affine_map<(d0, d1) -> ((d0 - d1) floordiv 2)>] (%i, %k) clamp [true] : tensor<8xf32> -> f32
      %p = mlr.convert %i : index to i32
      %q = mlr.convert %k : index to i32
      %at = mlr.sub %p, %q : i32
      %rest = mlr.rem %at, %two : i32
      %even = mlr.eq %rest, %low : i32
      %above = mlr.ge %at, %low : i32
      %inside = mlr.and %above, %even : i1
      %c = mlr.select %inside, %b, %zero : f32
      mlr.yield %a, %c : f32, f32
    } : f32
    mlr.yield %s : f32
  } : tensor<16xf32>
  mlr.yield %y : tensor<16xf32>
}

// Whether a place is looked at is not the place's alone, and what data choose is not known.
// CHECK-LABEL: mlr.node @others
// CHECK-NOT: tensor<18xf32>
// CHECK: mlr.yield
mlr.node @others(%w: tensor<3xf32>, %x: tensor<16xf32>, %m: tensor<16xi1>) -> (y: tensor<16xf32>, z: tensor<16xf32>) {
  %one = mlr.const 1 : i32
  %zero = mlr.const 0.0 : f32
  %y = mlr.gen (%i) {
    %s = mlr.reduce sum (%k < 3) {
      %a = mlr.read %w[affine_map<(d0) -> (d0)>] (%k) : tensor<3xf32> -> f32
      %b = mlr.read %x[affine_map<(d0, d1) -> (d0 + d1 - 1)>] (%i, %k) clamp [true] : tensor<16xf32> -> f32
      %q = mlr.convert %k : index to i32
      %some = mlr.ge %q, %one : i32
      %c = mlr.select %some, %b, %zero : f32
      mlr.yield %a, %c : f32, f32
    } : f32
    mlr.yield %s : f32
  } : tensor<16xf32>
  %z = mlr.gen (%i) {
    %s = mlr.reduce sum (%k < 3) {
      %a = mlr.read %w[affine_map<(d0) -> (d0)>] (%k) : tensor<3xf32> -> f32
      %b = mlr.read %x[affine_map<(d0, d1) -> (d0 + d1 - 1)>] (%i, %k) clamp [true] : tensor<16xf32> -> f32
      %on = mlr.read %m[affine_map<(d0) -> (d0)>] (%i) : tensor<16xi1> -> i1
      %c = mlr.select %on, %b, %zero : f32
      mlr.yield %a, %c : f32, f32
    } : f32
    mlr.yield %s : f32
  } : tensor<16xf32>
  mlr.yield %y, %z : tensor<16xf32>, tensor<16xf32>
}
