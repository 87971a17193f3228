"""What a derivative goes through: the equations between the variables that it is taken with respect to and the outputs, and their features."""
import re

NAME = re.compile(r"[A-Za-z_]\w*")
DISCRETE = re.compile(r"^\w+: (bool|[iu]\d+|M\d+)\b")

# Features by a pattern of the text of an equation.
PATTERNS = [(name, re.compile(pattern)) for name, pattern in [
    ("fby", r"\bfby\b"), ("eby", r"\beby\b"), ("pre", r"\bpre\b"), ("->", r"->"), ("last", r"\blast\b"), ("final", r"\bfinal\b"),
    ("initial", r"\binitial\b"), ("hold", r"\bhold\("), ("merge", r"\bmerge\("), ("merge of an enum", r"\bmerge \w+ \{"),
    ("when", r"\bwhen (?!every)(?!not)(?!\w+ ==)"), ("when not", r"\bwhen not\b"), ("when enum", r"\bwhen \w+ =="), ("every", r"(?<!\) )\bevery \d"),
    ("window", r"\bwindow<<"), ("pack", r"\bpack<<\d+>>\((?!.*until =)"), ("pack until", r"\bpack<<\d+>>\(.*until ="), ("unpack", r"\bunpack<<"),
    ("struct", r"\bP\d+(<<\d+>>)? \{|\w\.w\d+\b|\{ .* with "), ("update", r"\{ .* with "), ("map", r"\bmap\("), ("reduce", r"\breduce\("),
    ("tuple", r"^\(\w+, \w+\) = (\(|if )"), ("if", r"\bif\b"), ("where", r"\bwhere\("), ("comprehension", r"\[[^\[\]]*(\[[^\]]*\][^\[\]]*)*for \w+ <"),
    ("sum", r"\bsum\("), ("prod", r"\bprod\("), ("mean", r"\bmean\("), ("max, min", r"\b(max|min)\("), ("max, min over indices", r"\b(max|min)\([^()]*(\([^()]*\)[^()]*)* for "),
    ("@", r"@"), ("concat", r"\bconcat\("), ("slice", r"\[[^\[\]]* ?\.\. ?[^+]"), ("moving slice", r"\.\.\+"), ("reshape", r"\breshape<<"),
    ("transpose", r"\btranspose\("), ("split", r"\bsplit<<"), ("join", r"\bjoin\("), ("padding", r"\bat\("), ("fma", r"\bfma\("), ("%", r" % \(1\.5"),
    ("/", r" / \("), ("hypot, atan2", r"\b(hypot|atan2)\("),
    ("elementary", r"\b(exp|expm1|log|log1p|log2|sqrt|sin|cos|tan|asin|atan|cosh|tanh|sigmoid|softplus|cbrt|erf|exp2)\("), ("convert", r"\bf64\([a-z]"),
    ("higher-order node", r"\bg\d+<<"), ("module", r"\blib\d+\.g\d+"), ("instances side by side", r"\[(lib\d+\.)?[gns]\d+\(.*for i\d+ <"),
    ("reset call", r"\) every \w+;$"), ("fun in a comprehension", r"\bf(?!64)\d+\("),
]]
TIMES = ("scan", "resume", "until", "scan in a scan", "when block", "if block", "match block", "reset block", "automaton", "unless", "continue", "state of a reset block",
         "scan both ways", "backward recurrence", "forward recurrence")


class Leaf:
    """One equation; `around`: what it stands in, `scans`: numbers of the scans among these."""

    def __init__(self, text, around, scans):
        self.text, self.around, self.scans = text, around, scans
        left, _, right = text.partition(" = ")
        left = left.split(":")[0].split("[")[0] if not left.startswith("(") else left
        self.defines = set(NAME.findall(left)) - {"last"} if right else set()
        self.reads = set(NAME.findall(right))
        if re.match(r"last (\w+) =", text): self.defines = {text.split()[1]}
        if "last " in right: self.reads |= set(re.findall(r"\blast (\w+)", right))


def opened(line):
    """Features of a block's first line."""
    if line.startswith("scan"): return ["scan"] + [w for w in ("resume", "until") if re.search(rf"\b{w}\b", line)]
    for word, name in (("when", "when block"), ("if", "if block"), ("} else", "if block"), ("match", "match block"), ("reset", "reset block"), ("automaton", "automaton")):
        if line.startswith(word): return [name] + (["every"] if line.startswith("when every") else [])
    return []


def leaves(lines):
    """The equations of a body."""
    stack, found, number, transitions = [], [], 0, []
    for line in (l.strip() for l in lines):
        if not line or line.startswith(("assert", "assume", "guarantee")): continue
        if line.startswith("} else"): stack[-1] = (opened(line), 0)
        elif line.startswith("}"): stack.pop()
        elif line.endswith("{"):
            number += 1
            stack.append((opened(line), number if line.startswith("scan") else 0))
        elif re.match(r"(until|unless) ", line):
            transitions.append((len(stack), "unless" if line.startswith("unless") else "continue" if "continue" in line else "until a state"))
            for names, _ in stack[-2:-1]: names.extend(w for w in ("unless", "continue") if w in line and w not in names)
        else: found.append(Leaf(line, [names for names, _ in stack], [k for _, k in stack if k]))
    return found


def features(bodies, name, varied, outputs=None, seen=()):
    """Features of what lies between the inputs `varied` and the outputs of a node; bodies: name -> (inputs, outputs, lines)."""
    inputs, outs, lines = bodies[name]
    body = leaves(lines)
    influenced, needed = set(varied), set(outputs or outs)
    for _ in range(len(body) + 1):
        before = len(influenced), len(needed)
        for leaf in body:
            if DISCRETE.match(leaf.text): continue
            if leaf.reads & influenced: influenced |= leaf.defines
            if leaf.defines & needed: needed |= leaf.reads
        if before == (len(influenced), len(needed)): break
    on_path = [leaf for leaf in body if leaf.reads & influenced and leaf.defines & needed and not DISCRETE.match(leaf.text)]
    found = set()
    for leaf in on_path:
        mine = {n for n, p in PATTERNS if p.search(leaf.text)}
        for block in leaf.around: mine |= set(block)
        if len(leaf.scans) > 1: mine.add("scan in a scan")
        if leaf.scans and "fby" in mine: mine.add("forward recurrence in a scan")
        if leaf.scans and "eby" in mine: mine.add("backward recurrence in a scan")
        for call in set(re.findall(r"(?:lib\d+\.)?\b([a-z]+\d+)(?=\(|<<)", leaf.text)) & bodies.keys() - {name, *seen}:
            mine.add("call")
            mine |= features(bodies, call, bodies[call][0], None, (*seen, name))
        mine |= set(re.findall(r"\bs\d+_\w+(?=\()", leaf.text))
        found |= mine
    ways = {}
    for leaf in on_path:
        for k in leaf.scans:
            ways.setdefault(k, set()).update(w for w in ("fby", "eby") if re.search(rf"\b{w}\b", leaf.text))
    if any(len(w) == 2 for w in ways.values()): found.add("scan both ways")
    return found


def bodies(text):
    """name -> (inputs, outputs, lines) of the nodes and funs of a program."""
    found = {}
    for m in re.finditer(r"^(?:node|fun) (\w+)(?:<<[^{]*>>)?\((.*?)\) -> \((.*?)\)(?: derivative \w+)? \{(?:([^\n]*)\}$|\n(.*?)\n\})", text, re.M | re.S):
        ports = lambda s: re.findall(r"(?<!<)\b([a-z]\w*)(?=[,:](?!\d))", s)
        body = m.group(4) if m.group(5) is None else m.group(5)
        lines = body.split("\n") if m.group(4) is None else re.sub(r"([{;]) ", r"\1\n", re.sub(r" ?(\}) ?", r"\n\1\n", body)).split("\n")
        found[m.group(1)] = (ports(m.group(2)), ports(m.group(3)), lines)
    return found
