"""Which features random programs have, and which pairs of them have met.

Two features are combined where one stands inside the other or in the same equation, or where the equation of one reads the result
of the other; `together` counts pairs that stand anywhere in one program."""
import collections
import itertools

# What changes the meaning of time, and what it meets.
CONSTRUCTS = ["scan", "resume", "until", "scan both ways", "when block", "flat clock", "when not", "when enum", "every", "chain of every", "merge",
              "merge of an enum", "hold", "clocked input", "clocked output", "clocked call", "if block", "match block", "last", "reset block",
              "reset call", "automaton", "unless", "continue", "pack", "unpack", "pack until", "call", "generic node", "higher-order node",
              "module", "struct", "struct operator", "map", "reduce", "update", "enum", "random numbers", "monitor"]
EXPRESSIONS = ["fby", "pre", "eby", "window", "final", "initial", "count", "long delay", "recurrence back and ahead", "computed initial value",
               "result used inside", "tuple", "if", "where", "comprehension", "reduction", "whole reduction", "nested reduction", "argmax",
               "product", "concat", "slice", "moving slice", "reshape", "transpose", "split", "join", "list", "broadcast", "gather", "padding",
               "convert", "bits", "fma", "elementary", "isnan", "delay in a comprehension", "fun in a comprehension"]
FEATURES = CONSTRUCTS + EXPRESSIONS
PAIRS = [frozenset(p) for p in itertools.combinations(FEATURES, 2)] + [frozenset([f]) for f in CONSTRUCTS]


class Features(set):
    """The features of a program; `add` notes what the feature stands in and what the equation reads."""

    def __init__(self):
        super().__init__()
        self.around, self.noted, self.read = [], set(), set()
        self.pairs = set()

    def add(self, feature):
        super().add(feature)
        self.noted.add(feature)
        self.pairs.update(frozenset((feature, other)) for other in self.around)

    def inside(self, *features):
        """With-statement: what is generated in it stands inside these features."""
        for f in features: self.add(f)
        return _Inside(self, features)

    def reads(self, v):
        self.read |= v.made

    def equation(self, v=None):
        """The end of an equation, of variable v if it has one."""
        for f in self.noted: self.pairs.update(frozenset((f, g)) for g in self.read | self.noted if f != g or f in self.read)
        if v is not None: v.made = frozenset(self.noted) | frozenset(self.around[-2:])
        self.noted, self.read = set(), set()


class _Inside:
    def __init__(self, features, names):
        self.features, self.names = features, names

    def __enter__(self):
        self.saved = self.features.noted, self.features.read
        self.features.noted, self.features.read = set(), set()
        self.features.around += self.names

    def __exit__(self, *_):
        del self.features.around[len(self.features.around) - len(self.names):]
        self.features.noted, self.features.read = self.saved


class Coverage:
    def __init__(self):
        self.combined, self.together = collections.Counter(), collections.Counter()
        self.features = collections.Counter()

    def update(self, features):
        self.features.update(features)
        self.combined.update(p for p in features.pairs)
        self.together.update(frozenset(p) for p in itertools.combinations(sorted(features), 2))

    def missing(self, counts):
        return [p for p in PAIRS if not counts[p]]

    @staticmethod
    def listed(pairs, most=40):
        return "; ".join(" + ".join(sorted(p)) for p in pairs[:most]) + ("; .." if len(pairs) > most else "")

    def text(self):
        mixed = [p for p in PAIRS if len(p) == 2]
        combined = sum(1 for p in PAIRS if self.combined[p])
        together = sum(1 for p in mixed if self.combined[p] or self.together[p])
        lines = [f"features: {', '.join(f'{k} {n}' for k, n in sorted(self.features.items()))}",
                 f"pairs of {len(FEATURES)} features: {together} of {len(mixed)} in one program; one inside the other, in one equation with it, or reading it: {combined} of {len(PAIRS)}"]
        apart = [p for p in mixed if not self.combined[p] and not self.together[p]]
        if apart: lines.append(f"never in one program ({len(apart)}): {self.listed(apart)}")
        loose = [p for p in self.missing(self.combined)]
        if loose: lines.append(f"never combined ({len(loose)}): {self.listed(loose)}")
        return "\n".join(lines)
