#@ image python3
#@ command python3 -c
#@ seconds 100 3600
"""Python's own tests: each test of each module is one check. A module has a process of its own, so
that one that hangs or dies costs only its own tests."""
import os
import subprocess
import sys

SHORT = ["test_mmap", "test_select", "test_posix"]
FULL = SHORT + """test_json test_os test_subprocess test_threading test_signal test_tempfile test_shutil test_re
    test_sqlite3 test_pathlib test_glob test_io test_file test_fileio test_fcntl test_stat test_time
    test_zipfile test_tarfile test_gzip test_bz2 test_lzma test_zlib test_pickle test_struct
    test_thread test_threadsignals test_queue test_concurrent_futures test_random test_resource
    test_pwd test_grp test_platform test_wait3 test_wait4 test_fork1 test_popen test_pipes test_pty
    test_tty test_termios test_eintr test_faulthandler test_gc test_weakref test_socket
    test_selectors test_poll test_epoll test_asyncio test_multiprocessing_fork
    test_multiprocessing_spawn test_posixpath test_mailbox test_dbm_dumb test_largefile
    test_hashlib test_ssl test_locale test_sched test_ioctl test_socketserver test_support
    test_cmd_line test_venv test_compileall test_py_compile test_import test_unicode test_float
    test_math test_itertools test_decimal test_datetime""".split()
SECONDS = {"test_concurrent_futures": 900, "test_asyncio": 900, "test_multiprocessing_spawn": 1200}

ONE = r'''
import sys, unittest, os, signal, tempfile
from test import support
from test.support import os_helper
support.verbose = 0
support.use_resources = []
module = sys.argv[1]
os.chdir(tempfile.mkdtemp())

class Result(unittest.TestResult):
    def say(self, test, what):
        name = test.id().replace("\n", " ")
        os.write(out, f"== {module}: {name}\n{what}\n".encode())
    def addSuccess(self, test): self.say(test, "ok")
    def addExpectedFailure(self, test, error): self.say(test, "ok")
    def addSkip(self, test, reason): self.say(test, "skipped")
    def addFailure(self, test, error): self.wrong(test, "failed", error)
    def addError(self, test, error): self.wrong(test, "failed", error)
    def addUnexpectedSuccess(self, test): self.say(test, "unexpected success")
    def wrong(self, test, what, error):
        self.say(test, what)
        os.write(out, f"why: {error[0].__name__} {error[1]}".replace("\n", " ")[:300].encode() + b"\n")
        support.verbose and print(self._exc_info_to_string(error, test))
    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.wrong(subtest, "failed", error)

out = os.dup(1)
quiet = os.open("/dev/null", os.O_RDWR)
os.dup2(quiet, 1)
os.dup2(quiet, 2)
try:
    suite = unittest.defaultTestLoader.loadTestsFromName("test." + module)
except unittest.SkipTest as reason:
    os.write(out, b"skipped as a whole\n")
    sys.exit()
suite.run(Result())
'''


def main():
    for module in SHORT if sys.argv[1] == "short" else FULL:
        print(f"== {module}", flush=True)
        with subprocess.Popen([sys.executable, "-c", ONE, module], start_new_session=True) as child:
            try:
                code = child.wait(SECONDS.get(module, 400))
            except subprocess.TimeoutExpired:
                code = "none"
                os.killpg(child.pid, 9)
        print(f"== {module} ends\ncode {code}", flush=True)


main()
