// Bytes that no writer would write: a message, never a crash or an allocation that the bytes do not justify.
#include "runtime/Formats.h"

#include <gtest/gtest.h>

namespace mlr::data {
namespace {

Array sample() {
  Array array(Type{Scalar::F32, {5}});
  for (int i = 0; i < 5; ++i) array.mutateAs<float>()[i] = static_cast<float>(i);
  return array;
}

template <class T> std::string messageOf(const Result<T> &result) {
  auto *error = std::get_if<Error>(&result);
  return error ? error->message : "";
}

std::string npy(const std::string &header) {
  std::string out("\x93NUMPY\1\0", 8);
  appendLittle(out, static_cast<uint16_t>(header.size()));
  return out + header;
}

std::string safetensors(const std::string &header, const std::string &data = "") {
  std::string out;
  appendLittle(out, static_cast<uint64_t>(header.size()));
  return out + header + data;
}

TEST(MalformedData, EveryTruncationOfAnNpyIsAnError) {
  std::string bytes = formatNpy(sample());
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(messageOf(parseNpy(Bytes(bytes).substr(0, n))), "") << n;
}

TEST(MalformedData, EveryTruncationOfASafetensorsIsAnError) {
  std::string bytes = std::get<std::string>(formatSafetensors({{"x", sample()}}));
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(messageOf(parseSafetensors(Bytes(bytes).substr(0, n))), "") << n;
}

TEST(MalformedData, EveryTruncationOfAnNpzIsAnError) {
  std::string bytes = std::get<std::string>(formatNpz({{"x", sample()}}));
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(messageOf(parseNpz(Bytes(bytes).substr(0, n))), "") << n;
}

TEST(MalformedData, EveryChangedByteOfAnNpzIsReadOrRefused) {
  std::string bytes = std::get<std::string>(formatNpz({{"x", sample()}, {"y", sample()}}));
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int value : {0, 1, 0x7f, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      parseNpz(changed);
    }
}

TEST(MalformedData, ALyingNpyShapeIsRefusedBeforeAllocating) {
  EXPECT_NE(messageOf(parseNpy(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}"))),
            "");
  EXPECT_NE(messageOf(parseNpy(npy("{'descr': '<f4', 'fortran_order': False, "
                                   "'shape': (281474976710656, 281474976710656, 281474976710656)}"))),
            "");
  EXPECT_NE(
      messageOf(parseNpy(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"))),
      "");
  EXPECT_NE(messageOf(parseNpy(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"))), "");
}

TEST(MalformedData, AnEmptyAxisBesideHugeOnesHoldsNothing) {
  auto array = parseNpy(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 281474976710656)}"));
  ASSERT_EQ(messageOf(array), "");
  EXPECT_EQ(std::get<Array>(array).bytes(), 0u);
}

TEST(MalformedData, NpyHeadersThatAreNoDictionaryAreRefused) {
  for (const char *header : {"", "{", "{}", "{'descr'", "{'descr': '<f4'}", "{'descr': 3}", "[1]",
                             "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}",
                             "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (1", "{'other': True}"})
    EXPECT_NE(messageOf(parseNpy(npy(header))), "") << header;
}

TEST(MalformedData, SafetensorsThatLieAreRefused) {
  auto entry = [](const std::string &dtype, const std::string &shape, const std::string &offsets) {
    return "{\"x\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
  };
  std::string data(8, '\0');
  EXPECT_EQ(messageOf(parseSafetensors(safetensors(entry("\"F32\"", "[2]", "[0,8]"), data))), "");
  for (const std::string &header :
       {entry("\"F32\"", "[3]", "[0,8]"), entry("\"F32\"", "[2]", "[0,9]"), entry("\"F32\"", "[2]", "[8,0]"),
        entry("\"F8\"", "[2]", "[0,8]"), entry("7", "[2]", "[0,8]"), entry("\"F32\"", "[-2]", "[0,8]"),
        entry("\"F32\"", "[1e300]", "[0,8]"), entry("\"F32\"", "{}", "[0,8]"), entry("\"F32\"", "[2]", "[0]"),
        entry("\"F32\"", "[2]", "[0,18446744073709551615]"), std::string("{\"x\":3}"), std::string("[]"),
        std::string("{\"x\":{}"), std::string(100000, '['),
        entry("\"F32\"", "[281474976710656,281474976710656]", "[0,8]")})
    EXPECT_NE(messageOf(parseSafetensors(safetensors(header, data))), "") << header.substr(0, 80);
  EXPECT_NE(messageOf(parseSafetensors(std::string(8, '\xff'))), "");
}

TEST(MalformedData, TensorsThatShareBytesAreRefused) {
  std::string x = "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}";
  EXPECT_NE(messageOf(parseSafetensors(safetensors("{\"x\":" + x + ",\"y\":" + x + "}", "1234"))), "");
}

TEST(MalformedData, CsvErrorsNameTheLineAndTheColumn) {
  EXPECT_EQ(messageOf(parseCsv("a,b\n1,2\n3,x\n")), "line 3, column 'b' holds 'x', not a number");
  EXPECT_EQ(messageOf(parseCsv("a,b\n1,-1e400\n")), "line 2, column 'b' holds -1e400, which is beyond f64");
  EXPECT_EQ(messageOf(parseCsv("a,b\n1,\n")), "line 2, column 'b' is empty");
  EXPECT_EQ(messageOf(parseCsv("a,b\n1\n")), "line 2 has 1 cells, the first line has 2");
  EXPECT_NE(messageOf(parseCsv("")), "");
  EXPECT_NE(messageOf(parseCsv("a,a\n1,2\n")), "");
  EXPECT_NE(messageOf(parseCsv("a,\"b\n1,2\n")), "");
  EXPECT_NE(messageOf(parseCsv("x[0],x[2]\n1,2\n")), "");
  EXPECT_NE(messageOf(parseCsv("x[0],x[0]\n1,2\n")), "");
  EXPECT_NE(messageOf(parseCsv("x[0],x[0,1]\n1,2\n")), "");
  EXPECT_NE(messageOf(parseCsv("x[9223372036854775806]\n1\n")), "");
}

TEST(MalformedData, CsvInfIsInfiniteAndTinyNumbersAreZero) {
  auto arrays = std::get<Arrays>(parseCsv("a,b\ninf,1e-999\n"));
  EXPECT_EQ(arrays["a"].as<double>()[0], std::numeric_limits<double>::infinity());
  EXPECT_EQ(arrays["b"].as<double>()[0], 0);
}

TEST(MalformedData, WavChunksThatLieAreRefused) {
  std::string head("RIFF\0\0\0\0WAVE", 12), format("fmt \x10\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0\2\0\x10\0", 24);
  EXPECT_NE(messageOf(parseWav(head)), "");
  EXPECT_NE(messageOf(parseWav(head + format)), "");
  EXPECT_NE(messageOf(parseWav(head + format + std::string("data\xff\xff\xff\xff", 8))), "");
  EXPECT_NE(messageOf(parseWav(head + format + std::string("data\3\0\0\0abc", 11))), "");
  EXPECT_NE(messageOf(parseWav(head + std::string("data\0\0\0\0", 8))), "");
  std::string floats = format;
  floats[8] = 3;
  EXPECT_NE(messageOf(parseWav(head + floats + std::string("data\0\0\0\0", 8))), "");
  EXPECT_EQ(messageOf(parseWav(head + format + std::string("data\0\0\0\0", 8))), "");
}

} // namespace
} // namespace mlr::data
