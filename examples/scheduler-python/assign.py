#!/usr/bin/env python3
"""A scheduler for watchbill: packs tenants by the size in their documents, and keeps those of one customer together.

It reads the state of the service on stdin and prints who is to have what. It is a pure function of its input: what it must
remember stands in the plan in force, which is part of the input. See docs/own-rules.md.
"""
import json
import sys
from collections import defaultdict


def size_of(partition):
    """The size in its document; a tenant without one counts as 1."""
    size = (partition.get("document") or {}).get("size", 1)
    return size if isinstance(size, (int, float)) and size > 0 else 1


def customer_of(partition):
    return (partition.get("document") or {}).get("customer", partition["id"])


def assign(given):
    members = {m["name"]: m for m in given["members"] if m["takesPart"]}
    pins = given["placement"]["pins"]
    before = (given["plan"] or {}).get("assignment", {})
    # What people pinned or stopped is theirs: the ordinary roster sees to it.
    free = [p for p in given["partitions"] if p["id"] not in pins and not p["held"]]
    if not members:
        return {"assignment": {}, "log": ["no member takes part: the roster decides"]}

    groups = defaultdict(list)
    for partition in free:
        groups[customer_of(partition)].append(partition)
    total = sum(size_of(p) for p in free)
    weights = sum(m["weight"] for m in members.values())
    share = {name: total * m["weight"] / weights for name, m in members.items()}
    load, number = defaultdict(float), defaultdict(int)
    for instance in pins.values():
        number[instance] += 1

    def fits(name, group):
        most = members[name]["maxPartitions"]
        allowed = all(p["notOn"] != name for p in group)
        return allowed and (most is None or number[name] + len(group) <= most)

    assignment, log = {}, []
    # The largest first: the small ones fill what is left.
    for customer, group in sorted(groups.items(), key=lambda one: (-sum(map(size_of, one[1])), one[0])):
        size = sum(map(size_of, group))
        at = sorted({before.get(p["id"]) for p in group if isinstance(before.get(p["id"]), str)})
        stays = [n for n in at if n in members and fits(n, group) and load[n] + size <= share[n] * 1.1]
        rooms = stays or [n for n in members if fits(n, group)]
        if not rooms:
            log.append(f"{customer}: no member has room for its {len(group)} tenants together; the roster decides")
            continue
        best = min(rooms, key=lambda n: ((load[n] + size) / members[n]["weight"], n))
        load[best] += size
        number[best] += len(group)
        assignment.update({p["id"]: best for p in group})
        if not stays:
            log.append(f"{customer}: {len(group)} tenants of size {size:g} to {best}, the emptiest")
    for name in sorted(members):
        log.append(f"{name}: size {load[name]:g} of a share of {share[name]:g}")
    return {"assignment": assignment, "log": log[-100:]}


if __name__ == "__main__":
    json.dump(assign(json.load(sys.stdin)), sys.stdout)
