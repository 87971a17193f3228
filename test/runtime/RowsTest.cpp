// Streams read row by row give what reading them whole gives, and take any bytes.
#include "runtime/Formats.h"
#include "runtime/Rows.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace mlr::data {
namespace {

class Folder {
public:
  Folder() : path(std::filesystem::temp_directory_path() / ("mlr-rows-" + std::to_string(::getpid()))) { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string &name, const std::string &bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return (path / name).string();
  }
  std::filesystem::path path;
};

Array numbers(Shape shape) {
  Array array(Type{Scalar::F32, std::move(shape)});
  for (int64_t i = 0; i < array.type().elements(); ++i) array.mutateAs<float>()[i] = static_cast<float>(i) * 0.5f;
  return array;
}

/// All rows of a stream, in an order that jumps.
std::vector<std::byte> collected(Rows &rows) {
  std::vector<std::byte> bytes(rows.type().bytes());
  for (int64_t step : {2, 1})
    for (int64_t i = 0; i < rows.count(); i += step)
      if (auto error = rows.read(i, bytes.data() + static_cast<size_t>(i) * rows.rowBytes())) ADD_FAILURE() << error->message;
  return bytes;
}

std::string errorOf(const std::string &path, const std::map<std::string, CellRule> &rules = {}) {
  auto opened = openStreams(path, rules);
  auto *error = std::get_if<Error>(&opened);
  return error ? error->message : "";
}

TEST(Rows, OfNpyAndNpzAreThoseOfTheArray) {
  Folder folder;
  Array x = numbers({70, 300, 41}); // more than one block is read ahead
  for (auto &[name, bytes] : {std::pair<std::string, std::string>{"x.npy", formatNpy(x)},
                              {"x.npz", std::get<std::string>(formatNpz({{"x", x}, {"a", numbers({3})}}))}}) {
    auto opened = openStreams(folder.write(name, bytes), {});
    ASSERT_TRUE(std::holds_alternative<RowStreams>(opened)) << std::get<Error>(opened).message;
    auto &streams = std::get<RowStreams>(opened).streams;
    Rows &rows = *streams.at(name == "x.npz" ? "x" : "").rows;
    EXPECT_EQ(rows.type(), x.type());
    EXPECT_TRUE(std::equal(x.data(), x.data() + x.bytes(), collected(rows).begin()));
  }
}

TEST(Rows, OfCsvAreConvertedAndCounted) {
  Folder folder;
  std::string text = "\n k , v[1],v[0],\"w\"\"\n\"\n";
  constexpr int64_t count = 80'000; // of more than one block of text
  for (int64_t i = 0; i < count; ++i) text += std::to_string(i) + ",2, \"1\",red\r\n";
  std::map<std::string, CellRule> rules = {{"k", {{}, false, Scalar::I16}}, {"v", {{}, false, Scalar::F64}}, {"w\"\n", {{"blue", "red"}, false, Scalar::I32}}};
  std::string path = folder.write("x.csv", text);
  EXPECT_EQ(errorOf(path, rules), "`k`: line 32770 holds 32768, which is not a value of i16");
  rules["k"].type = Scalar::I32;
  auto opened = openStreams(path, rules);
  ASSERT_TRUE(std::holds_alternative<RowStreams>(opened)) << std::get<Error>(opened).message;
  auto &streams = std::get<RowStreams>(opened).streams;
  Rows &k = *streams.at("k").rows;
  EXPECT_EQ(k.type(), (Type{Scalar::I32, {count}}));
  std::vector<std::byte> bytes = collected(k);
  for (int64_t i = 0; i < count; ++i) ASSERT_EQ(reinterpret_cast<const int32_t *>(bytes.data())[i], i);
  EXPECT_EQ(streams.at("v").rows->type(), (Type{Scalar::F64, {count, 2}}));
  double v[2];
  ASSERT_FALSE(streams.at("v").rows->read(count - 1, reinterpret_cast<std::byte *>(v)));
  EXPECT_EQ(v[0], 1);
  EXPECT_EQ(v[1], 2);
  int32_t w = 0;
  ASSERT_FALSE(streams.at("w\"\n").rows->read(7, reinterpret_cast<std::byte *>(&w)));
  EXPECT_EQ(w, 1);
}

TEST(Rows, OfCsvInAnyOrderCostAboutTheSameWhateverTheSizeOfTheFile) {
  Folder folder;
  constexpr int64_t count = 120'000, width = 30; // 25 MB, more than is held decoded
  std::string text;
  for (int64_t c = 0; c < width; ++c) text += (c ? ",x[" : "x[") + std::to_string(c) + "]";
  for (int64_t i = 0; i < count; ++i) {
    text += '\n';
    for (int64_t c = 0; c < width; ++c) text += (c ? "," : "") + std::to_string(i + 100'000);
  }
  auto opened = openStreams(folder.write("x.csv", text), {{"x", {{}, false, Scalar::F64}}});
  ASSERT_TRUE(std::holds_alternative<RowStreams>(opened)) << std::get<Error>(opened).message;
  Rows &x = *std::get<RowStreams>(opened).streams.at("x").rows;
  double row[width];
  clock_t start = clock();
  constexpr int64_t reads = 2'000;
  for (int64_t i = 0; i < reads; ++i) {
    int64_t r = i * 7919 * 13 % count;
    ASSERT_FALSE(x.read(r, reinterpret_cast<std::byte *>(row)));
    ASSERT_EQ(row[width - 1], static_cast<double>(r + 100'000));
  }
  double seconds = static_cast<double>(clock() - start) / CLOCKS_PER_SEC / reads;
  RecordProperty("microseconds", std::to_string(1e6 * seconds));
  EXPECT_LT(seconds, 3e-4); // 20 us and a margin for sanitizers; where a megabyte is decoded for a row it is ms

}

TEST(Rows, ErrorsOfCsvNameTheLineOfTheFile) {
  Folder folder;
  std::string text = "a,b\n";
  for (int i = 0; i < 300'000; ++i) text += i == 250'000 ? "1,x\n" : "1,2\n\n";
  EXPECT_EQ(errorOf(folder.write("x.csv", text)), "line 500002, column 'b' holds 'x', not a number");
  EXPECT_EQ(errorOf(folder.write("e.csv", "")), "the file is empty");
  EXPECT_EQ(errorOf(folder.write("n.csv", "1,2\n3,4\n")), "the first line has no column names");
  EXPECT_EQ(errorOf(folder.write("q.csv", "a\n\"1")), "line 2: a quoted cell does not end");
}

TEST(Rows, OfAFileThatBecameShorterAreAnError) {
  Folder folder;
  Array x = numbers({4000, 1000});
  std::string path = folder.write("x.npy", formatNpy(x));
  auto opened = openStreams(path, {});
  Rows &rows = *std::get<RowStreams>(opened).streams.at("").rows;
  std::vector<std::byte> row(rows.rowBytes());
  ASSERT_FALSE(rows.read(0, row.data()));
  std::filesystem::resize_file(path, 1 << 20);
  auto error = rows.read(3999, row.data());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message, "is shorter than it was");
}

TEST(Rows, AnyBytesAreAStreamOrAMessage) {
  Folder folder;
  std::string npz = std::get<std::string>(formatNpz({{"x", numbers({5, 2})}})), npy = formatNpy(numbers({5, 2}));
  for (auto &[name, whole] : {std::pair<std::string, std::string>{"x.npz", npz}, {"x.npy", npy}})
    for (size_t i = 0; i < whole.size(); i += 3)
      for (bool isCut : {false, true}) {
        std::string bytes = isCut ? whole.substr(0, i) : whole;
        if (!isCut) bytes[i] = static_cast<char>(bytes[i] ^ 0x51);
        auto opened = openStreams(folder.write(name, bytes), {});
        if (auto *streams = std::get_if<RowStreams>(&opened))
          for (auto &[key, stream] : streams->streams)
            if (stream.rows->count() > 0 && stream.rows->rowBytes() < 1000) {
              std::vector<std::byte> row(stream.rows->rowBytes());
              (void)stream.rows->read(stream.rows->count() - 1, row.data());
            }
      }
}

} // namespace
} // namespace mlr::data
