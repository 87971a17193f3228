#!/usr/bin/env python3
"""Tables in Markdown of what run.py --json wrote:  report.py FILE.json .."""
import collections
import json
import pathlib
import sys


def main():
    records = [r for f in sys.argv[1:] for r in json.loads(pathlib.Path(f).read_text())]
    suites = collections.OrderedDict()
    for r in records:
        suites.setdefault(r["suite"], []).append(r)
    print("| suite | programs | equal | of nodes | peer wrong | no peer | not expressible | refused | refused by both, not this language |")
    print("|---|---|---|---|---|---|---|---|---|")
    for suite, rs in suites.items():
        if any("kind" in r for r in rs):
            continue
        count = collections.Counter(r["status"] for r in rs)
        nodes = [n for r in rs for n in r.get("nodes", {}).values()]
        equal = sum(n["status"] == "equal" for n in nodes)
        other = sum(count[s] for s in ("refused by both", "not this language", "no node to run"))
        print(f"| {suite} | {len(rs)} | {count['equal']} | {equal} | {count['peer wrong']} | {count['no peer']} | "
              f"{count['not expressible']} | {count['MLR refuses']} | {other} |")
    print("\n| suite of wrong programs | programs | rejected, with a position | legal in MLR |")
    print("|---|---|---|---|")
    for suite, rs in suites.items():
        if any("kind" in r for r in rs):
            count = collections.Counter(r["status"] for r in rs)
            print(f"| {suite} | {len(rs)} | {count['rejected']} | {count['legal in MLR']} |")
    print("\n| program | outcome | reason |\n|---|---|---|")
    for r in records:
        if r["status"] in ("equal", "rejected"):
            continue
        reason = r.get("reason") or next((n["reason"] for n in r.get("nodes", {}).values() if n.get("reason")), "")
        if r["status"] == "no peer":
            reason = r["peer"]
        name = "/".join(pathlib.Path(r["file"]).parts[-3:])
        print(f"| {name} | {r['status']} | {reason.replace('|', '/').splitlines()[0][:140] if reason else ''} |")
    kinds = collections.Counter(r["kind"] for r in records if "kind" in r)
    print("\nErrors of the rejected ones: " + ", ".join(f"{k} {n}" for k, n in kinds.most_common()) + ".")
    partly = [r for r in records if r["status"] == "equal" and any(n["status"] not in ("equal", "no peer") for n in r["nodes"].values())]
    for r in partly:
        left = {n["reason"] for n in r["nodes"].values() if n["status"] != "equal" and "reason" in n}
        print(f"Partly: {'/'.join(pathlib.Path(r['file']).parts[-3:])}: {sum(n['status'] == 'equal' for n in r['nodes'].values())} of "
              f"{len(r['nodes'])} nodes; the others: {'; '.join(sorted(left))}.")
    traps = sum("trap" in n for r in records for n in r.get("nodes", {}).values())
    short = sum("interp steps" in n for r in records for n in r.get("nodes", {}).values())
    print(f"\nNodes whose C stopped at a division by zero, compared up to it: {traps}. Nodes of which an engine ran fewer instants: {short}.")


if __name__ == "__main__":
    main()
