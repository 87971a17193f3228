// Every operation prints as text that reads back as itself.
// RUN: mlr-opt %s | mlr-opt | FileCheck %s

// CHECK-LABEL: mlr.node @scalars(%x: f32, %n: i32, %u: ui8, %c: i1) -> (y: f32, m: i32, v: ui8, d: i1)
mlr.node @scalars(%x: f32, %n: i32, %u: ui8, %c: i1) -> (y: f32, m: i32, v: ui8, d: i1) {
  // CHECK: mlr.const 5.000000e-01 : f32
  %half = mlr.const 5.000000e-01 : f32
  // CHECK: mlr.add %{{.*}}, %{{.*}} : f32
  %0 = mlr.add %x, %half : f32
  %1 = mlr.sub %0, %half : f32
  %2 = mlr.mul %1, %1 : f32
  %3 = mlr.div %2, %x : f32
  %4 = mlr.rem %3, %x : f32
  %5 = mlr.min %4, %x : f32
  %6 = mlr.max %5, %x : f32
  %7 = mlr.neg %6 : f32
  %8 = mlr.abs %7 : f32
  %9 = mlr.sqrt %8 : f32
  %10 = mlr.floor %9 : f32
  %11 = mlr.ceil %10 : f32
  %12 = mlr.trunc %11 : f32
  // CHECK: mlr.round_even %{{.*}} : f32
  %13 = mlr.round_even %12 : f32
  // CHECK: mlr.fma %{{.*}}, %{{.*}}, %{{.*}} : f32
  %14 = mlr.fma %13, %x, %half : f32
  // CHECK: mlr.lt %{{.*}}, %{{.*}} : f32
  %15 = mlr.lt %14, %x : f32
  %16 = mlr.gt %14, %x : f32
  %17 = mlr.le %14, %x : f32
  %18 = mlr.ge %14, %x : f32
  %19 = mlr.eq %14, %x : f32
  %20 = mlr.ne %14, %x : f32
  %21 = mlr.and %15, %16 : i1
  %22 = mlr.or %17, %18 : i1
  %23 = mlr.xor %19, %20 : i1
  // CHECK: mlr.not %{{.*}} : i1
  %24 = mlr.not %21 : i1
  %25 = mlr.and %24, %22 : i1
  %26 = mlr.or %25, %23 : i1
  %27 = mlr.shl %n, %n : i32
  %28 = mlr.shr %27, %n : i32
  // CHECK: mlr.select %{{.*}}, %{{.*}}, %{{.*}} : i32
  %29 = mlr.select %c, %28, %n : i32
  // CHECK: mlr.bitcast %{{.*}} : i32 to f32
  %30 = mlr.bitcast %29 : i32 to f32
  %31 = mlr.add %30, %14 : f32
  // CHECK: mlr.convert %{{.*}} : i32 to ui8
  %32 = mlr.convert %29 : i32 to ui8
  %33 = mlr.xor %32, %u : ui8
  mlr.yield %31, %29, %33, %26 : f32, i32, ui8, i1
}

// CHECK-LABEL: mlr.node @streams
mlr.node @streams(%x: f32, %w: tensor<3xf32>) -> (y: f32, z: tensor<4xf32>) {
  %zero = mlr.const 0.000000e+00 : f32
  // CHECK: mlr.fby %{{.*}}, %{{.*}} {name = "a"} : f32
  %0 = mlr.fby %zero, %x {name = "a"} : f32
  // CHECK: mlr.pre %{{.*}} : f32
  %1 = mlr.pre %0 : f32
  // CHECK: mlr.first : i1
  %2 = mlr.first : i1
  %3 = mlr.select %2, %x, %1 : f32
  // CHECK: mlr.window %{{.*}}, %{{.*}} : f32 -> tensor<4xf32>
  %4 = mlr.window %3, %zero : f32 -> tensor<4xf32>
  // CHECK: mlr.call @callee(%{{.*}}) {name = "c"} : (f32) -> f32
  %5 = mlr.call @callee(%3) {name = "c"} : (f32) -> f32
  mlr.yield %5, %4 : f32, tensor<4xf32>
}

// CHECK-LABEL: mlr.node @callee(%x: f32) -> (y: f32) attributes {sym_visibility = "private"}
mlr.node @callee(%x: f32) -> (y: f32) attributes {sym_visibility = "private"} {
  mlr.yield %x : f32
}

// CHECK-LABEL: mlr.node @scans
mlr.node @scans(%x: tensor<5xf32>, %n: i32) -> (y: tensor<5xf32>, f: f32, i: f32, c: i32) {
  %zero = mlr.const 0.000000e+00 : f32
  // CHECK: %{{.*}}:4 = mlr.scan %t < 5 {
  %r:4 = mlr.scan %t < 5 {
    %ti = mlr.convert %t : i32 to index
    %e = mlr.read %x[affine_map<(d0) -> (d0)>](%ti) : tensor<5xf32> -> f32
    %a = mlr.fby %zero, %s : f32
    %s = mlr.add %a, %e : f32
    // CHECK: mlr.eby %{{.*}}, %{{.*}} : f32
    %b = mlr.eby %s, %zero : f32
    // CHECK: mlr.stack %{{.*}} : f32 -> tensor<5xf32>
    %ys = mlr.stack %b : f32 -> tensor<5xf32>
    // CHECK: mlr.final %{{.*}} : f32
    %fs = mlr.final %s : f32
    // CHECK: mlr.initial %{{.*}} : f32
    %is = mlr.initial %b : f32
    // CHECK: mlr.count : i32
    %cs = mlr.count : i32
    %stop = mlr.gt %s, %zero : f32
    // CHECK: mlr.until %{{.*}} : i1
    mlr.until %stop : i1
    mlr.yield %ys, %fs, %is, %cs : tensor<5xf32>, f32, f32, i32
  } : tensor<5xf32>, f32, f32, i32
  // CHECK: mlr.scan %{{.*}} < 3 upto %n resume sweep down {
  mlr.scan %k < 3 upto %n resume sweep down {
    mlr.yield
  }
  mlr.yield %r#0, %r#1, %r#2, %r#3 : tensor<5xf32>, f32, f32, i32
}

// CHECK-LABEL: mlr.node @tensors
mlr.node @tensors(%x: tensor<4x6xf32>, %n: i32) -> (y: tensor<4xf32>, z: tensor<30xf32>) {
  %ni = mlr.convert %n : i32 to index
  // CHECK: mlr.gen (%{{.*}}) {
  %y = mlr.gen (%i) {
    // CHECK: mlr.reduce sum (%{{.*}} < 6) {
    %s = mlr.reduce sum (%k < 6) {
      // CHECK: mlr.read %x[#{{.*}}] (%{{.*}}, %{{.*}}) : tensor<4x6xf32> -> f32
      %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<4x6xf32> -> f32
      mlr.yield %e, %e : f32, f32
    } : f32
    // CHECK: clamp [true, false]
    %f = mlr.read %x[affine_map<(d0, d1) -> (d0, 5 - d1)>](%ni, %i) clamp [true, false] : tensor<4x6xf32> -> f32
    %g = mlr.add %s, %f : f32
    mlr.yield %g : f32
  // CHECK: } : tensor<4xf32>
  } : tensor<4xf32>
  // CHECK: mlr.reduce sum tree (%{{.*}} < 4, %{{.*}} < 6) {
  %all = mlr.reduce sum tree (%i < 4, %j < 6) {
    %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<4x6xf32> -> f32
    mlr.yield %e : f32
  } : f32
  // CHECK: mlr.reduce argmax (%{{.*}} < 4) {
  %p = mlr.reduce argmax (%i < 4) {
    %e = mlr.read %y[affine_map<(d0) -> (d0)>](%i) : tensor<4xf32> -> f32
    mlr.yield %e : f32
  } : i32
  // CHECK: mlr.const dense<[0, 1, 2]> : tensor<3xi8>
  %c = mlr.const dense<[0, 1, 2]> : tensor<3xi8>
  // CHECK: mlr.reshape %x : tensor<4x6xf32> -> tensor<24xf32>
  %r = mlr.reshape %x : tensor<4x6xf32> -> tensor<24xf32>
  %w = mlr.const dense<0.0> : tensor<6xf32>
  // CHECK: mlr.concat %{{.*}}, %{{.*}} : tensor<24xf32>, tensor<6xf32> -> tensor<30xf32>
  %z = mlr.concat %r, %w : tensor<24xf32>, tensor<6xf32> -> tensor<30xf32>
  // CHECK: mlr.concat %x, %x {axis = 1 : i64} : tensor<4x6xf32>, tensor<4x6xf32> -> tensor<4x12xf32>
  %v = mlr.concat %x, %x {axis = 1 : i64} : tensor<4x6xf32>, tensor<4x6xf32> -> tensor<4x12xf32>
  mlr.yield %y, %z : tensor<4xf32>, tensor<30xf32>
}

// CHECK-LABEL: mlr.node @places
mlr.node @places(%x: tensor<4x3x6xf32>, %u: tensor<5x3xf32>, %v: f32, %i: tensor<5xi32>, %k: i32) -> (y: tensor<4x3x6xf32>) {
  // CHECK: %[[Y:.*]] = mlr.scatter %x add %u at(%i, %i) along [0, 2] : tensor<4x3x6xf32>, tensor<5x3xf32>, (tensor<5xi32>, tensor<5xi32>)
  %y = mlr.scatter %x add %u at (%i, %i) along [0, 2] : tensor<4x3x6xf32>, tensor<5x3xf32>, (tensor<5xi32>, tensor<5xi32>)
  // CHECK: mlr.scatter %[[Y]] add %v at(%k, %k, %k) along [0, 1, 2] : tensor<4x3x6xf32>, f32, (i32, i32, i32)
  %z = mlr.scatter %y add %v at (%k, %k, %k) along [0, 1, 2] : tensor<4x3x6xf32>, f32, (i32, i32, i32)
  mlr.yield %z : tensor<4x3x6xf32>
}

// Flags of clocks and segments.
// CHECK-LABEL: mlr.node @flags
mlr.node @flags(%x: f32, %c: i1, %r: i1, %v: tensor<4xf32>) -> (y: f32, y_present: i1, z: tensor<4xf32>) attributes {presence = array<i64: -1, 0, -1>} {
  %zero = mlr.const 0.0 : f32
  // CHECK: mlr.fby %{{.*}}, %x when %c : i1 reset %r : i1 : f32
  %f = mlr.fby %zero, %x when %c : i1 reset %r : i1 : f32
  // CHECK: mlr.first when %c : i1 : i1
  %first = mlr.first when %c : i1 : i1
  // CHECK: mlr.window %x, %{{.*}} reset %r : i1 : f32 -> tensor<3xf32>
  %w = mlr.window %x, %zero reset %r : i1 : f32 -> tensor<3xf32>
  %p = mlr.pre %f when %c : i1 {name = "p"} : f32
  // CHECK: mlr.scan %t < 4 resume when %c : i1 reset %r : i1 {
  %s = mlr.scan %t < 4 resume when %c : i1 reset %r : i1 {
    %a = mlr.fby %zero, %b : f32
    %b = mlr.add %a, %x : f32
    %e = mlr.eby %b, %zero when %c : i1 : f32
    %k = mlr.stack %e : f32 -> tensor<4xf32>
    mlr.yield %k : tensor<4xf32>
  } : tensor<4xf32>
  // CHECK: mlr.gen (%i) when %c {
  %g = mlr.gen (%i) when %c {
    %q = mlr.read %s[affine_map<(d0) -> (d0)>](%i) : tensor<4xf32> -> f32
    mlr.yield %q : f32
  } : tensor<4xf32>
  // CHECK: mlr.reduce sum (%{{.*}} < 4) when
  %sum = mlr.reduce sum (%k < 4) when %first {
    %q = mlr.read %s[affine_map<(d0) -> (d0)>](%k) : tensor<4xf32> -> f32
    mlr.yield %q : f32
  } : f32
  %o = mlr.add %sum, %p : f32
  mlr.yield %o, %c, %g : f32, i1, tensor<4xf32>
}
