// RUN: mlr-opt %s --mlr-simplify --mlr-verify-normalized | FileCheck %s

// Identities hold to the bit: x + 0 is not x, because -0 + 0 is 0.
// CHECK-LABEL: mlr.node @identities
mlr.node @identities(%x: f32, %n: i32) -> (a: f32, b: f32, c: f32, d: f32, e: i32, f: i32) {
  %zero = mlr.const 0.0 : f32
  %minus = mlr.const -0.0 : f32
  %one = mlr.const 1.0 : f32
  %i0 = mlr.const 0 : i32
  // CHECK: %[[A:.*]] = mlr.add %x, %{{.*}} : f32
  %a = mlr.add %x, %zero : f32
  %b = mlr.add %x, %minus : f32
  %c = mlr.mul %one, %x : f32
  // CHECK: %[[D:.*]] = mlr.sub %x, %x : f32
  %d = mlr.sub %x, %x : f32
  %e = mlr.sub %n, %n : i32
  %f = mlr.div %n, %i0 : i32
  // CHECK: %[[F:.*]] = mlr.div
  // CHECK: mlr.yield %[[A]], %x, %x, %[[D]], %{{.*}}, %[[F]]
  mlr.yield %a, %b, %c, %d, %e, %f : f32, f32, f32, f32, i32, i32
}

// CHECK-LABEL: mlr.node @constants
mlr.node @constants() -> (a: f32, b: i32, c: i32, d: f32, e: i8) {
  %third = mlr.const 0.333333343 : f32
  %three = mlr.const 3.0 : f32
  %big = mlr.const 1.0e+30 : f32
  %min = mlr.const -2147483648 : i32
  %minus = mlr.const -1 : i32
  %zero = mlr.const 0.0 : f32
  // fma rounds once: 3 * 0.333333343 - 1 is 2^-25 * .. exactly
  %m1 = mlr.const -1.0 : f32
  %a = mlr.fma %third, %three, %m1 : f32
  %b = mlr.div %min, %minus : i32
  %c = mlr.convert %big : f32 to i32
  %nan = mlr.div %zero, %zero : f32
  %d = mlr.max %nan, %three : f32
  %e = mlr.convert %nan : f32 to i8
  // CHECK-DAG: %[[A:.*]] = mlr.const 2.98023224E-8 : f32
  // CHECK-DAG: %[[B:.*]] = mlr.const -2147483648 : i32
  // CHECK-DAG: %[[C:.*]] = mlr.const 2147483647 : i32
  // CHECK-DAG: %[[D:.*]] = mlr.const 0x7FC00000 : f32
  // CHECK-DAG: %[[E:.*]] = mlr.const 0 : i8
  // CHECK: mlr.yield %[[A]], %[[B]], %[[C]], %[[D]], %[[E]]
  mlr.yield %a, %b, %c, %d, %e : f32, i32, i32, f32, i8
}

// A tensor of constants with a reduction becomes data; views and element-wise producers vanish into their reader.
// CHECK-LABEL: mlr.node @compose
mlr.node @compose(%x: tensor<4x3xf32>) -> (y: tensor<3xf32>) {
  // CHECK: mlr.const dense<[0.000000e+00, 6.000000e+00, 1.200000e+01]> : tensor<3xf32>
  %w = mlr.gen (%i) {
    %s = mlr.reduce sum (%k < 4) {
      %ki = mlr.convert %k : index to i32
      %ii = mlr.convert %i : index to i32
      %p = mlr.mul %ki, %ii : i32
      %f = mlr.convert %p : i32 to f32
      mlr.yield %f : f32
    } : f32
    mlr.yield %s : f32
  } : tensor<3xf32>
  %row = mlr.gen (%j) {
    %e = mlr.read %x[affine_map<(d0) -> (2, d0)>](%j) : tensor<4x3xf32> -> f32
    mlr.yield %e : f32
  } : tensor<3xf32>
  %sum = mlr.gen (%i) {
    %a = mlr.read %row[affine_map<(d0) -> (2 - d0)>](%i) : tensor<3xf32> -> f32
    %b = mlr.read %w[affine_map<(d0) -> (d0)>](%i) : tensor<3xf32> -> f32
    %s = mlr.add %a, %b : f32
    mlr.yield %s : f32
  } : tensor<3xf32>
  // CHECK: mlr.gen (%i) {
  // CHECK-NEXT: mlr.read %x[#{{.*}}] (%i) : tensor<4x3xf32> -> f32
  // CHECK-NEXT: mlr.read
  // CHECK-NEXT: mlr.add
  // CHECK-NEXT: mlr.sqrt
  // CHECK-NOT: mlr.gen
  %y = mlr.gen (%i) {
    %a = mlr.read %sum[affine_map<(d0) -> (d0)>](%i) : tensor<3xf32> -> f32
    %r = mlr.sqrt %a : f32
    mlr.yield %r : f32
  } : tensor<3xf32>
  mlr.yield %y : tensor<3xf32>
}

// A producer that each of many sums would recompute keeps its buffer.
// CHECK-LABEL: mlr.node @repeated
mlr.node @repeated(%x: tensor<8xf32>, %w: tensor<4x8xf32>) -> (y: tensor<4xf32>) {
  // CHECK: %[[R:.*]] = mlr.gen
  // CHECK: mlr.sqrt
  %r = mlr.gen (%k) {
    %e = mlr.read %x[affine_map<(d0) -> (d0)>](%k) : tensor<8xf32> -> f32
    %q = mlr.sqrt %e : f32
    mlr.yield %q : f32
  } : tensor<8xf32>
  // CHECK: mlr.read %[[R]]
  %y = mlr.gen (%i) {
    %s = mlr.reduce sum (%k < 8) {
      %a = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<4x8xf32> -> f32
      %b = mlr.read %r[affine_map<(d0) -> (d0)>](%k) : tensor<8xf32> -> f32
      mlr.yield %a, %b : f32, f32
    } : f32
    mlr.yield %s : f32
  } : tensor<4xf32>
  mlr.yield %y : tensor<4xf32>
}

// A reduction that does not depend on the row leaves the row loop; one that depends on nothing inside leaves the scan.
// CHECK-LABEL: mlr.node @invariant
mlr.node @invariant(%x: tensor<4xf32>) -> (y: tensor<4xf32>, z: tensor<6xf32>) {
  // CHECK: %[[S:.*]] = mlr.reduce sum (%i < 4) {
  // CHECK: mlr.gen (%i) {
  // CHECK-NOT: mlr.reduce
  %y = mlr.gen (%i) {
    %s = mlr.reduce sum (%k < 4) {
      %e = mlr.read %x[affine_map<(d0) -> (d0)>](%k) : tensor<4xf32> -> f32
      mlr.yield %e : f32
    } : f32
    %a = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<4xf32> -> f32
    %q = mlr.div %a, %s : f32
    mlr.yield %q : f32
  } : tensor<4xf32>
  // CHECK: mlr.scan
  // CHECK-NOT: mlr.reduce
  %z = mlr.scan %t < 6 {
    %s = mlr.reduce sum (%k < 4) {
      %e = mlr.read %x[affine_map<(d0) -> (d0)>](%k) : tensor<4xf32> -> f32
      mlr.yield %e : f32
    } : f32
    %ti = mlr.convert %t : i32 to f32
    %p = mlr.mul %ti, %s : f32
    %r = mlr.stack %p : f32 -> tensor<6xf32>
    mlr.yield %r : tensor<6xf32>
  } : tensor<6xf32>
  mlr.yield %y, %z : tensor<4xf32>, tensor<6xf32>
}

// A recurrence that only feeds itself goes, and a scan result that nobody reads; equal states become one.
// CHECK-LABEL: mlr.node @dead
mlr.node @dead(%x: f32) -> (y: f32, z: f32) {
  %zero = mlr.const 0.0 : f32
  %lost = mlr.fby %zero, %next {name = "lost"} : f32
  %next = mlr.add %lost, %x : f32
  // CHECK-NOT: lost
  // CHECK: mlr.fby %{{.*}}, %x {name = "a"} : f32
  // CHECK-NOT: mlr.fby
  %a = mlr.fby %zero, %x {name = "a"} : f32
  %b = mlr.fby %zero, %x {name = "b"} : f32
  // CHECK: %[[R:.*]] = mlr.scan %t < 3 {
  // CHECK: mlr.yield %{{.*}} : f32
  // CHECK-NEXT: } : f32
  %r:2 = mlr.scan %t < 3 {
    %s = mlr.fby %x, %q : f32
    %q = mlr.mul %s, %x : f32
    %d = mlr.sqrt %q : f32
    %f = mlr.final %q : f32
    %g = mlr.final %d : f32
    mlr.yield %g, %f : f32, f32
  } : f32, f32
  %sum = mlr.add %a, %b : f32
  mlr.yield %sum, %r#1 : f32, f32
}

// x = c fby x is c.
// CHECK-LABEL: mlr.node @constantState
mlr.node @constantState() -> (y: f32) {
  %c = mlr.const 2.0 : f32
  // CHECK-NOT: mlr.fby
  %s = mlr.fby %c, %s : f32
  mlr.yield %s : f32
}

// Reads through reshapes and concatenations; two reshapes are one, which stays where reading past it would divide indices.
// CHECK-LABEL: mlr.node @layout
mlr.node @layout(%x: tensor<2x6xf32>, %u: tensor<4xf32>) -> (y: tensor<3x4xf32>, z: tensor<2xf32>) {
  %r = mlr.reshape %x : tensor<2x6xf32> -> tensor<3x4xf32>
  %t = mlr.reshape %r : tensor<3x4xf32> -> tensor<12xf32>
  // CHECK: %[[FLAT:.*]] = mlr.reshape %x : tensor<2x6xf32> -> tensor<12xf32>
  // CHECK-NOT: mlr.reshape
  // CHECK: mlr.read %[[FLAT]]
  %y = mlr.gen (%i, %j) {
    %e = mlr.read %t[affine_map<(d0, d1) -> (d0 * 4 + d1)>](%i, %j) : tensor<12xf32> -> f32
    %n = mlr.neg %e : f32
    mlr.yield %n : f32
  } : tensor<3x4xf32>
  // CHECK-NOT: mlr.concat
  %c = mlr.concat %u, %t : tensor<4xf32>, tensor<12xf32> -> tensor<16xf32>
  %z = mlr.gen (%i) {
    %e = mlr.read %c[affine_map<(d0) -> (d0 + 1)>](%i) : tensor<16xf32> -> f32
    %n = mlr.neg %e : f32
    mlr.yield %n : f32
  } : tensor<2xf32>
  mlr.yield %y, %z : tensor<3x4xf32>, tensor<2xf32>
}

// What is computed over two axes and read along them needs no reshape; a tensor without elements needs nothing.
// CHECK-LABEL: mlr.node @rows
mlr.node @rows(%x: tensor<12xf32>) -> (y: tensor<3x4xf32>, e: tensor<0xf32>) {
  // CHECK-NOT: mlr.reshape
  %r = mlr.reshape %x : tensor<12xf32> -> tensor<3x4xf32>
  %y = mlr.gen (%i, %j) {
    %a = mlr.read %r[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<3x4xf32> -> f32
    %n = mlr.neg %a : f32
    mlr.yield %n : f32
  } : tensor<3x4xf32>
  // CHECK: %[[NONE:.*]] = mlr.const dense<> : tensor<0xf32>
  %e = mlr.gen (%i) {
    %a = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<12xf32> -> f32
    mlr.yield %a : f32
  } : tensor<0xf32>
  // CHECK: mlr.yield %{{.*}}, %[[NONE]]
  mlr.yield %y, %e : tensor<3x4xf32>, tensor<0xf32>
}

// What costs much and is the same at all instants of a scan is computed once, before it.
// CHECK-LABEL: mlr.node @once
mlr.node @once(%x: tensor<9xf32>, %w: tensor<2xf32>) -> (y: tensor<9x2xf32>) {
  // CHECK: %[[TABLE:.*]] = mlr.gen
  // CHECK-COUNT-3: mlr.sqrt
  // CHECK: mlr.scan
  // CHECK-NOT: mlr.sqrt
  // CHECK: mlr.read %[[TABLE]]
  %y = mlr.scan %t < 9 {
    %i = mlr.convert %t : i32 to index
    %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<9xf32> -> f32
    %v = mlr.gen (%k) {
      %a = mlr.read %w[affine_map<(d0) -> (d0)>](%k) : tensor<2xf32> -> f32
      %b = mlr.sqrt %a : f32
      %c = mlr.sqrt %b : f32
      %d = mlr.sqrt %c : f32
      %p = mlr.mul %d, %e : f32
      mlr.yield %p : f32
    } : tensor<2xf32>
    %s = mlr.stack %v : tensor<2xf32> -> tensor<9x2xf32>
    mlr.yield %s : tensor<9x2xf32>
  } : tensor<9x2xf32>
  mlr.yield %y : tensor<9x2xf32>
}

// Sums do not become terms of a sum with few neighbours, in which lanes would find nothing side by side.
// CHECK-LABEL: mlr.node @terms
// CHECK: %[[H:.*]] = mlr.gen (%i) {
// CHECK: mlr.reduce sum (%k < 8) {
// CHECK: } : tensor<16xf32>
// CHECK: mlr.reduce sum (%i < 16) {
// CHECK: mlr.read %[[H]]
mlr.node @terms(%v: tensor<16xf32>, %w: tensor<16x8xf32>, %x: tensor<8xf32>) -> (y: f32) {
  %h = mlr.gen (%i) {
    %s = mlr.reduce sum (%k < 8) {
      %a = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>] (%i, %k) : tensor<16x8xf32> -> f32
      %b = mlr.read %x[affine_map<(d0) -> (d0)>] (%k) : tensor<8xf32> -> f32
      mlr.yield %a, %b : f32, f32
    } : f32
    mlr.yield %s : f32
  } : tensor<16xf32>
  %y = mlr.reduce sum (%k < 16) {
    %a = mlr.read %h[affine_map<(d0) -> (d0)>] (%k) : tensor<16xf32> -> f32
    %b = mlr.read %v[affine_map<(d0) -> (d0)>] (%k) : tensor<16xf32> -> f32
    mlr.yield %a, %b : f32, f32
  } : f32
  mlr.yield %y : f32
}
