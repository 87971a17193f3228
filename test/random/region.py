"""What an expression under construction may use, and what programs are made of (see generate.py)."""


class Var:
    """A name, or an expression that stands for one (a field, `last u`, a sampled variable), of one type."""

    def __init__(self, name, scalar, shape, group, made=frozenset()):
        self.name, self.scalar, self.shape, self.group = name, scalar, tuple(shape), group
        self.made = made          # features of its definition, for the coverage of pairs

    def __repr__(self):
        return self.name

    def named(self, name):
        return Var(name, self.scalar, self.shape, self.group, self.made)

    @property
    def simple(self):
        return self.name.isidentifier()


class Clock:
    """A clock directly below that of a region, or a chain of periods (`key` tells equal ones)."""

    def __init__(self, text, condition=None, value=None, period=None, chain=False, own=False):
        self.text, self.condition, self.value, self.period, self.chain = text, condition, value, period, chain
        self.own = own            # its condition is of the group that is being defined
        self.key = ("every", *period) if period else (condition, value)

    @staticmethod
    def every(n, p, chain=False):
        return Clock(f"every {n}" if p == n - 1 else f"every {n} at {p}", period=(n, p), chain=chain)

    def composed(self, upper):
        """The clock of every a at p of every b at q."""
        (a, p), (b, q) = self.period, upper.period
        return Clock.every(a * b, q + b * p, chain=True)


class Region:
    """The variables of one time, on one clock of it, that an expression may use."""

    def __init__(self, outer=None, length=None, in_scan=False):
        self.outer, self.length, self.in_scan = outer, length, in_scan
        self.groups = []          # [(direction, [Var])]
        self.current = -1
        self.ready = []           # variables defined so far, usable instantaneously
        self.lines = []
        self.index = None
        self.captured = []        # constants of this time
        self.clocked = []         # [(Clock, Var)] on clocks below
        self.plain = False        # only what an `until` condition may need
        self.stateless = False    # the body of a fun
        self.flat = False         # expressions on a clock outside of a block
        self.no_eby = False       # a condition around depends on the variables being defined
        self.remembered = set()   # names of variables with `last` that this arm or state may define

    def times(self):
        """(index, length) of this scan and those around it."""
        if self.flat: return []
        mine = [(self.index, self.length)] if self.index else []
        return mine + (self.outer.times() if self.outer else [])

    @property
    def direction(self):
        return self.groups[self.current][0]

    def is_captured(self, v):
        return any(v is w for w in self.captured)

    def earlier(self, v):
        """Whether `v` depends on nothing that is being defined."""
        return v.group < self.current or self.is_captured(v)

    def delayable(self, v):
        """Whether `fby v` makes no cycle that looks both back and ahead."""
        if self.stateless or self.current < 0: return False
        return self.direction == "up" or self.earlier(v)
