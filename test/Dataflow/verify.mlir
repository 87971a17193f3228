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

mlr.node @scatterAxes(%x: tensor<3x4xf32>, %u: f32, %i: i32) -> (y: tensor<3x4xf32>) {
  // expected-error @+1 {{scatters along ascending axes of its result}}
  %r = mlr.scatter %x add %u at(%i, %i) along [1, 0] : tensor<3x4xf32>, f32, (i32, i32)
  mlr.yield %r : tensor<3x4xf32>
}

// -----

mlr.node @scatterPlaces(%x: tensor<3x4xf32>, %u: f32, %i: i64) -> (y: tensor<3x4xf32>) {
  // expected-error @+1 {{has i32 places of one shape}}
  %r = mlr.scatter %x add %u at(%i, %i) along [0, 1] : tensor<3x4xf32>, f32, (i64, i64)
  mlr.yield %r : tensor<3x4xf32>
}

// -----

mlr.node @scatterCount(%x: tensor<3x4xf32>, %u: f32, %i: i32) -> (y: tensor<3x4xf32>) {
  // expected-error @+1 {{has one place an axis that it scatters along}}
  %r = mlr.scatter %x add %u at(%i) along [0, 1] : tensor<3x4xf32>, f32, (i32)
  mlr.yield %r : tensor<3x4xf32>
}

// -----

mlr.node @scatterUpdates(%x: tensor<3x4xf32>, %u: tensor<4x5xf32>, %i: tensor<5xi32>) -> (y: tensor<3x4xf32>) {
  // expected-error @+1 {{has updates with the axes of its places, then those that it does not scatter along}}
  %r = mlr.scatter %x add %u at(%i) along [0] : tensor<3x4xf32>, tensor<4x5xf32>, (tensor<5xi32>)
  mlr.yield %r : tensor<3x4xf32>
}

// -----

mlr.node @stackOutside(%x: f32) -> (y: tensor<4xf32>) {
  // expected-error @+1 {{expects parent op 'mlr.scan'}}
  %s = mlr.stack %x : f32 -> tensor<4xf32>
  mlr.yield %s : tensor<4xf32>
}
