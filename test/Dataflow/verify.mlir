// What the verifiers of the operations refuse.
// RUN: mlr-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{ends in an mlr.yield of its results}}
mlr.node @yieldCount(%x: f32) -> (y: f32) {
  mlr.yield
}

// -----

mlr.node @escapes(%x: f32) -> (y: f32) {
  // expected-error @+1 {{yields a value that is not a constant of the scan}}
  %r = mlr.scan %t < 3 {
    %a = mlr.add %x, %x : f32
    mlr.yield %a : f32
  } : f32
  mlr.yield %r : f32
}

// -----

mlr.node @twoEnds(%c: i1) -> () {
  // expected-error @+1 {{has more than one mlr.until}}
  mlr.scan %t < 3 {
    mlr.until %c : i1
    mlr.until %c : i1
    mlr.yield
  }
  mlr.yield
}

// -----

mlr.node @stackShape(%x: f32) -> () {
  mlr.scan %t < 3 {
    // expected-error @+1 {{result is the value with the scan's length as leading axis}}
    %s = mlr.stack %x : f32 -> tensor<4xf32>
    mlr.yield
  }
  mlr.yield
}

// -----

mlr.node @genRank(%x: f32) -> (y: tensor<2x2xf32>) {
  // expected-error @+1 {{has one index argument an axis of its result}}
  %g = mlr.gen (%i) {
    mlr.yield %x : f32
  } : tensor<2x2xf32>
  mlr.yield %g : tensor<2x2xf32>
}

// -----

mlr.node @twoFactors(%x: f32) -> (y: f32) {
  // expected-error @+1 {{only a sum has two factors}}
  %r = mlr.reduce max (%i < 3) {
    mlr.yield %x, %x : f32, f32
  } : f32
  mlr.yield %r : f32
}

// -----

mlr.node @position(%x: f32) -> (y: f32) {
  // expected-error @+1 {{gives an i32 position}}
  %r = mlr.reduce argmin (%i < 3) {
    mlr.yield %x : f32
  } : f32
  mlr.yield %r : f32
}

// -----

mlr.node @readRank(%x: tensor<3xf32>) -> (y: f32) {
  // expected-error @+1 {{has one index an axis}}
  %r = mlr.read %x[affine_map<() -> (0, 0)>]() : tensor<3xf32> -> f32
  mlr.yield %r : f32
}

// -----

mlr.node @reshapeCount(%x: tensor<3xf32>) -> (y: tensor<4xf32>) {
  // expected-error @+1 {{keeps element type and number of elements}}
  %r = mlr.reshape %x : tensor<3xf32> -> tensor<4xf32>
  mlr.yield %r : tensor<4xf32>
}

// -----

mlr.node @concatSize(%x: tensor<3xf32>) -> (y: tensor<5xf32>) {
  // expected-error @+1 {{size of the axis is the sum of the operands'}}
  %r = mlr.concat %x, %x : tensor<3xf32>, tensor<3xf32> -> tensor<5xf32>
  mlr.yield %r : tensor<5xf32>
}

// -----

mlr.node @concatShape(%x: tensor<3x2xf32>, %u: tensor<2x2xf32>) -> (y: tensor<3x4xf32>) {
  // expected-error @+1 {{operands agree with the result but for the axis}}
  %r = mlr.concat %x, %u {axis = 1 : i64} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x4xf32>
  mlr.yield %r : tensor<3x4xf32>
}

// -----

mlr.node @concatAxis(%x: tensor<3xf32>) -> (y: tensor<3xf32>) {
  // expected-error @+1 {{has no axis 1}}
  %r = mlr.concat %x {axis = 1 : i64} : tensor<3xf32> -> tensor<3xf32>
  mlr.yield %r : tensor<3xf32>
}

// -----

mlr.node @stackOutside(%x: f32) -> (y: tensor<4xf32>) {
  // expected-error @+1 {{expects parent op 'mlr.scan'}}
  %s = mlr.stack %x : f32 -> tensor<4xf32>
  mlr.yield %s : tensor<4xf32>
}
