// RUN: mlr-opt %s --split-input-file --verify-diagnostics --mlr-inline-calls | FileCheck %s

// A call becomes the callee's body; states get the path of the instance; private nodes go.
// CHECK-LABEL: mlr.node @main
mlr.node @main(%x: f32) -> (y: f32) {
  // CHECK: %[[A:.*]] = mlr.fby %{{.*}}, %[[S:.*]] {name = "outer.cell.acc"} : f32
  // CHECK: %[[S]] = mlr.add %[[A]], %x : f32
  // CHECK-NOT: mlr.call
  %0 = mlr.call @outer(%x) {name = "outer"} : (f32) -> f32
  mlr.yield %0 : f32
}
mlr.node @outer(%x: f32) -> (y: f32) attributes {sym_visibility = "private"} {
  %0 = mlr.call @cell(%x) {name = "cell"} : (f32) -> f32
  mlr.yield %0 : f32
}
// CHECK-NOT: mlr.node
mlr.node @cell(%x: f32) -> (y: f32) attributes {sym_visibility = "private"} {
  %zero = mlr.const 0.0 : f32
  %a = mlr.fby %zero, %s {name = "acc"} : f32
  %s = mlr.add %a, %x : f32
  mlr.yield %s : f32
}

// -----

// A result may feed another operand of the same call.
// CHECK-LABEL: mlr.node @chain
mlr.node @chain(%x: f32) -> (y: f32) {
  // CHECK-NEXT: mlr.yield %x : f32
  %0:2 = mlr.call @both(%x, %0#0) : (f32, f32) -> (f32, f32)
  mlr.yield %0#1 : f32
}
mlr.node @both(%a: f32, %b: f32) -> (c: f32, d: f32) attributes {sym_visibility = "private"} {
  mlr.yield %a, %b : f32, f32
}

// -----

mlr.node @self(%x: f32) -> (y: f32) {
  // expected-error @+1 {{node @self calls itself}}
  %0 = mlr.call @self(%x) : (f32) -> f32
  mlr.yield %0 : f32
}
