"""The ratios Oak / Linux in instructions as one picture: a bar for each item, a line where both are
equal. Wall time is not in it: it depends on what else the host does.
"""

TITLES = {
    "getppid": "getppid", "clock_gettime": "clock_gettime", "read.4k": "read 4 KiB",
    "write.4k": "write 4 KiB", "threads.read.4k": "read 4 KiB, four threads",
    "open.close": "open + close", "stat": "stat",
    "pipe.roundtrip": "pipe round trip",
    "unix.roundtrip": "Unix socket round trip", "tcp.roundtrip": "TCP round trip, lo",
    "futex.wake": "futex wake to run", "mmap.touch.munmap": "mmap + touch + munmap",
    "fault.file": "fault on a mapped file", "fault.file.next": "page of a mapped file, in order",
    "mmap.500m": "mmap of a 500 MiB file", "fork.exit.wait": "fork + exit + wait",
    "vfork.exec.exit": "vfork + exec + exit", "thread.create.join": "thread create + join",
    "fork.256m": "fork, 256 MiB in 1,024 regions", "python.pass": "python3 -c pass",
    "python.container": "a container with python3 -c pass",
    "untar": "untar 2,000 files", "find": "find /", "gcc": "gcc -O2 of one file",
    "sqlite.insert": "sqlite insert", "redis.set": "redis SET", "redis.get": "redis GET",
}
ROW, TOP, LEFT, WIDTH, MAXIMUM = 22, 74, 300, 420, 1.2
OAK, OVER, TEXT, GRID = "#2f6f4f", "#b5542f", "#24292f", "#c8ccd1"


def text(x, y, words, anchor="start", size=13, colour=TEXT):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}">{words}</text>')


def bar(index, name, ratio):
    y = TOP + index * ROW
    length = min(ratio, MAXIMUM) / MAXIMUM * WIDTH
    return [text(LEFT - 56, y + 14, TITLES[name], "end"),
            text(LEFT - 10, y + 14, f"{ratio:.2f}", "end"),
            f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 7}" '
            f'fill="{OAK if ratio <= 1 else OVER}"/>']


def draw(ratios):
    """SVG text, of what has a title. ratios[name] is Oak / Linux."""
    names = [name for name in ratios if name in TITLES]
    height = TOP + len(names) * ROW + 16
    width = LEFT + WIDTH + 16
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="DejaVu Sans, sans-serif">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             text(16, 26, "An Oak container compared with Linux 6.1", size=17),
             text(16, 46, "Instructions of the same program, Oak / Linux: less is better", size=12,
                  colour="#6a737d"),
             text(LEFT + WIDTH / MAXIMUM, TOP - 6, "1.0", "middle", 12)]
    for at in (0, 0.5, 1):
        x = LEFT + at / MAXIMUM * WIDTH
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{height - 14}" '
                     f'stroke="{GRID if at != 1 else TEXT}" stroke-width="1"/>')
    for index, name in enumerate(names):
        parts += bar(index, name, ratios[name])
    return "\n".join(parts + ["</svg>", ""])
