#include "support/Source.h"

#include <gtest/gtest.h>

using namespace mlr;

TEST(Source, PositionsCountLinesFromOne) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "ab\r\n\ncd");
  EXPECT_EQ(sources.lineColumn(f, 0).line, 1u);
  EXPECT_EQ(sources.lineColumn(f, 4).line, 2u);
  EXPECT_EQ(sources.lineColumn(f, 6).line, 3u);
  EXPECT_EQ(sources.lineColumn(f, 6).column, 2u);
  EXPECT_EQ(sources.lineColumn(f, 99).column, 3u);
  EXPECT_EQ(sources.line(f, 1), "ab");
  EXPECT_EQ(sources.line(f, 2), "");
  EXPECT_EQ(sources.line(f, 3), "cd");
  EXPECT_EQ(sources.line(f, 4), "");
}

TEST(Source, NoFileHasNoText) {
  SourceMap sources;
  EXPECT_EQ(sources.text(Span()), "");
  EXPECT_EQ(sources.path(0), "");
  EXPECT_EQ(sources.path(7), "");
  EXPECT_EQ(sources.lineColumn(7, 0).line, 0u);
}

TEST(Source, ASpanIsClampedToItsText) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "abc");
  EXPECT_EQ(sources.text(Span{f, 1, 9}), "bc");
  EXPECT_EQ(sources.text(Span{f, 8, 9}), "");
}
