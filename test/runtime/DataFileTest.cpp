// Round trips through files, and against NumPy where python3-numpy is installed.
#include "runtime/Formats.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace mlr::data {
namespace {

namespace fs = std::filesystem;

class Folder {
public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "mlr-data-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string &name) const { return path + "/" + name; }
  std::string path;
};

template <class T> Array make(Scalar scalar, Shape shape, std::vector<T> values) {
  Array array(Type{scalar, shape});
  if (!values.empty()) std::memcpy(array.mutate(), values.data(), values.size() * sizeof(T));
  return array;
}

void expectSame(const Array &a, const Array &b) {
  EXPECT_EQ(toString(a.type()), toString(b.type()));
  ASSERT_EQ(a.bytes(), b.bytes());
  if (a.bytes()) EXPECT_EQ(0, std::memcmp(a.data(), b.data(), a.bytes()));
}

Arrays sample() {
  return {{"bool", make<uint8_t>(Scalar::Bool, {3}, {1, 0, 1})},
          {"i8", make<int8_t>(Scalar::I8, {2}, {-128, 127})},
          {"i16", make<int16_t>(Scalar::I16, {2, 1}, {-5, 7})},
          {"i32", make<int32_t>(Scalar::I32, {}, {42})},
          {"i64", make<int64_t>(Scalar::I64, {1}, {INT64_MIN})},
          {"u8", make<uint8_t>(Scalar::U8, {0}, {})},
          {"u16", make<uint16_t>(Scalar::U16, {1}, {65535})},
          {"u32", make<uint32_t>(Scalar::U32, {1}, {4000000000u})},
          {"u64", make<uint64_t>(Scalar::U64, {1}, {UINT64_MAX})},
          {"f16", make<uint16_t>(Scalar::F16, {2}, {0x3c00, 0x7e00})},
          {"f32", make<float>(Scalar::F32, {2, 2}, {1.5f, -0.0f, INFINITY, 1e-40f})},
          {"f64", make<double>(Scalar::F64, {2, 0, 3}, {})}};
}

TEST(DataFile, NpzRoundTripKeepsEveryTypeAndShape) {
  Folder folder;
  ASSERT_FALSE(saveNpz(folder / "a.npz", sample()));
  auto back = loadAll(folder / "a.npz");
  ASSERT_TRUE(std::holds_alternative<Arrays>(back)) << std::get<Error>(back).message;
  ASSERT_EQ(std::get<Arrays>(back).size(), sample().size());
  for (auto &[name, array] : sample()) expectSame(array, std::get<Arrays>(back)[name]);
}

TEST(DataFile, SafetensorsRoundTripKeepsEveryTypeAndShape) {
  Folder folder;
  Arrays arrays = sample();
  arrays["bf16"] = make<uint16_t>(Scalar::BF16, {1}, {0x3f80});
  ASSERT_FALSE(saveSafetensors(folder / "a.safetensors", arrays));
  auto back = loadAll(folder / "a.safetensors");
  ASSERT_TRUE(std::holds_alternative<Arrays>(back)) << std::get<Error>(back).message;
  for (auto &[name, array] : arrays) expectSame(array, std::get<Arrays>(back)[name]);
}

TEST(DataFile, NpyRoundTripKeepsTheArray) {
  Folder folder;
  for (auto &[name, array] : sample()) {
    ASSERT_FALSE(saveNpy(folder / "a.npy", array));
    auto back = load(folder / "a.npy", "");
    ASSERT_TRUE(std::holds_alternative<Array>(back)) << name;
    expectSame(array, std::get<Array>(back));
  }
}

TEST(DataFile, SameArraysGiveTheSameBytes) {
  Folder folder;
  auto contents = [&](const char *name) {
    std::ifstream in(folder / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  ASSERT_FALSE(saveNpz(folder / "a.npz", sample()));
  ASSERT_FALSE(saveNpz(folder / "b.npz", sample()));
  EXPECT_EQ(contents("a.npz"), contents("b.npz"));
}

TEST(DataFile, EmptyNpzRoundTrips) {
  Folder folder;
  ASSERT_FALSE(saveNpz(folder / "a.npz", {}));
  auto back = loadAll(folder / "a.npz");
  ASSERT_TRUE(std::holds_alternative<Arrays>(back)) << std::get<Error>(back).message;
  EXPECT_TRUE(std::get<Arrays>(back).empty());
}

TEST(DataFile, CsvRoundTripKeepsFloatBits) {
  Folder folder;
  Array x =
      make<float>(Scalar::F32, {2, 2, 2}, {0.1f, 1e-45f, 3.4e38f, -0.0f, INFINITY, 1.0f / 3, 16777217.f, 5});
  Array n = make<int32_t>(Scalar::I32, {2}, {-7, 9});
  ASSERT_FALSE(saveCsv(folder / "a.csv", {{"x", x}, {"n", n}}));
  auto back = load(folder / "a.csv", "x");
  ASSERT_TRUE(std::holds_alternative<Array>(back)) << std::get<Error>(back).message;
  const Array &read = std::get<Array>(back);
  ASSERT_EQ(toString(read.type()), "f64[2, 2, 2]");
  for (int i = 0; i < 8; ++i) {
    float value = static_cast<float>(read.as<double>()[i]);
    EXPECT_EQ(0, std::memcmp(&value, &x.as<float>()[i], sizeof value)) << i;
  }
  auto all = loadAll(folder / "a.csv");
  EXPECT_EQ(std::get<Arrays>(all)["n"].as<double>()[0], -7);
}

TEST(DataFile, CsvCellsAreEmptyWhereAStreamIsAbsentAndNamesForEnums) {
  Folder folder;
  Array n = make<int32_t>(Scalar::I32, {3}, {7, 8, 9}), x = make<float>(Scalar::F32, {1, 2}, {1, 2});
  Array m = make<int32_t>(Scalar::I32, {3}, {1, 0, 5});
  ASSERT_FALSE(saveCsv(folder / "a.csv", {{"n", n}, {"x", x, {false, true, false}}, {"m", m, {}, {"Go", "Stop"}}}));
  std::ifstream file(folder / "a.csv");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text, "n,x[0],x[1],m\n7,,,Stop\n8,1,2,Go\n9,,,5\n");

  auto back = loadStreams(folder / "a.csv", {{"x", {{}, true}}, {"m", {{"Go", "Stop"}, false}}});
  ASSERT_TRUE(std::holds_alternative<Streams>(back)) << std::get<Error>(back).message;
  Streams &streams = std::get<Streams>(back);
  expectSame(streams.arrays["x"], make<double>(Scalar::F64, {3, 2}, {0, 0, 1, 2, 0, 0}));
  expectSame(streams.arrays["m"], make<double>(Scalar::F64, {3}, {1, 0, 5}));
  EXPECT_EQ(streams.present["x"], (std::vector<bool>{false, true, false}));
  EXPECT_TRUE(std::holds_alternative<Error>(loadAll(folder / "a.csv")));
}

TEST(DataFile, CsvCellsThatFollowNoRuleAreRefused) {
  auto messageOf = [](const char *text) {
    auto result = parseCsvStreams(text, {{"x", {{}, true}}, {"m", {{"Go", "Stop"}, false}}});
    return std::holds_alternative<Error>(result) ? std::get<Error>(result).message : "";
  };
  EXPECT_EQ(messageOf("m\nWait\n"), "line 2, column 'm' holds 'Wait', not Go, Stop");
  EXPECT_EQ(messageOf("m,n\n,1\n"), "line 2, column 'm' is empty");
  EXPECT_EQ(messageOf("x\nGo\n"), "line 2, column 'x' holds 'Go', not a number");
  EXPECT_EQ(messageOf("x[0],x[1]\n1,2\n3,\n"), "some cells of 'x' are empty in line 3");
  EXPECT_EQ(messageOf("x\n\n3\n"), "");
  EXPECT_EQ(messageOf("time,x,label\n09:30,3,Go\n,4,\n"), ""); // no rule: nobody asks for them
}

TEST(DataFile, CsvColumnsFormATensorInOrderOfTheirIndices) {
  Folder folder;
  std::ofstream(folder / "a.csv") << "x[1],y,x[0]\r\n1,2,3\r\n4,5,6\r\n";
  auto x = load(folder / "a.csv", "x");
  ASSERT_TRUE(std::holds_alternative<Array>(x)) << std::get<Error>(x).message;
  expectSame(std::get<Array>(x), make<double>(Scalar::F64, {2, 2}, {3, 1, 6, 4}));
}

TEST(DataFile, CsvColumnsOfWideIntegersAreExactWhereAllCellsAreIntegers) {
  Folder folder;
  std::ofstream(folder / "a.csv")
      << "k,u,mixed,both,huge,narrow,t[0],t[1],min\n"
         "9007199254740993,18446744073709551615,9007199254740993,-1,18446744073709551616,9007199254740992,1,2,-9223372036854775808\n"
         "-9223372036854775807,0,0.5,18446744073709551615,1,9223372036854775808,3,9007199254740993,-9223372036854775807\n";
  auto all = std::get<Arrays>(loadAll(folder / "a.csv"));
  expectSame(all["k"], make<int64_t>(Scalar::I64, {2}, {9007199254740993, -9223372036854775807}));
  expectSame(all["u"], make<uint64_t>(Scalar::U64, {2}, {18446744073709551615u, 0}));
  expectSame(all["min"], make<int64_t>(Scalar::I64, {2}, {INT64_MIN, -9223372036854775807}));
  expectSame(all["t"], make<int64_t>(Scalar::I64, {2, 2}, {1, 2, 3, 9007199254740993}));
  for (const char *name : {"mixed", "both", "huge", "narrow"}) EXPECT_EQ(toString(all[name].type()), "f64[2]") << name;
  EXPECT_EQ(toString(std::get<Array>(load(folder / "a.csv", "k")).type()), "f64[2]");
}

TEST(DataFile, CsvWithoutHeaderIsAMatrix) {
  Folder folder;
  std::ofstream(folder / "a.csv") << "1,2\n3,nan\n";
  auto matrix = std::get<Array>(load(folder / "a.csv", ""));
  EXPECT_EQ(toString(matrix.type()), "f64[2, 2]");
  EXPECT_TRUE(std::isnan(matrix.as<double>()[3]));
  EXPECT_TRUE(std::holds_alternative<Error>(loadAll(folder / "a.csv")));
}

TEST(DataFile, WavIsI16FramesByChannels) {
  Folder folder;
  std::string wav("RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\2\0\x80\x3e\0\0\0\xfa\0\0\4\0\x10\0data\x08\0\0\0",
                  44);
  wav += std::string("\1\0\xff\xff\0\x80\xff\x7f", 8);
  std::ofstream(folder / "a.wav", std::ios::binary) << wav;
  auto samples = load(folder / "a.wav", "");
  ASSERT_TRUE(std::holds_alternative<Array>(samples)) << std::get<Error>(samples).message;
  expectSame(std::get<Array>(samples), make<int16_t>(Scalar::I16, {2, 2}, {1, -1, -32768, 32767}));
}

TEST(DataFile, AMissingNameListsTheNearest) {
  Folder folder;
  ASSERT_FALSE(saveNpz(folder / "a.npz", sample()));
  auto missing = load(folder / "a.npz", "f23");
  EXPECT_NE(std::get<Error>(missing).message.find("'f32'"), std::string::npos);
  auto unnamed = load(folder / "a.npz", "");
  EXPECT_NE(std::get<Error>(unnamed).message.find("several"), std::string::npos);
}

TEST(DataFile, UnreadablePathsAreErrors) {
  Folder folder;
  EXPECT_TRUE(std::holds_alternative<Error>(load(folder / "none.npy", "")));
  EXPECT_TRUE(std::holds_alternative<Error>(load(folder.path + "/", "")));
  fs::create_directory(folder / "d.npy");
  EXPECT_EQ(std::get<Error>(load(folder / "d.npy", "")).message, "is a directory");
  EXPECT_TRUE(std::holds_alternative<Error>(load("/dev/zero", "")));
  EXPECT_TRUE(saveNpy(folder / "no/such/folder.npy", Array(Type{})));
  EXPECT_TRUE(std::holds_alternative<Error>(load(folder / "a.txt", "")));
}

TEST(DataFile, NothingIsLeftBesideAWrittenFile) {
  Folder folder;
  ASSERT_FALSE(saveNpy(folder / "a.npy", Array(Type{})));
  ASSERT_FALSE(saveNpy(folder / "a.npy", Array(Type{})));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 1);
}

bool haveNumpy() { return std::system("python3 -c 'import numpy' >/dev/null 2>&1") == 0; }

bool python(const Folder &folder, const std::string &program) {
  std::ofstream(folder / "p.py") << "import numpy as np\n" << program;
  return std::system(("cd " + folder.path + " && python3 p.py").c_str()) == 0;
}

TEST(DataFile, ALinkIsFollowedAndKept) {
  Folder folder;
  std::ofstream(folder / "a.csv") << "old";
  fs::create_symlink("a.csv", folder / "link.csv");
  ASSERT_FALSE(saveCsv(folder / "link.csv", {{"x", make<double>(Scalar::F64, {1}, {2})}}));
  EXPECT_TRUE(fs::is_symlink(folder / "link.csv"));
  EXPECT_EQ(std::get<Array>(load(folder / "a.csv", "x")).as<double>()[0], 2);
}

TEST(DataFile, StandardOutputContinuesWhereItStands) {
  Folder folder;
  int saved = ::dup(STDOUT_FILENO);
  ASSERT_TRUE(std::freopen((folder / "out").c_str(), "w", stdout));
  std::printf("before\n");
  auto error = saveCsv("/dev/stdout", {{"x", make<double>(Scalar::F64, {1}, {2})}});
  std::fflush(stdout);
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  EXPECT_FALSE(error);
  std::ifstream in(folder / "out");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "before\nx\n2\n");
}

TEST(DataFile, ReadsWhatNumpyWrites) {
  if (!haveNumpy()) GTEST_SKIP() << "python3-numpy is not installed";
  Folder folder;
  ASSERT_TRUE(python(folder,
                     "a = np.arange(24).reshape(2, 3, 4)\n"
                     "np.save('f.npy', np.asfortranarray(a.astype('f4')))\n"
                     "np.save('b.npy', a.astype('>i2'))\n"
                     "np.savez_compressed('z.npz', a=a, s=np.float64(0.25), t=np.array([True, False]))\n"
                     "np.save('c.npy', a.astype('c8'))\n"
                     "np.save('o.npy', np.array(['x', None], dtype=object))\n"));
  auto f = std::get<Array>(load(folder / "f.npy", ""));
  auto b = std::get<Array>(load(folder / "b.npy", ""));
  EXPECT_EQ(toString(f.type()), "f32[2, 3, 4]");
  EXPECT_EQ(toString(b.type()), "i16[2, 3, 4]");
  auto z = std::get<Arrays>(loadAll(folder / "z.npz"));
  for (int i = 0; i < 24; ++i) {
    EXPECT_EQ(f.as<float>()[i], i);
    EXPECT_EQ(b.as<int16_t>()[i], i);
    EXPECT_EQ(z["a"].as<int64_t>()[i], i);
  }
  EXPECT_EQ(toString(z["s"].type()), "f64");
  EXPECT_EQ(z["t"].type().scalar, Scalar::Bool);
  EXPECT_NE(std::get<Error>(load(folder / "c.npy", "")).message.find("complex"), std::string::npos);
  EXPECT_NE(std::get<Error>(load(folder / "o.npy", "")).message.find("objects"), std::string::npos);
}

TEST(DataFile, NumpyReadsWhatIsWritten) {
  if (!haveNumpy()) GTEST_SKIP() << "python3-numpy is not installed";
  Folder folder;
  ASSERT_FALSE(saveNpz(folder / "a.npz", sample()));
  EXPECT_TRUE(python(folder, "a = np.load('a.npz')\n"
                             "assert len(a.files) == 12\n"
                             "assert a['i16'].tolist() == [[-5], [7]] and a['i16'].dtype == np.int16\n"
                             "assert a['f64'].shape == (2, 0, 3)\n"
                             "assert a['i32'].shape == () and a['i32'] == 42\n"
                             "assert a['bool'].tolist() == [True, False, True]\n"
                             "assert a['u64'][0] == 2**64 - 1\n"));
}

} // namespace
} // namespace mlr::data
