// Time: state, scans up and down, until, upto, resume, nesting, stacks and ends.
#include "Runner.h"

namespace mlr::loops::test {
namespace {

TEST(Node, KeepsScalarStateFromStepToStepAndResets) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%x: f32) -> (y: f32, z: i32) attributes {scheduled} {
      %init = mlr.const 2.0 : f32
      %n0 = mlr.const 10 : i32
      %one = mlr.const 1 : i32
      %p = mlr.fby %init, %s {name = "s"} : f32
      %c = mlr.fby %n0, %d : i32
      %s = mlr.add %p, %x : f32
      %d = mlr.add %c, %one : i32
      mlr.yield %s, %c : f32, i32
    })", o);
    ASSERT_TRUE(r);
    for (int round = 0; round < 2; ++round) {
      float sum = 2;
      for (int t = 0; t < 5; ++t) {
        r.in<float>("x", {0.1f * static_cast<float>(t)});
        r.step();
        sum += 0.1f * static_cast<float>(t);
        expectSame(r.out<float>("y"), {sum});
        expectSame(r.out<int32_t>("z"), {10 + t});
      }
      r.reset();
    }
  });
}

TEST(Node, ExchangesAndShiftsTensorSlots) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%x: tensor<3xf32>) -> (a: tensor<3xf32>, b: tensor<3xf32>, d: tensor<3xf32>) attributes {scheduled} {
      %i = mlr.const dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
      %j = mlr.const dense<7.0> : tensor<3xf32>
      %a = mlr.fby %i, %b : tensor<3xf32>
      %b = mlr.fby %j, %a : tensor<3xf32>
      %d1 = mlr.fby %j, %x : tensor<3xf32>
      %d2 = mlr.fby %i, %d1 : tensor<3xf32>
      mlr.yield %a, %b, %d2 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
    })", o);
    ASSERT_TRUE(r);
    std::vector<float> i{1, 2, 3}, j{7, 7, 7};
    for (float t = 0; t < 5; ++t) {
      r.in<float>("x", {t, t + 10, t + 20});
      r.step();
      bool even = std::fmod(t, 2.0f) == 0;
      expectSame(r.out<float>("a"), even ? i : j);
      expectSame(r.out<float>("b"), even ? j : i);
      std::vector<float> d = t == 0 ? i : t == 1 ? j : std::vector<float>{t - 2, t + 8, t + 18};
      expectSame(r.out<float>("d"), d);
    }
  });
}

TEST(Node, WindowsOfScalarsAndTensorsAreOldestFirst) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%x: f32, %v: tensor<2xi16>) -> (w: tensor<4xf32>, u: tensor<3x2xi16>, f: i1) attributes {scheduled} {
      %z = mlr.const -1.0 : f32
      %zz = mlr.const dense<[5, 6]> : tensor<2xi16>
      %w = mlr.window %x, %z : f32 -> tensor<4xf32>
      %u = mlr.window %v, %zz : tensor<2xi16> -> tensor<3x2xi16>
      %f = mlr.first : i1
      mlr.yield %w, %u, %f : tensor<4xf32>, tensor<3x2xi16>, i1
    })", o);
    ASSERT_TRUE(r);
    std::vector<float> w(4, -1);
    std::vector<int16_t> u{5, 6, 5, 6, 5, 6};
    for (int16_t t = 0; t < 6; ++t) {
      r.in<float>("x", {static_cast<float>(t)});
      r.in<int16_t>("v", {t, static_cast<int16_t>(-t)});
      r.step();
      w.erase(w.begin());
      w.push_back(t);
      u.erase(u.begin(), u.begin() + 2);
      u.insert(u.end(), {t, static_cast<int16_t>(-t)});
      expectSame(r.out<float>("w"), w);
      expectSame(r.out<int16_t>("u"), u);
      EXPECT_EQ(r.out<uint8_t>("f")[0], t == 0);
    }
  });
}

TEST(Scan, UpAndDownWithRegistersStacksAndEnds) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%xs: tensor<5xf32>, %g: f32) -> (ys: tensor<5xf32>, zs: tensor<5xf32>, last: f32, first: f32, n: i32) attributes {scheduled} {
      %zero = mlr.const 0.0 : f32
      %ys, %last, %n = mlr.scan %t < 5 sweep up {
        %i = mlr.convert %t : i32 to index
        %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<5xf32> -> f32
        %p = mlr.fby %zero, %y : f32
        %q = mlr.mul %p, %g : f32
        %y = mlr.add %q, %x : f32
        %s = mlr.stack %y : f32 -> tensor<5xf32>
        %l = mlr.final %y : f32
        %c = mlr.count : i32
        mlr.yield %s, %l, %c : tensor<5xf32>, f32, i32
      } : tensor<5xf32>, f32, i32
      %zs, %first = mlr.scan %t < 5 sweep down {
        %i = mlr.convert %t : i32 to index
        %y = mlr.read %ys[affine_map<(d0) -> (d0)>](%i) : tensor<5xf32> -> f32
        %p = mlr.eby %z, %last : f32
        %z = mlr.sub %y, %p : f32
        %s = mlr.stack %z : f32 -> tensor<5xf32>
        %l = mlr.initial %z : f32
        mlr.yield %s, %l : tensor<5xf32>, f32
      } : tensor<5xf32>, f32
      mlr.yield %ys, %zs, %last, %first, %n : tensor<5xf32>, tensor<5xf32>, f32, f32, i32
    })", o);
    ASSERT_TRUE(r);
    std::vector<float> x{1, -2, 3.5f, 0.25f, 9}, y(5), z(5);
    float g = 0.7f, p = 0;
    for (size_t t = 0; t < 5; ++t) {
      float q = p * g;
      y[t] = p = q + x[t];
    }
    float e = y[4];
    for (size_t t = 5; t-- > 0;) z[t] = e = y[t] - e;
    r.in("xs", x);
    r.in<float>("g", {g});
    r.step();
    expectSame(r.out<float>("ys"), y);
    expectSame(r.out<float>("zs"), z);
    expectSame(r.out<float>("last"), {y[4]});
    expectSame(r.out<float>("first"), {z[0]});
    expectSame(r.out<int32_t>("n"), {5});
  });
}

TEST(Scan, FinalOfADownSweepAndInitialOfAnUpSweep) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%xs: tensor<4x2xf32>) -> (a: f32, b: f32, c: tensor<2xf32>, d: tensor<2xf32>) attributes {scheduled} {
      %a, %c = mlr.scan %t < 4 sweep down {
        %k = mlr.convert %t : i32 to index
        %x = mlr.read %xs[affine_map<(d0) -> (d0, 1)>](%k) : tensor<4x2xf32> -> f32
        %row = mlr.gen (%i) {
          %e = mlr.read %xs[affine_map<(d0, d1) -> (d0, d1)>](%k, %i) : tensor<4x2xf32> -> f32
          %n = mlr.neg %e : f32
          mlr.yield %n : f32
        } : tensor<2xf32>
        %f = mlr.final %x : f32
        %g = mlr.final %row : tensor<2xf32>
        mlr.yield %f, %g : f32, tensor<2xf32>
      } : f32, tensor<2xf32>
      %b, %d = mlr.scan %t < 4 sweep up {
        %k = mlr.convert %t : i32 to index
        %x = mlr.read %xs[affine_map<(d0) -> (d0, 1)>](%k) : tensor<4x2xf32> -> f32
        %row = mlr.gen (%i) {
          %e = mlr.read %xs[affine_map<(d0, d1) -> (d0, d1)>](%k, %i) : tensor<4x2xf32> -> f32
          %n = mlr.neg %e : f32
          mlr.yield %n : f32
        } : tensor<2xf32>
        %f = mlr.initial %x : f32
        %g = mlr.initial %row : tensor<2xf32>
        mlr.yield %f, %g : f32, tensor<2xf32>
      } : f32, tensor<2xf32>
      mlr.yield %a, %b, %c, %d : f32, f32, tensor<2xf32>, tensor<2xf32>
    })", o);
    ASSERT_TRUE(r);
    r.in<float>("xs", {1, 2, 3, 4, 5, 6, 7, 8});
    r.step();
    expectSame(r.out<float>("a"), {8});
    expectSame(r.out<float>("b"), {2});
    expectSame(r.out<float>("c"), {-7, -8});
    expectSame(r.out<float>("d"), {-1, -2});
  });
}

TEST(Scan, UntilStopsAfterTheInstantAndPadsWithZeros) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%xs: tensor<6xf32>, %limit: f32) -> (ys: tensor<6xf32>, n: i32, last: f32, back: tensor<6xf32>) attributes {scheduled} {
      %zero = mlr.const 0.0 : f32
      %ys, %n, %last = mlr.scan %t < 6 sweep up {
        %i = mlr.convert %t : i32 to index
        %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<6xf32> -> f32
        %p = mlr.fby %zero, %y : f32
        %y = mlr.add %p, %x : f32
        %stop = mlr.gt %y, %limit : f32
        mlr.until %stop : i1
        %s = mlr.stack %y : f32 -> tensor<6xf32>
        %l = mlr.final %y : f32
        %c = mlr.count : i32
        mlr.yield %s, %c, %l : tensor<6xf32>, i32, f32
      } : tensor<6xf32>, i32, f32
      %back = mlr.scan %t < 6 upto %n sweep down {
        %i = mlr.convert %t : i32 to index
        %y = mlr.read %ys[affine_map<(d0) -> (d0)>](%i) : tensor<6xf32> -> f32
        %p = mlr.eby %z, %zero : f32
        %z = mlr.add %y, %p : f32
        %s = mlr.stack %z : f32 -> tensor<6xf32>
        mlr.yield %s : tensor<6xf32>
      } : tensor<6xf32>
      mlr.yield %ys, %n, %last, %back : tensor<6xf32>, i32, f32, tensor<6xf32>
    })", o);
    ASSERT_TRUE(r);
    for (float limit : {-1.0f, 2.5f, 5.5f, 100.0f}) {
      r.in<float>("xs", {1, 1, 1, 1, 1, 1});
      r.in<float>("limit", {limit});
      r.step();
      std::vector<float> y(6, 0), back(6, 0);
      int n = 0;
      do y[static_cast<size_t>(n)] = static_cast<float>(n + 1);
      while (y[static_cast<size_t>(n++)] <= limit && n < 6);
      float e = 0;
      for (size_t t = static_cast<size_t>(n); t-- > 0;) back[t] = e = y[t] + e;
      expectSame(r.out<float>("ys"), y);
      expectSame(r.out<int32_t>("n"), {n});
      expectSame(r.out<float>("last"), {y[static_cast<size_t>(n - 1)]});
      expectSame(r.out<float>("back"), back);
    }
  });
}

TEST(Scan, ResumeKeepsScalarsTensorsAndFirstAcrossBlocks) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%xs: tensor<3xf32>) -> (ys: tensor<3xf32>, h: tensor<2xf32>, fs: tensor<3xi1>) attributes {scheduled} {
      %init = mlr.const 100.0 : f32
      %hi = mlr.const dense<[1.0, 2.0]> : tensor<2xf32>
      %ys, %h, %fs = mlr.scan %t < 3 resume sweep up {
        %i = mlr.convert %t : i32 to index
        %x = mlr.read %xs[affine_map<(d0) -> (d0)>](%i) : tensor<3xf32> -> f32
        %f = mlr.first : i1
        %p = mlr.fby %init, %y : f32
        %y = mlr.add %p, %x : f32
        %hp = mlr.fby %hi, %hn : tensor<2xf32>
        %hn = mlr.gen (%k) {
          %e = mlr.read %hp[affine_map<(d0) -> (d0)>](%k) : tensor<2xf32> -> f32
          %s = mlr.add %e, %x : f32
          mlr.yield %s : f32
        } : tensor<2xf32>
        %s = mlr.stack %y : f32 -> tensor<3xf32>
        %g = mlr.stack %f : i1 -> tensor<3xi1>
        %l = mlr.final %hn : tensor<2xf32>
        mlr.yield %s, %l, %g : tensor<3xf32>, tensor<2xf32>, tensor<3xi1>
      } : tensor<3xf32>, tensor<2xf32>, tensor<3xi1>
      mlr.yield %ys, %h, %fs : tensor<3xf32>, tensor<2xf32>, tensor<3xi1>
    })", o);
    ASSERT_TRUE(r);
    float y = 100, h0 = 1, h1 = 2;
    for (int block = 0; block < 3; ++block) {
      std::vector<float> want;
      for (float x : {0.5f, 1.5f, 2.5f}) {
        want.push_back(y += x);
        h0 += x;
        h1 += x;
      }
      r.in<float>("xs", {0.5f, 1.5f, 2.5f});
      r.step();
      expectSame(r.out<float>("ys"), want);
      expectSame(r.out<float>("h"), {h0, h1});
      expectSame(r.out<uint8_t>("fs"), {static_cast<uint8_t>(block == 0), 0, 0});
    }
  });
}

TEST(Scan, NestedScansSeeOuterInstants) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%x: tensor<3x4xf32>) -> (y: tensor<3x4xf32>, z: tensor<3xf32>) attributes {scheduled} {
      %zero = mlr.const 0.0 : f32
      %y, %z = mlr.scan %t < 3 sweep up {
        %i = mlr.convert %t : i32 to index
        %p = mlr.fby %zero, %total : f32
        %row, %total = mlr.scan %s < 4 sweep down {
          %j = mlr.convert %s : i32 to index
          %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<3x4xf32> -> f32
          %q = mlr.eby %v, %p : f32
          %v = mlr.add %q, %e : f32
          %st = mlr.stack %v : f32 -> tensor<4xf32>
          %in = mlr.initial %v : f32
          mlr.yield %st, %in : tensor<4xf32>, f32
        } : tensor<4xf32>, f32
        %ys = mlr.stack %row : tensor<4xf32> -> tensor<3x4xf32>
        %zs = mlr.stack %total : f32 -> tensor<3xf32>
        mlr.yield %ys, %zs : tensor<3x4xf32>, tensor<3xf32>
      } : tensor<3x4xf32>, tensor<3xf32>
      mlr.yield %y, %z : tensor<3x4xf32>, tensor<3xf32>
    })", o);
    ASSERT_TRUE(r);
    std::vector<float> x, y(12), z(3);
    for (int k = 0; k < 12; ++k) x.push_back(static_cast<float>(k * k) * 0.3f);
    float v = 0;
    for (size_t t = 0; t < 3; ++t) {
      for (size_t s = 4; s-- > 0;) y[4 * t + s] = v = v + x[4 * t + s];
      z[t] = v;
    }
    r.in("x", x);
    r.step();
    expectSame(r.out<float>("y"), y);
    expectSame(r.out<float>("z"), z);
  });
}

TEST(Scan, OfLengthZeroAndOne) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%x: f32) -> (a: tensor<0xf32>, n: i32, b: tensor<1xf32>, l: f32) attributes {scheduled} {
      %a, %n = mlr.scan %t < 0 sweep up {
        %s = mlr.stack %x : f32 -> tensor<0xf32>
        %c = mlr.count : i32
        mlr.yield %s, %c : tensor<0xf32>, i32
      } : tensor<0xf32>, i32
      %b, %l = mlr.scan %t < 1 sweep down {
        %p = mlr.eby %x, %x : f32
        %y = mlr.add %p, %x : f32
        %s = mlr.stack %y : f32 -> tensor<1xf32>
        %f = mlr.final %y : f32
        mlr.yield %s, %f : tensor<1xf32>, f32
      } : tensor<1xf32>, f32
      mlr.yield %a, %n, %b, %l : tensor<0xf32>, i32, tensor<1xf32>, f32
    })", o);
    ASSERT_TRUE(r);
    r.in<float>("x", {1.25f});
    r.step();
    expectSame(r.out<int32_t>("n"), {0});
    expectSame(r.out<float>("b"), {2.5f});
    expectSame(r.out<float>("l"), {2.5f});
  });
}

} // namespace
} // namespace mlr::loops::test
