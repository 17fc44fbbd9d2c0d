#@ command python3 -c
"""Everyday work of Python's library: files, processes, threads, compression, databases, text."""
import bz2, collections, concurrent.futures, contextlib, csv, ctypes, datetime, decimal, fcntl, glob
import gzip, hashlib, io, json, lzma, mmap, multiprocessing, os, pathlib, pickle, queue, random, re
import resource, select, shutil, signal, sqlite3, stat, struct, subprocess, sys, tarfile, tempfile
import textwrap, threading, time, zipfile, zlib


def check(name):
    print("==", name, flush=True)


os.chdir(tempfile.mkdtemp())
check("version")
print(sys.version.split()[0], sys.platform, os.name, os.uname().sysname, sys.maxsize)

check("files")
path = pathlib.Path("a/b/c")
path.mkdir(parents=True)
(path / "file").write_text("text\n" * 1000)
print((path / "file").stat().st_size, sorted(str(p) for p in pathlib.Path(".").rglob("*")))
os.link(path / "file", "hard")
os.symlink("hard", "soft")
print(os.stat("hard").st_nlink, os.readlink("soft"), stat.filemode(os.lstat("soft").st_mode))
os.utime("hard", ns=(10**18, 10**18 + 123456789))
print(os.stat("soft").st_mtime_ns)
shutil.copytree("a", "copy")
print(sorted(os.listdir("copy/b/c")), glob.glob("**/file", recursive=True).__len__())
with os.scandir(".") as entries:
    print(sorted((e.name, e.is_dir(), e.is_symlink()) for e in entries))
shutil.rmtree("copy")
with open("sparse", "wb") as file:
    file.seek(10 << 20)
    file.write(b"end")
    file.truncate(20 << 20)
print(os.path.getsize("sparse"), os.stat("sparse").st_blocks < 100)
with open("hard", "r+b") as file:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with mmap.mmap(file.fileno(), 0) as mapping:
        mapping[0:4] = b"TEXT"
        print(mapping.find(b"text"), mapping[:8])
        mapping.flush()
print(open("soft").readline().strip())
directory = os.open("a", os.O_RDONLY)
print(os.listdir(directory), os.access("b", os.R_OK, dir_fd=directory))
try:
    os.open("none", os.O_RDONLY, dir_fd=directory)
except FileNotFoundError as error:
    print(error.errno, error.strerror)

check("processes")
print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True))
print(subprocess.run(["tr", "a-z", "A-Z"], input=b"shout", capture_output=True).stdout)
child = subprocess.Popen(["sleep", "100"])
child.terminate()
print(child.wait())
print(subprocess.run("exit 5", shell=True).returncode)
try:
    subprocess.run(["sleep", "10"], timeout=0.2)
except subprocess.TimeoutExpired as error:
    print("timeout")
try:
    subprocess.run(["/no/such/program"])
except FileNotFoundError as error:
    print(error)
pid = os.fork()
if pid == 0:
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 4"], {})
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

check("signals")
caught = []
signal.signal(signal.SIGUSR1, lambda number, frame: caught.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda number, frame: caught.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.05)
signal.pause()
print(caught)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigwait({signal.SIGUSR2}))

check("threads")
results = queue.Queue()
lock = threading.Lock()
total = 0
def work(number):
    global total
    for _ in range(2000):
        with lock:
            total += number
    results.put(number)
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(total, sorted(results.get() for _ in threads))
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(list(pool.map(lambda n: n * n, range(10))))
event = threading.Event()
threading.Timer(0.05, event.set).start()
print(event.wait(10), event.wait(0.01), threading.Condition().acquire())

check("processes that work together")
context = multiprocessing.get_context("fork")
first, second = context.Pipe(duplex=False)
worker = context.Process(target=lambda: second.send({"pid": os.getpid() != 0}))
worker.start()
print(first.recv(), worker.join(), worker.exitcode)
shared = context.Array("i", 10)
workers = [context.Process(target=lambda i=i: shared.__setitem__(i, i * i)) for i in range(10)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
print(shared[:])

check("waiting for descriptors")
reader, writer = os.pipe()
print(select.select([reader], [writer], [], 0)[1] == [writer])
poll = select.poll()
poll.register(reader, select.POLLIN)
print(poll.poll(10))
os.write(writer, b"x")
print([event for _, event in poll.poll(1000)], os.read(reader, 10))
os.set_blocking(reader, False)
try:
    os.read(reader, 1)
except BlockingIOError as error:
    print(error)

check("compression and archives")
data = ("to be or not to be " * 5000).encode()
print(len(zlib.compress(data)), len(bz2.compress(data)), len(lzma.compress(data)))
print(gzip.decompress(gzip.compress(data)) == data, zlib.crc32(data), zlib.adler32(data))
for number in range(50):
    pathlib.Path(f"a/{number}").write_bytes(data[number:number + 1000])
with tarfile.open("a.tar.xz", "w:xz") as tar:
    tar.add("a")
with tarfile.open("a.tar.xz") as tar:
    print(len(tar.getnames()))
    tar.extractall("from_tar")
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for name in sorted(glob.glob("a/**", recursive=True)):
        archive.write(name)
print(zipfile.ZipFile("a.zip").testzip(), os.listdir("from_tar/a").__len__())

check("databases")
database = sqlite3.connect("data.db")
with database:
    database.execute("create table t (id integer primary key, name text, value real)")
    database.executemany("insert into t (name, value) values (?, ?)",
                         ((f"name{i}", i / 7) for i in range(5000)))
print(database.execute("select count(*), round(sum(value), 3), max(name) from t").fetchone())
print(database.execute("pragma integrity_check").fetchone(), database.execute("pragma journal_mode=wal").fetchone())

check("text, numbers and digests")
print(json.dumps({"b": [1, 2.5, None, True], "a": "\u00e9"}, sort_keys=True), json.loads("[1e3]"))
print(re.sub(r"(\w+) (\w+)", r"\2 \1", "hello world"), re.findall(r"\d+", "a1b22c333"))
print(decimal.Decimal(1) / 7, 2**200, datetime.date(2024, 2, 29) + datetime.timedelta(365))
print(hashlib.sha256(data).hexdigest(), hashlib.blake2b(data).hexdigest()[:16])
random.seed(1); print(random.random(), random.sample(range(100), 5))
print(list(csv.reader(io.StringIO('a,"b,c",d\n'))), struct.pack("<IHd", 1, 2, 3.0).hex())
print(pickle.loads(pickle.dumps({"x": (1, 2)})), textwrap.fill("word " * 20, 40))
print(ctypes.CDLL(None).abs(-5))

check("limits and time")
print(resource.getrlimit(resource.RLIMIT_STACK), resource.getrusage(resource.RUSAGE_SELF).ru_utime >= 0)
begin = time.monotonic(); time.sleep(0.1); print(0.1 <= time.monotonic() - begin < 5, time.process_time() > 0)
print(time.strftime("%F %T", time.gmtime(0)), os.cpu_count() >= 1, len(os.urandom(16)), os.sched_getaffinity(0) != set())
pathlib.Path("/dev/shm/x").write_text("x"); print(os.listdir("/dev/shm")); os.unlink("/dev/shm/x")
