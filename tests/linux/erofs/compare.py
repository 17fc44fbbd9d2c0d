#!/usr/bin/python3
"""Judges what Linux and the personality show of changed images: compare.py LINUX HERE, two outputs of
walk.c. Every difference has to fall under one of the reasons below; most say that the personality
refuses, where Linux goes on with what is inconsistent.
"""
import collections
import sys

CORRUPT = "E117"  # EUCLEAN
SECONDS_MAX = 2**63 // 10**9 - 1


def output_read(path):
    """The unchanged image's facts, {variant: its other facts}, and the number of variants."""
    unchanged, variants, count = {}, collections.defaultdict(dict), None
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            words = line.split()
            if len(words) == 2 and words[0] == "variants":
                count = int(words[1])
            elif len(words) == 5 and words[0].isdigit():
                offset, change, name, fact, value = words
                facts = unchanged if change == "00" else variants[int(offset), change]
                facts[name, fact] = value
    return unchanged, variants, count


def failed(value):
    return value.startswith("E")


def shown(key, facts, unchanged):
    """What a variant shows of that fact; "" when it cannot be asked for."""
    name, fact = key
    mount = facts.get(("/", "mount"), "done")
    if fact != "mount" and failed(mount):
        return ""
    stat = facts.get((name, "stat"), unchanged.get((name, "stat"), ""))
    if fact not in ("mount", "stat") and failed(stat):
        return ""
    return facts.get(key, unchanged.get(key, ""))


def stat_reason(linux, here):
    names = ("mode", "uid", "gid", "links", "device", "size", "seconds")
    there, ours = (dict(zip(names, value.split(":"))) for value in (linux, here))
    differs = {name for name in names if there[name] != ours[name]}
    if "links" in differs and (there["links"], ours["links"]) == ("0", "1"):
        differs.remove("links")
    if "seconds" in differs and abs(int(there["seconds"])) > SECONDS_MAX and ours["seconds"] == "0":
        differs.remove("seconds")
    if "size" in differs and ours["mode"][:-4] not in ("4", "10", "12") and ours["size"] == "0":
        differs.remove("size")
    return None if differs else ("no file has 0 links, a time that nanoseconds in 64 bits do not hold "
                                 "is 0, special files have no size")


def reason(fact, linux, here):
    """Why they may differ so; None: they may not."""
    if fact == "mount":
        return ("a root or superblock that is not understood is EUCLEAN; no program sees it"
                if here == CORRUPT else
                "the superblock's checksum and extensions are not looked at"
                if linux in ("E22", "E74") else None)
    if here == CORRUPT:
        return "what is inconsistent is refused as a whole (EUCLEAN)"
    if fact == "stat":
        if failed(linux) or failed(here):
            return ("names that are out of order are found by chance"
                    if {linux, here} & {"E2"} or linux == CORRUPT else None)
        return stat_reason(linux, here)
    if fact == "list" and not failed(linux) and not failed(here):
        return "two equal names are listed once, one that is . or .. is not"
    if fact == "read" and linux in ("E95", CORRUPT):
        return "an access list is not looked at, and cannot be wrong"
    if fact == "xattrs" and not failed(linux) and not failed(here):
        return "attributes that are not user.* are not shown"
    return None


def main():
    linux_unchanged, linux, count = output_read(sys.argv[1])
    here_unchanged, here, here_count = output_read(sys.argv[2])
    tests = []
    tests.append((len(linux_unchanged) > 20 and linux_unchanged == here_unchanged,
                  "the unchanged image shows the same"))
    tests.append((count is not None and count == here_count,
                  f"both sides went through all {count} variants"))
    ended = [variant for variant, facts in here.items()
             if facts.get(("/", "mount"), "").startswith("status")]
    tests.append((not ended, f"no variant crashes or hangs the reader {ended[:4] or ''}"))
    reasons, others, equal = collections.Counter(), [], count or 0
    for variant in sorted(linux.keys() | here.keys()):
        why = set()
        for key in sorted(linux[variant].keys() | here[variant].keys()):
            there = shown(key, linux[variant], linux_unchanged)
            ours = shown(key, here[variant], here_unchanged)
            if there == ours or "" in (there, ours):
                continue  # or it was told before that it cannot be asked for
            why.add(reason(key[1], there, ours))
            if None in why:
                others.append((variant, *key, there, ours))
        reasons.update(why - {None})
        equal -= bool(why)
    tests.append((not others, "what differs has a known reason"))
    tests.append((equal > (count or 0) / 2, f"{equal} of {count} variants show the same in everything"))
    for number, (good, sentence) in enumerate(tests, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {sentence}")
    for why, variants in reasons.most_common():
        print(f"# {variants}: {why}")
    for other in others[:20]:
        print("#", *other)
    print(f"1..{len(tests)}")
    sys.exit(0 if all(good for good, _ in tests) else 1)


main()
