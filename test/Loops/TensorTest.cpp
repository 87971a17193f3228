// gen, reduce, read, reshape and concat: orders of summation, clamps, sizes 0 and 1, strides of all kinds.
#include "Runner.h"

namespace mlr::loops::test {
namespace {

/// The defined order of whole-tensor sums.
template <class T, class F> T tree(size_t n, F element) {
  T p[16] = {};
  for (size_t i = 0; i < n; ++i) p[i % 16] = element(i, p[i % 16]);
  for (size_t half = 8; half > 0; half /= 2)
    for (size_t i = 0; i < half; ++i) p[i] = p[i] + p[i + half];
  return p[0];
}

TEST(Gen, MatrixVectorProductsOfAllShapes) {
  for (int64_t m : {1, 2, 3, 8, 10, 17, 31, 100}) {
    for (int64_t k : {0, 1, 7, 16, 21}) {
      for (bool constant : {false, true}) {
        SCOPED_TRACE(fmt::format("{} x {} {}", m, k, constant ? "constant" : "variable"));
        Random random(static_cast<uint64_t>(m * 100 + k));
        auto w = random.reals<float>(static_cast<size_t>(m * k)), x = random.reals<float>(static_cast<size_t>(k));
        std::string numbers;
        for (float v : w) numbers += fmt::format("{}{:.9e}", numbers.empty() ? "" : ", ", v);
        std::string text = fmt::format(R"(mlr.node @f({3}%x: tensor<{1}xf32>) -> (y: tensor<{0}xf32>) attributes {{scheduled}} {{
          {2}
          %y = mlr.gen (%i) {{
            %s = mlr.reduce sum (%k < {1}) {{
              %a = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<{0}x{1}xf32> -> f32
              %b = mlr.read %x[affine_map<(d0) -> (d0)>](%k) : tensor<{1}xf32> -> f32
              mlr.yield %a, %b : f32, f32
            }} : f32
            mlr.yield %s : f32
          }} : tensor<{0}xf32>
          mlr.yield %y : tensor<{0}xf32>
        }})", m, k, constant ? fmt::format("%flat = mlr.const dense<[{0}]> : tensor<{1}xf32>\n%w = mlr.reshape %flat : tensor<{1}xf32> -> tensor<{2}x{3}xf32>", numbers, m * k, m, k) : "",
                                       constant ? "" : fmt::format("%w: tensor<{}x{}xf32>, ", m, k));
        std::vector<float> want;
        for (int64_t i = 0; i < m; ++i) {
          float s = 0;
          for (int64_t j = 0; j < k; ++j) s = std::fma(w[static_cast<size_t>(i * k + j)], x[static_cast<size_t>(j)], s);
          want.push_back(s);
        }
        inBoth([&](Options o) {
          Runner r(text, o);
          ASSERT_TRUE(r);
          if (!constant) r.in("w", w);
          r.in("x", x);
          r.step();
          expectSame(r.out<float>("y"), want);
        });
      }
    }
  }
}

TEST(Gen, MatrixProductsInAnyLayout) {
  const int sizes[][3] = {{3, 5, 4}, {17, 9, 21}, {8, 32, 16}, {33, 34, 8}};
  for (auto [m, n, k] : sizes)
    for (int layout = 0; layout < 4; ++layout) {
      SCOPED_TRACE(fmt::format("{} x {} x {}, layout {}", m, n, k, layout));
      bool ta = layout & 1, tb = layout & 2;
      Random random(3);
      auto a = random.reals<double>(static_cast<size_t>(m * k)), b = random.reals<double>(static_cast<size_t>(n * k));
      std::string ma = ta ? "(d0, d1) -> (d1, d0)" : "(d0, d1) -> (d0, d1)", mb = tb ? "(d0, d1) -> (d1, d0)" : "(d0, d1) -> (d0, d1)";
      std::string text = fmt::format(R"(mlr.node @f(%a: tensor<{0}xf64>, %b: tensor<{1}xf64>) -> (y: tensor<{2}x{3}xf64>) attributes {{scheduled}} {{
        %y = mlr.gen (%i, %j) {{
          %s = mlr.reduce sum (%k < {4}) {{
            %p = mlr.read %a[affine_map<{5}>](%i, %k) : tensor<{0}xf64> -> f64
            %q = mlr.read %b[affine_map<{6}>](%k, %j) : tensor<{1}xf64> -> f64
            mlr.yield %p, %q : f64, f64
          }} : f64
          mlr.yield %s : f64
        }} : tensor<{2}x{3}xf64>
        mlr.yield %y : tensor<{2}x{3}xf64>
      }})", ta ? fmt::format("{}x{}", k, m) : fmt::format("{}x{}", m, k), tb ? fmt::format("{}x{}", n, k) : fmt::format("{}x{}", k, n), m, n, k, ma, mb);
      std::vector<double> want;
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) {
          double s = 0;
          for (int l = 0; l < k; ++l)
            s = std::fma(a[static_cast<size_t>(ta ? l * m + i : i * k + l)], b[static_cast<size_t>(tb ? j * k + l : l * n + j)], s);
          want.push_back(s);
        }
      inBoth([&](Options o) {
        Runner r(text, o);
        ASSERT_TRUE(r);
        r.in("a", a);
        r.in("b", b);
        r.step();
        expectSame(r.out<double>("y"), want);
        o.unfused = true;
        Runner u(text, o);
        ASSERT_TRUE(u);
        u.in("a", a);
        u.in("b", b);
        u.step();
        double s = 0;
        for (int l = 0; l < k; ++l) {
          double product = a[static_cast<size_t>(ta ? l * m : l)] * b[static_cast<size_t>(tb ? l : l * n)];
          s = s + product;
        }
        EXPECT_EQ(u.out<double>("y")[0], s);
      });
    }
}

TEST(Gen, ConvolutionWithPaddingStrideAndSeveralChannels) {
  // y[o, i] = sum over c < 3, k < 5 of W[o, c, k] * (0 outside) x[c, 2 i + k - 2]
  Random random(5);
  auto w = random.reals<float>(6 * 3 * 5), x = random.reals<float>(3 * 20);
  std::string numbers;
  for (float v : w) numbers += fmt::format("{}{:.9e}", numbers.empty() ? "" : ", ", v);
  std::string text = fmt::format(R"(mlr.node @f(%x: tensor<3x20xf32>) -> (y: tensor<6x10xf32>) attributes {{scheduled}} {{
    %flat = mlr.const dense<[{}]> : tensor<90xf32>
    %zero = mlr.const 0.0 : f32
    %low = mlr.const 0 : i32
    %high = mlr.const 20 : i32
    %two = mlr.const 2 : i32
    %y = mlr.gen (%o, %i) {{
      %s = mlr.reduce sum (%c < 3, %k < 5) {{
        %a = mlr.read %flat[affine_map<(d0, d1, d2) -> (d0 * 15 + d1 * 5 + d2)>](%o, %c, %k) : tensor<90xf32> -> f32
        %b = mlr.read %x[affine_map<(d0, d1, d2) -> (d1, d0 * 2 + d2 - 2)>](%i, %c, %k) clamp [false, true] : tensor<3x20xf32> -> f32
        %ii = mlr.convert %i : index to i32
        %kk = mlr.convert %k : index to i32
        %i2 = mlr.mul %ii, %two : i32
        %ik = mlr.add %i2, %kk : i32
        %at = mlr.sub %ik, %two : i32
        %ge = mlr.ge %at, %low : i32
        %lt = mlr.lt %at, %high : i32
        %in = mlr.and %ge, %lt : i1
        %v = mlr.select %in, %b, %zero : f32
        mlr.yield %a, %v : f32, f32
      }} : f32
      mlr.yield %s : f32
    }} : tensor<6x10xf32>
    mlr.yield %y : tensor<6x10xf32>
  }})", numbers);
  std::vector<float> want;
  for (int o = 0; o < 6; ++o)
    for (int i = 0; i < 10; ++i) {
      float s = 0;
      for (int c = 0; c < 3; ++c)
        for (int k = 0; k < 5; ++k) {
          int at = 2 * i + k - 2;
          s = std::fma(w[static_cast<size_t>(o * 15 + c * 5 + k)], at >= 0 && at < 20 ? x[static_cast<size_t>(c * 20 + at)] : 0.0f, s);
        }
      want.push_back(s);
    }
  inBoth([&](Options o) {
    Runner r(text, o);
    ASSERT_TRUE(r);
    r.in("x", x);
    r.step();
    expectSame(r.out<float>("y"), want);
  });
}

TEST(Gen, TransposedReadsOfAllWidths) {
  auto run = [](auto zero, const char *type) {
    using T = decltype(zero);
    for (auto [m, n] : {std::pair<size_t, size_t>{37, 21}, {4, 16}, {3, 40}, {33, 8}}) {
      SCOPED_TRACE(fmt::format("{} x {} {}", m, n, type));
      std::vector<T> x, z, want;
      for (size_t k = 0; k < m * n; ++k) {
        x.push_back(static_cast<T>(k * 7 % 101));
        z.push_back(static_cast<T>(k % 13));
      }
      for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < m; ++j) want.push_back(static_cast<T>(x[j * n + i] + z[i * m + j]));
      inBoth([&](Options o) {
        Runner r(fmt::format(R"(mlr.node @f(%x: tensor<{0}x{1}x{2}>, %z: tensor<{1}x{0}x{2}>) -> (y: tensor<{1}x{0}x{2}>) attributes {{scheduled}} {{
          %y = mlr.gen (%i, %j) {{
            %a = mlr.read %x[affine_map<(d0, d1) -> (d1, d0)>](%i, %j) : tensor<{0}x{1}x{2}> -> {2}
            %b = mlr.read %z[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<{1}x{0}x{2}> -> {2}
            %c = mlr.add %a, %b : {2}
            mlr.yield %c : {2}
          }} : tensor<{1}x{0}x{2}>
          mlr.yield %y : tensor<{1}x{0}x{2}>
        }})", m, n, type), o);
        ASSERT_TRUE(r);
        r.in("x", x);
        r.in("z", z);
        r.step();
        expectSame(r.template out<T>("y"), want);
      });
    }
  };
  run(int8_t(0), "i8");
  run(int16_t(0), "i16");
  run(0.0f, "f32");
  run(0.0, "f64");
}

TEST(Gen, TransposedBlocksOfFactorsOfDifferentSizesAndNestedReductions) {
  // Rows of f32 and of f64 have different blocks; those of the inner reduction are read within a block of the outer one.
  for (int n : {4, 19, 37}) {
    SCOPED_TRACE(n);
    Random random(5);
    auto size = static_cast<size_t>(n);
    auto a = random.reals<float>(37 * size), c = random.reals<float>(37 * 5);
    auto d = random.reals<double>(37 * size);
    std::vector<double> y;
    std::vector<float> z;
    for (size_t i = 0; i < 37; ++i) {
      double sum = 0;
      float outer = 0;
      for (size_t k = 0; k < size; ++k) {
        sum = std::fma(static_cast<double>(a[i * size + k]), d[i * size + k], sum);
        float inner = 0;
        for (size_t m = 0; m < 5; ++m) inner = std::fma(c[i * 5 + m], a[i * size + k], inner);
        outer = std::fma(a[i * size + k], inner, outer);
      }
      y.push_back(sum);
      z.push_back(outer);
    }
    inBoth([&](Options o) {
      Runner r(fmt::format(R"(mlr.node @f(%a: tensor<37x{0}xf32>, %d: tensor<37x{0}xf64>, %c: tensor<37x5xf32>) -> (y: tensor<37xf64>, z: tensor<37xf32>) attributes {{scheduled}} {{
        %y = mlr.gen (%i) {{
          %s = mlr.reduce sum (%k < {0}) {{
            %p = mlr.read %a[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<37x{0}xf32> -> f32
            %w = mlr.convert %p : f32 to f64
            %q = mlr.read %d[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<37x{0}xf64> -> f64
            mlr.yield %w, %q : f64, f64
          }} : f64
          mlr.yield %s : f64
        }} : tensor<37xf64>
        %z = mlr.gen (%i) {{
          %s = mlr.reduce sum (%k < {0}) {{
            %p = mlr.read %a[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<37x{0}xf32> -> f32
            %t = mlr.reduce sum (%m < 5) {{
              %q = mlr.read %c[affine_map<(d0, d1) -> (d0, d1)>](%i, %m) : tensor<37x5xf32> -> f32
              mlr.yield %q, %p : f32, f32
            }} : f32
            mlr.yield %p, %t : f32, f32
          }} : f32
          mlr.yield %s : f32
        }} : tensor<37xf32>
        mlr.yield %y, %z : tensor<37xf64>, tensor<37xf32>
      }})", n), o);
      ASSERT_TRUE(r);
      r.in("a", a);
      r.in("d", d);
      r.in("c", c);
      r.step();
      expectSame(r.out<double>("y"), y);
      expectSame(r.out<float>("z"), z);
    });
  }
}

TEST(Gen, ClampedReadsHaveAnInteriorAndBorders) {
  // A dilated stencil, once along the lanes and once against them, next to a read of a packed constant.
  for (int64_t n : {5, 17, 40, 100}) {
    SCOPED_TRACE(n);
    Random random(static_cast<uint64_t>(n));
    auto x = random.reals<float>(static_cast<size_t>(n)), c = random.reals<float>(static_cast<size_t>(2 * n));
    std::string numbers;
    for (float v : c) numbers += fmt::format("{}{:.9e}", numbers.empty() ? "" : ", ", v);
    std::vector<float> want;
    for (int64_t i = 0; i < n; ++i) {
      float s = 0;
      for (int64_t k = 0; k < 5; ++k) {
        auto at = [&](int64_t p) { return x[static_cast<size_t>(std::clamp<int64_t>(p, 0, n - 1))]; };
        float v = at(i + 3 * k - 6) + at(n - 2 - i - k);
        s = std::fma(v, c[static_cast<size_t>(2 * i)], s);
      }
      want.push_back(s);
    }
    inBoth([&](Options o) {
      Runner r(fmt::format(R"(mlr.node @f(%x: tensor<{0}xf32>) -> (y: tensor<{0}xf32>) attributes {{scheduled}} {{
        %c = mlr.const dense<[{1}]> : tensor<{2}xf32>
        %y = mlr.gen (%i) {{
          %s = mlr.reduce sum (%k < 5) {{
            %a = mlr.read %x[affine_map<(d0, d1) -> (d0 + 3 * d1 - 6)>](%i, %k) clamp [true] : tensor<{0}xf32> -> f32
            %b = mlr.read %x[affine_map<(d0, d1) -> ({3} - d0 - d1)>](%i, %k) clamp [true] : tensor<{0}xf32> -> f32
            %w = mlr.read %c[affine_map<(d0) -> (2 * d0)>](%i) : tensor<{2}xf32> -> f32
            %v = mlr.add %a, %b : f32
            mlr.yield %v, %w : f32, f32
          }} : f32
          mlr.yield %s : f32
        }} : tensor<{0}xf32>
        mlr.yield %y : tensor<{0}xf32>
      }})", n, numbers, 2 * n, n - 2), o);
      ASSERT_TRUE(r);
      r.in("x", x);
      r.step();
      expectSame(r.out<float>("y"), want);
    });
  }
}

TEST(Gen, ReversedStridedDividedAndDynamicReads) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%x: tensor<6x7xi32>, %p: tensor<21xi64>) -> (a: tensor<42xi32>, b: tensor<7x6xi32>, c: tensor<21xi32>, d: tensor<6x7xi32>) attributes {scheduled} {
      %a = mlr.gen (%i) {
        %e = mlr.read %x[affine_map<(d0) -> (d0 floordiv 7, 6 - d0 mod 7)>](%i) : tensor<6x7xi32> -> i32
        mlr.yield %e : i32
      } : tensor<42xi32>
      %b = mlr.gen (%i, %j) {
        %e = mlr.read %x[affine_map<(d0, d1) -> (d1, d0)>](%i, %j) : tensor<6x7xi32> -> i32
        mlr.yield %e : i32
      } : tensor<7x6xi32>
      %c = mlr.gen (%i) {
        %q = mlr.read %p[affine_map<(d0) -> (d0)>](%i) : tensor<21xi64> -> i64
        %k = mlr.convert %q : i64 to index
        %e = mlr.read %x[affine_map<(d0) -> (2, d0)>](%k) clamp [false, true] : tensor<6x7xi32> -> i32
        mlr.yield %e : i32
      } : tensor<21xi32>
      %d = mlr.gen (%i, %j) {
        %e = mlr.read %x[affine_map<(d0, d1) -> (5 - d0, 6 - d1)>](%i, %j) : tensor<6x7xi32> -> i32
        mlr.yield %e : i32
      } : tensor<6x7xi32>
      mlr.yield %a, %b, %c, %d : tensor<42xi32>, tensor<7x6xi32>, tensor<21xi32>, tensor<6x7xi32>
    })", o);
    ASSERT_TRUE(r);
    std::vector<int32_t> x, a, b, c, d;
    std::vector<int64_t> p;
    for (int k = 0; k < 42; ++k) x.push_back(k * k);
    for (int k = 0; k < 21; ++k) p.push_back(k == 20 ? int64_t(1) << 40 : k == 19 ? -(int64_t(1) << 40) : k - 5);
    for (int k = 0; k < 42; ++k) a.push_back(x[static_cast<size_t>(k / 7 * 7 + 6 - k % 7)]);
    for (int i = 0; i < 7; ++i)
      for (int j = 0; j < 6; ++j) b.push_back(x[static_cast<size_t>(j * 7 + i)]);
    for (int64_t q : p) c.push_back(x[static_cast<size_t>(14 + std::clamp<int64_t>(q, 0, 6))]);
    d.assign(x.rbegin(), x.rend());
    r.in("x", x);
    r.in("p", p);
    r.step();
    expectSame(r.out<int32_t>("a"), a);
    expectSame(r.out<int32_t>("b"), b);
    expectSame(r.out<int32_t>("c"), c);
    expectSame(r.out<int32_t>("d"), d);
  });
}

TEST(Gen, SizesZeroAndOneBoolsAndConcat) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%x: tensor<3xi1>, %y: tensor<1xi1>, %z: tensor<0xi1>) -> (a: tensor<4xi1>, e: tensor<0xi1>, s: tensor<1x1xi1>) attributes {scheduled} {
      %n = mlr.gen (%i) {
        %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<3xi1> -> i1
        %m = mlr.not %e : i1
        mlr.yield %m : i1
      } : tensor<3xi1>
      %c = mlr.concat %n, %z, %y : tensor<3xi1>, tensor<0xi1>, tensor<1xi1> -> tensor<4xi1>
      %g = mlr.gen (%i) {
        %e = mlr.read %z[affine_map<(d0) -> (d0)>](%i) : tensor<0xi1> -> i1
        mlr.yield %e : i1
      } : tensor<0xi1>
      %q = mlr.reshape %y : tensor<1xi1> -> tensor<1x1xi1>
      mlr.yield %c, %g, %q : tensor<4xi1>, tensor<0xi1>, tensor<1x1xi1>
    })", o);
    ASSERT_TRUE(r);
    r.in<uint8_t>("x", {1, 0, 1});
    r.in<uint8_t>("y", {1});
    r.step();
    expectSame(r.out<uint8_t>("a"), {0, 1, 0, 1});
    expectSame(r.out<uint8_t>("s"), {1});
  });
}

TEST(Gen, RowsOfNarrowIntegersAreTransposedInRegisters) {
  inBoth([](Options o) {
    Runner r(R"(mlr.node @f(%w: tensor<37x29xi16>, %x: tensor<29xi16>) -> (y: tensor<37xi16>, m: tensor<37xi16>) attributes {scheduled} {
      %y = mlr.gen (%i) {
        %s = mlr.reduce sum (%k < 29) {
          %a = mlr.read %w[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<37x29xi16> -> i16
          %b = mlr.read %x[affine_map<(d0) -> (d0)>](%k) : tensor<29xi16> -> i16
          mlr.yield %a, %b : i16, i16
        } : i16
        mlr.yield %s : i16
      } : tensor<37xi16>
      %m = mlr.gen (%i) {
        %s = mlr.reduce max (%k < 29) {
          %a = mlr.read %w[affine_map<(d0, d1) -> (d0, 28 - d1)>](%i, %k) : tensor<37x29xi16> -> i16
          mlr.yield %a : i16
        } : i16
        mlr.yield %s : i16
      } : tensor<37xi16>
      mlr.yield %y, %m : tensor<37xi16>, tensor<37xi16>
    })", o);
    ASSERT_TRUE(r);
    Random random(4);
    std::vector<int16_t> w, x, y, m;
    for (int k = 0; k < 37 * 29; ++k) w.push_back(static_cast<int16_t>(random.bits()));
    for (int k = 0; k < 29; ++k) x.push_back(static_cast<int16_t>(random.bits()));
    for (size_t i = 0; i < 37; ++i) {
      int sum = 0, most = w[i * 29];
      for (size_t k = 0; k < 29; ++k) {
        sum = static_cast<int16_t>(sum + w[i * 29 + k] * x[k]);
        most = std::max<int>(most, w[i * 29 + k]);
      }
      y.push_back(static_cast<int16_t>(sum));
      m.push_back(static_cast<int16_t>(most));
    }
    r.in("w", w);
    r.in("x", x);
    r.step();
    expectSame(r.out<int16_t>("y"), y);
    expectSame(r.out<int16_t>("m"), m);
  });
}

std::string reduceText(const std::string &kind, int64_t n, const std::string &type, const std::string &result) {
  return fmt::format(R"(mlr.node @f(%x: tensor<{1}x{2}>) -> (y: {3}) attributes {{scheduled}} {{
    %y = mlr.reduce {0} (%k < {1}) {{
      %e = mlr.read %x[affine_map<(d0) -> (d0)>](%k) : tensor<{1}x{2}> -> {2}
      mlr.yield %e : {2}
    }} : {3}
    mlr.yield %y : {3}
  }})", kind, n, type, result);
}

TEST(Reduce, ChainsAscendAndTreesHaveSixteenPartials) {
  for (size_t n : {0, 1, 5, 15, 16, 17, 40, 1000}) {
    SCOPED_TRACE(n);
    Random random(n);
    auto x = random.reals<float>(n);
    float sum = 0, product = 1;
    for (float v : x) {
      sum += v;
      product *= v;
    }
    float whole = tree<float>(n, [&](size_t i, float p) { return p + x[i]; });
    inBoth([&](Options o) {
      for (auto [kind, want] : {std::pair<const char *, float>{"sum", sum}, {"prod", product}, {"sum tree", whole}}) {
        SCOPED_TRACE(kind);
        Runner r(reduceText(kind, static_cast<int64_t>(n), "f32", "f32"), o);
        ASSERT_TRUE(r);
        r.in("x", x);
        r.step();
        expectSame(r.out<float>("y"), {want});
      }
    });
  }
}

TEST(Reduce, TreeOverSeveralAxesAndFusedFactors) {
  // Axes that cannot be joined: the second factor is read transposed.
  for (auto [m, n] : {std::pair<int, int>{3, 5}, {4, 16}, {7, 32}, {1, 1}, {2, 9}}) {
    SCOPED_TRACE(fmt::format("{} x {}", m, n));
    Random random(11);
    auto a = random.reals<float>(static_cast<size_t>(m * n)), b = random.reals<float>(static_cast<size_t>(m * n));
    float want = tree<float>(static_cast<size_t>(m * n), [&](size_t i, float p) {
      return std::fma(a[i], b[i % static_cast<size_t>(n) * static_cast<size_t>(m) + i / static_cast<size_t>(n)], p);
    });
    inBoth([&](Options o) {
      Runner r(fmt::format(R"(mlr.node @f(%a: tensor<{0}x{1}xf32>, %b: tensor<{1}x{0}xf32>) -> (y: f32) attributes {{scheduled}} {{
        %y = mlr.reduce sum tree (%i < {0}, %j < {1}) {{
          %p = mlr.read %a[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<{0}x{1}xf32> -> f32
          %q = mlr.read %b[affine_map<(d0, d1) -> (d1, d0)>](%i, %j) : tensor<{1}x{0}xf32> -> f32
          mlr.yield %p, %q : f32, f32
        }} : f32
        mlr.yield %y : f32
      }})", m, n), o);
      ASSERT_TRUE(r);
      r.in("a", a);
      r.in("b", b);
      r.step();
      expectSame(r.out<float>("y"), {want});
    });
  }
}

/// All four extremes of a vector, by their definition.
void checkExtremes(const std::vector<float> &x) {
  float most = x[0], least = x[0];
  int32_t argmax = 0, argmin = 0;
  for (size_t k = 1; k < x.size(); ++k) {
    float v = x[k], best = x[static_cast<size_t>(argmax)], worst = x[static_cast<size_t>(argmin)];
    most = most > v || most != most ? most : v;
    least = least < v || least != least ? least : v;
    if (v > best || (v != v && best == best)) argmax = static_cast<int32_t>(k);
    if (v < worst || (v != v && worst == worst)) argmin = static_cast<int32_t>(k);
  }
  inBoth([&](Options o) {
    auto run = [&](const char *kind, auto want, const char *type) {
      SCOPED_TRACE(kind);
      Runner r(reduceText(kind, static_cast<int64_t>(x.size()), "f32", type), o);
      ASSERT_TRUE(r);
      r.in("x", x);
      r.step();
      expectSame(r.out<decltype(want)>("y"), {want});
    };
    run("max", most, "f32");
    run("min", least, "f32");
    run("argmax", argmax, "i32");
    run("argmin", argmin, "i32");
  });
}

TEST(Reduce, ExtremesAndPositions) {
  const float nan = NAN, inf = INFINITY;
  checkExtremes({1, 3, 3, 2});
  checkExtremes({-inf, -inf, -inf});
  checkExtremes({1, nan, 9, nan});
  checkExtremes({0.0f, -0.0f, 0.0f, -0.0f});
  checkExtremes({inf, 5, inf, 1});
}

TEST(Reduce, LongExtremesKeepTheFirstOfEqualsAndTheLastZerosSign) {
  // Long enough for lanes; mostly ties.
  for (uint64_t seed : {1, 2, 3, 4, 5}) {
    Random random(seed);
    const float values[] = {0.0f, -0.0f, 0.0f, -0.0f, -1, seed % 2 ? -2.0f : 2.0f, seed == 5 ? NAN : -3.0f, -INFINITY};
    std::vector<float> x;
    for (int k = 0; k < 67; ++k) x.push_back(values[random.bits() % std::size(values)]);
    checkExtremes(x);
  }
  checkExtremes(std::vector<float>(70, -INFINITY));
  checkExtremes(std::vector<float>(70, NAN));
}

TEST(Reduce, LanesOfIntegersLogicAndHeavyBodies) {
  Random random(9);
  std::vector<int32_t> x;
  std::vector<float> z = random.reals<float>(5 * 43);
  for (int k = 0; k < 5 * 43; ++k) x.push_back(static_cast<int32_t>(random.bits()));
  inBoth([&](Options o) {
    Runner r(R"(mlr.node @f(%x: tensor<5x43xi32>, %w: tensor<43x5xi32>, %z: tensor<215xf32>) -> (s: i32, p: i32, m: i32, a: i1, q: i32, g: f32) attributes {scheduled} {
      %none = mlr.const -2147483647 : i32
      %c = mlr.const 0.75 : f32
      %s = mlr.reduce sum (%i < 5, %j < 43) {
        %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<5x43xi32> -> i32
        %f = mlr.read %w[affine_map<(d0, d1) -> (d1, d0)>](%i, %j) : tensor<43x5xi32> -> i32
        mlr.yield %e, %f : i32, i32
      } : i32
      %p = mlr.reduce prod (%i < 5, %j < 43) {
        %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<5x43xi32> -> i32
        mlr.yield %e : i32
      } : i32
      %m = mlr.reduce min (%i < 5, %j < 43) {
        %e = mlr.read %x[affine_map<(d0, d1) -> (4 - d0, 42 - d1)>](%i, %j) : tensor<5x43xi32> -> i32
        mlr.yield %e : i32
      } : i32
      %a = mlr.reduce all (%i < 5, %j < 43) {
        %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<5x43xi32> -> i32
        %b = mlr.gt %e, %none : i32
        mlr.yield %b : i1
      } : i1
      %q = mlr.reduce argmax (%i < 5, %j < 43) {
        %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<5x43xi32> -> i32
        mlr.yield %e : i32
      } : i32
      %g = mlr.reduce sum (%k < 215) {
        %e = mlr.read %z[affine_map<(d0) -> (d0)>](%k) : tensor<215xf32> -> f32
        %e1 = mlr.mul %e, %e : f32
        %e2 = mlr.fma %e1, %c, %e : f32
        %e3 = mlr.mul %e2, %e : f32
        %e4 = mlr.sub %e3, %c : f32
        %e5 = mlr.div %e4, %e1 : f32
        %e6 = mlr.fma %e5, %e, %c : f32
        %e7 = mlr.mul %e6, %e2 : f32
        %e8 = mlr.add %e7, %e : f32
        mlr.yield %e8, %e6 : f32, f32
      } : f32
      mlr.yield %s, %p, %m, %a, %q, %g : i32, i32, i32, i1, i32, f32
    })", o);
    ASSERT_TRUE(r);
    uint32_t sum = 0, product = 1;
    int32_t least = x[0], best = 0;
    float g = 0;
    for (int32_t i = 0; i < 215; ++i) {
      auto v = static_cast<uint32_t>(x[static_cast<size_t>(i)]);
      sum += v * (v ^ 5u);
      product *= v;
      least = std::min(least, x[static_cast<size_t>(i)]);
      if (x[static_cast<size_t>(i)] > x[static_cast<size_t>(best)]) best = i;
      float e = z[static_cast<size_t>(i)], e1 = e * e, e2 = std::fma(e1, 0.75f, e), e3 = e2 * e, e4 = e3 - 0.75f, e5 = e4 / e1;
      float e6 = std::fma(e5, e, 0.75f), e7 = e6 * e2, e8 = e7 + e;
      g = std::fma(e8, e6, g);
    }
    std::vector<int32_t> w(215);
    for (size_t i = 0; i < 5; ++i)
      for (size_t j = 0; j < 43; ++j) w[j * 5 + i] = static_cast<int32_t>(static_cast<uint32_t>(x[i * 43 + j]) ^ 5u);
    r.in("x", x);
    r.in("w", w);
    r.in("z", z);
    r.step();
    expectSame(r.out<uint32_t>("s"), {sum});
    expectSame(r.out<uint32_t>("p"), {product});
    expectSame(r.out<int32_t>("m"), {least});
    EXPECT_EQ(r.out<uint8_t>("a")[0], 1);
    expectSame(r.out<int32_t>("q"), {best});
    expectSame(r.out<float>("g"), {g});
  });
}

TEST(Reduce, PositionsAndLogicInsideAGen) {
  // Over rows of a matrix: argmax over two axes (flat position), all, any, integer maximum.
  std::vector<int16_t> x;
  Random random(2);
  for (int k = 0; k < 20 * 3 * 4; ++k) x.push_back(static_cast<int16_t>(random.bits() % 9));
  inBoth([&](Options o) {
    Runner r(R"(mlr.node @f(%x: tensor<20x3x4xi16>) -> (p: tensor<20xi32>, m: tensor<20xi16>, q: tensor<20xi1>) attributes {scheduled} {
      %three = mlr.const 3 : i16
      %p = mlr.gen (%b) {
        %r = mlr.reduce argmax (%i < 3, %j < 4) {
          %e = mlr.read %x[affine_map<(d0, d1, d2) -> (d0, d1, d2)>](%b, %i, %j) : tensor<20x3x4xi16> -> i16
          mlr.yield %e : i16
        } : i32
        mlr.yield %r : i32
      } : tensor<20xi32>
      %m = mlr.gen (%b) {
        %r = mlr.reduce max (%i < 3, %j < 4) {
          %e = mlr.read %x[affine_map<(d0, d1, d2) -> (d0, d1, d2)>](%b, %i, %j) : tensor<20x3x4xi16> -> i16
          mlr.yield %e : i16
        } : i16
        %s = mlr.reduce sum (%i < 3, %j < 4) {
          %e = mlr.read %x[affine_map<(d0, d1, d2) -> (d0, d1, d2)>](%b, %i, %j) : tensor<20x3x4xi16> -> i16
          mlr.yield %e : i16
        } : i16
        %t = mlr.add %r, %s : i16
        mlr.yield %t : i16
      } : tensor<20xi16>
      %q = mlr.gen (%b) {
        %r = mlr.reduce all (%i < 3) {
          %a = mlr.reduce any (%j < 4) {
            %e = mlr.read %x[affine_map<(d0, d1, d2) -> (d0, d1, d2)>](%b, %i, %j) : tensor<20x3x4xi16> -> i16
            %c = mlr.lt %e, %three : i16
            mlr.yield %c : i1
          } : i1
          mlr.yield %a : i1
        } : i1
        mlr.yield %r : i1
      } : tensor<20xi1>
      mlr.yield %p, %m, %q : tensor<20xi32>, tensor<20xi16>, tensor<20xi1>
    })", o);
    ASSERT_TRUE(r);
    std::vector<int32_t> p;
    std::vector<int16_t> m;
    std::vector<uint8_t> q;
    for (size_t b = 0; b < 20; ++b) {
      int best = 0, sum = 0;
      bool all = true;
      for (int i = 0; i < 3; ++i) {
        bool any = false;
        for (int j = 0; j < 4; ++j) {
          int e = x[b * 12 + static_cast<size_t>(4 * i + j)];
          sum += e;
          any |= e < 3;
          if (e > x[b * 12 + static_cast<size_t>(best)]) best = 4 * i + j;
        }
        all &= any;
      }
      p.push_back(best);
      m.push_back(static_cast<int16_t>(x[b * 12 + static_cast<size_t>(best)] + sum));
      q.push_back(all);
    }
    r.in("x", x);
    r.step();
    expectSame(r.out<int32_t>("p"), p);
    expectSame(r.out<int16_t>("m"), m);
    expectSame(r.out<uint8_t>("q"), q);
  });
}

TEST(Gen, SoftmaxShapedBodiesComputeRowSumsOncePerRow) {
  // y[i, j] = x[i, j] / (tree sum of row i), with a chain beside it: parts of the body live at different loop levels.
  Random random(8);
  auto x = random.reals<float>(5 * 37);
  inBoth([&](Options o) {
    Runner r(R"(mlr.node @f(%x: tensor<5x37xf32>) -> (y: tensor<5x37xf32>) attributes {scheduled} {
      %y = mlr.gen (%i, %j) {
        %e = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %j) : tensor<5x37xf32> -> f32
        %t = mlr.reduce sum tree (%k < 37) {
          %v = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%i, %k) : tensor<5x37xf32> -> f32
          mlr.yield %v : f32
        } : f32
        %s = mlr.reduce max (%k < 5) {
          %v = mlr.read %x[affine_map<(d0, d1) -> (d0, d1)>](%k, %j) : tensor<5x37xf32> -> f32
          mlr.yield %v : f32
        } : f32
        %q = mlr.div %e, %t : f32
        %z = mlr.sub %q, %s : f32
        mlr.yield %z : f32
      } : tensor<5x37xf32>
      mlr.yield %y : tensor<5x37xf32>
    })", o);
    ASSERT_TRUE(r);
    std::vector<float> want;
    for (size_t i = 0; i < 5; ++i)
      for (size_t j = 0; j < 37; ++j) {
        float t = tree<float>(37, [&](size_t k, float p) { return p + x[i * 37 + k]; }), s = x[j];
        for (size_t k = 1; k < 5; ++k) s = s > x[k * 37 + j] ? s : x[k * 37 + j];
        float q = x[i * 37 + j] / t;
        want.push_back(q - s);
      }
    r.in("x", x);
    r.step();
    expectSame(r.out<float>("y"), want);
  });
}

TEST(Scatter, AddsInTheOrderOfThePlacesAndClampsThem) {
  Random random(7);
  auto x = random.reals<float>(4 * 19 * 3), u = random.reals<float>(7 * 2 * 19), row = random.reals<float>(19 * 3);
  std::vector<int32_t> i{2, 0, 2, -5, 9, 2, 3, 1, 1, 2, 0, 3, 2, 2}, j{0, 2, 0, 1, 7, 0, -1, 2, 1, 0, 0, 1, 2, 0};
  inBoth([&](Options o) {
    Runner r(R"(mlr.node @f(%x: tensor<4x19x3xf32>, %u: tensor<7x2x19xf32>, %w: tensor<19x3xf32>, %i: tensor<7x2xi32>, %j: tensor<7x2xi32>, %k: i32)
        -> (y: tensor<4x19x3xf32>, z: tensor<4x19x3xf32>) attributes {scheduled} {
      %y = mlr.scatter %x add %u at(%i, %j) along [0, 2] : tensor<4x19x3xf32>, tensor<7x2x19xf32>, (tensor<7x2xi32>, tensor<7x2xi32>)
      %zero = mlr.const dense<0.0> : tensor<4x19x3xf32>
      %a = mlr.scatter %zero add %w at(%k) along [0] : tensor<4x19x3xf32>, tensor<19x3xf32>, (i32)
      %z = mlr.scatter %a add %w at(%k) along [0] : tensor<4x19x3xf32>, tensor<19x3xf32>, (i32)
      mlr.yield %y, %z : tensor<4x19x3xf32>, tensor<4x19x3xf32>
    })", o);
    ASSERT_TRUE(r);
    std::vector<float> y = x, z(x.size());
    for (size_t n = 0; n < 14; ++n)
      for (size_t d = 0; d < 19; ++d) {
        auto a = static_cast<size_t>(std::clamp(i[n], 0, 3)), b = static_cast<size_t>(std::clamp(j[n], 0, 2));
        y[(a * 19 + d) * 3 + b] += u[n * 19 + d];
      }
    for (size_t e = 0; e < 57; ++e) z[3 * 57 + e] = row[e] + row[e];
    r.in("x", x);
    r.in("u", u);
    r.in("w", row);
    r.in("i", i);
    r.in("j", j);
    r.in<int32_t>("k", {17});
    r.step();
    expectSame(r.out<float>("y"), y);
    expectSame(r.out<float>("z"), z);
  });
}

} // namespace
} // namespace mlr::loops::test
