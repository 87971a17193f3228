// RUN: mlr-opt %s --split-input-file --verify-diagnostics --mlr-verify-normalized

mlr.node @call(%x: f32) -> (y: f32) {
  // expected-error @+1 {{is not part of the normal form}}
  %0 = mlr.call @call(%x) : (f32) -> f32
  mlr.yield %0 : f32
}

// -----

mlr.node @start(%x: f32) -> (y: f32) {
  // expected-error @+1 {{starts from a value that is computed in its own time}}
  %0 = mlr.fby %x, %x : f32
  mlr.yield %0 : f32
}

// -----

mlr.node @noEnd(%x: f32) -> (y: f32) {
  // expected-error @+1 {{stands outside of any scan}}
  %0 = mlr.eby %x, %x : f32
  mlr.yield %0 : f32
}

// -----

mlr.node @first() -> () {
  mlr.scan %t < 3 {
    // expected-error @+1 {{stands in a scan that starts afresh}}
    %0 = mlr.first : i1
    mlr.yield
  }
  mlr.yield
}

// -----

mlr.node @cycle(%x: f32) -> (y: f32) {
  // expected-error @+1 {{needs its own result at the same instant}}
  %0 = mlr.add %x, %1 : f32
  %1 = mlr.mul %0, %x : f32
  mlr.yield %1 : f32
}

// -----

mlr.node @cycleThroughScan(%x: f32) -> (y: f32) {
  %r = mlr.scan %t < 3 {
    // expected-error @+1 {{needs its own result at the same instant}}
    %0 = mlr.add %r, %x : f32
    %f = mlr.final %0 : f32
    mlr.yield %f : f32
  } : f32
  mlr.yield %r : f32
}
