"""Random C functions and their declarations (mixed into Program)."""
import random

from region import Var
from scalars import FLOATS, INTS, tensor

C_TYPES = {"bool": "bool", "f32": "float", "f64": "double", **{s: f"{'u' * (s[0] == 'u')}int{s[1:]}_t" for s in INTS}}


class Foreign:
    def foreign(self):
        """Declares C functions in some programs: `self.foreigns`, (name, inputs, outputs) with (scalar, shape) of each; `self.c` is their C."""
        r = random.Random(f"{self.seed} C functions")  # of its own, so that other programs stay as they are
        self.foreigns, self.c = [], ""
        if r.random() > 0.15: return
        scalars = [s for s in self.scalars if s in C_TYPES] + ["f32", "bool", r.choice(INTS)]
        shapes = [h for h in self.shapes if 0 not in h] + [()] * 4
        for _ in range(r.choice([1, 2, 2])):
            name = f"c{len(self.foreigns)}of{self.seed}"
            ports = lambda most: [(r.choice(scalars), r.choice(shapes)) for _ in range(r.randrange(1, most + 1))]
            inputs, outputs = ports(3), ports(r.choice([1, 3]))
            if r.random() < 0.4: inputs, outputs = [(s, ()) for s, _ in inputs], [(outputs[0][0], ())]  # fit for comprehensions
            listed = lambda stem, of: ", ".join(f"{stem}{k}: {tensor(s, h)}" for k, (s, h) in enumerate(of))
            self.text.append(f"extern fun {name}({listed('x', inputs)}) -> ({listed('y', outputs)});\n")
            self.c += self.c_function(r, name, inputs, outputs)
            self.foreigns.append((name, inputs, outputs))
            if len(outputs) == 1 and not any(h for _, h in inputs + outputs): self.funs.append((name, [s for s, _ in inputs], outputs[0][0]))

    def c_function(self, r, name, inputs, outputs):
        """Its definition. Writes each element of the results from other elements of what it is given, so that memory which arguments
        and results share shows."""
        returns = len(outputs) == 1 and not outputs[0][1]
        parameters = [f"{'const ' if h else ''}{C_TYPES[s]} {'*' if h else ''}x{k}" for k, (s, h) in enumerate(inputs)]
        if not returns: parameters += [f"{C_TYPES[s]} *y{k}" for k, (s, _) in enumerate(outputs)]
        lines = []
        for k, (s, h) in enumerate(outputs):
            n, j = self.count(h), r.randrange(len(inputs))
            terms = [self.c_element(r, s, *inputs[i], i) for i in {j, r.randrange(len(inputs))}]
            value = f" {'^' if s == 'bool' or s in INTS else '-'} ".join(terms)
            if returns: lines.append(f"  unsigned i = 0;\n  return ({C_TYPES[s]})(({value}){' & 1' * (s == 'bool')} + 0u * i);\n" if s in INTS
                                     else f"  unsigned i = 0;\n  (void)i;\n  return ({C_TYPES[s]})({value});\n")
            else: lines.append(f"  for (unsigned i = 0; i < {n}; ++i) y{k}[i] = ({C_TYPES[s]})({value});\n")
        result = C_TYPES[outputs[0][0]] if returns else "void"
        unused = "".join(f"  (void)x{k};\n" for k in range(len(inputs)))
        return f"{result} {name}({', '.join(parameters)}) {{\n{unused}{''.join(lines)}}}\n"

    def c_element(self, r, scalar, own, shape, k):
        """An element of input `k` as something of another type, of no undefined behaviour and rounded alike everywhere."""
        x = f"x{k}[(i + {r.randrange(4)}) % {self.count(shape)}]" if shape else f"x{k}"
        if scalar in FLOATS: return f"{x} / 2" if own in FLOATS else f"({C_TYPES[scalar]})({x} % 16)" if own in INTS else f"({x} ? 1 : -2)"
        if scalar == "bool": return f"({x} > 0)" if own in FLOATS else f"({x} % 3 == 1)" if own in INTS else f"(!{x})"
        return f"({x} > 1 ? 3u : {r.randrange(9)}u)" if own in FLOATS else f"((uint64_t){x} * {r.choice([3, 5])}u + i)"

    def c_file(self):
        """Checked against the generated header where there is one."""
        return "#include <stdbool.h>\n#include <stdint.h>\n#ifdef GENERATED\n#include GENERATED\n#endif\n" + self.c

    def foreign_call(self, region, depth, left):
        name, inputs, outputs = self.r.choice(self.foreigns)
        self.features.add("C function")
        arguments = [self.expression(region, s, h, 1) for s, h in inputs]
        results = [Var(self.fresh(), s, h, region.current) for s, h in outputs]
        target = results[0].name if len(results) == 1 else f"({', '.join(v.name for v in results)})"
        region.lines.append(f"{target} = {name}({', '.join(arguments)});")
        for v in results: self.features.equation(v)
        self.add(region, *results)
