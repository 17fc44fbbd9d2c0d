# Compiling, linking and running: threads, shared libraries, sanitizers, and make with two jobs.
#@ seconds 120
exec 2>&1
cd "$(mktemp -d)" || exit 1
echo "== a program"
cat >hello.c <<'END'
#include <stdio.h>
#include <math.h>
int main(int argc, char **argv) { printf("hello from %s %d %.6f\n", argv[0], argc, sqrt(2.0)); return 42; }
END
for flags in -O0 -O2 '-O2 -static' '-O1 -fno-pie -no-pie' '-Os -flto'; do gcc $flags hello.c -o hello -lm && ./hello a b; echo "code $?"; done
echo "== threads and memory"
cat >work.c <<'END'
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
static atomic_long count; static _Thread_local long own; static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; static long locked;
static void *work(void *a) { for (int i = 0; i < 20000; i++) { own++; atomic_fetch_add(&count, 1); pthread_mutex_lock(&lock); locked++; pthread_mutex_unlock(&lock); if (i % 100 == 0) { void *p = malloc(1 + i * 10); memset(p, 1, i); free(p); } } return (void *)own; }
int main(void) { pthread_t t[8]; long sum = 0; for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, work, NULL); for (int i = 0; i < 8; i++) { void *r; pthread_join(t[i], &r); sum += (long)r; }
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6); int (*made)(void) = (int (*)(void))code;
    void *huge = mmap(NULL, 1ul << 44, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    printf("%ld %ld %ld %d %s\n", (long)count, locked, sum, made(), huge == MAP_FAILED ? "refused" : "16 TiB"); return 0; }
END
gcc -O2 -pthread work.c -o work && ./work
echo "== a storm of spawns"
cat >storm.c <<'END'
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
static atomic_int good; static char *argv[] = {"true", NULL}; static char *bad[] = {"none", NULL};
static void *storm(void *a) { for (int i = 0; i < 30; i++) { pid_t p; int status; if (posix_spawn(&p, "/bin/true", NULL, NULL, argv, NULL) == 0 && waitpid(p, &status, 0) == p && status == 0) good++; if (posix_spawn(&p, "/no/such", NULL, NULL, bad, NULL) == 2) good++; } return a; }
int main(void) { pthread_t t[8]; for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, storm, NULL); for (int i = 0; i < 8; i++) pthread_join(t[i], NULL); printf("%d, left %d\n", good, waitpid(-1, NULL, 0)); return 0; }
END
gcc -O1 -pthread storm.c -o storm && ./storm
echo "== libraries"
echo 'int twice(int x) { return 2 * x; } __attribute__((constructor)) static void begin(void) { __builtin_printf("loaded\n"); }' >lib.c; echo 'int twice(int); int main(void) { return twice(21); }' >use.c
gcc -shared -fPIC lib.c -o libtwice.so && gcc use.c -L. -ltwice -Wl,-rpath,. -o use && ./use; echo "code $?"; ldd use | grep -c libtwice; gcc -c lib.c && ar rcs libone.a lib.o && gcc use.c libone.a -o use && ./use; echo "code $?"; nm use | grep -c ' twice$'; strip use && ./use; echo "code $?"
printf '#include <dlfcn.h>\nint main(void) { void *l = dlopen("./libtwice.so", RTLD_NOW); return ((int (*)(int))dlsym(l, "twice"))(4); }\n' >dl.c; gcc dl.c -o dl && ./dl; echo "code $?"; LD_PRELOAD=./libtwice.so /bin/true; LD_DEBUG=statistics ./dl 2>&1 | grep -c 'relocations'
echo "== errors"
echo 'int main(void) { return x; }' >bad.c; gcc bad.c; echo "code $?"; echo 'int f(void); int main(void) { return f(); }' >undefined.c; gcc undefined.c 2>&1 | grep -c 'undefined reference'; printf 'int main(void) { *(volatile int *)8 = 1; }' >crash.c; gcc crash.c -o crash; bash -c './crash; echo "code $?"' 2>/dev/null; printf 'int f(int n) { volatile char b[1000]; b[0] = n; return f(n + 1) + b[0]; } int main(void) { return f(0); }' >deep.c; gcc -O0 deep.c -o deep; bash -c './deep; echo "code $?"' 2>/dev/null
echo "== sanitizers"
cat >wrong.c <<'END'
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) { char *p = malloc(10); if (argc > 1) { switch (argv[1][0]) { case 'h': return p[10]; case 'u': free(p); return p[0]; case 's': { char b[4]; memcpy(b, argv[1], strlen(argv[1]) + 1); return b[0]; } case 'l': p = NULL; return 0; case 'o': return argc + 0x7fffffff; } } free(p); return 0; }
END
gcc -g -O0 -fsanitize=address,undefined wrong.c -o wrong && for kind in '' heap use stack-overflow leak overflow; do ./wrong $kind 2>&1 | grep -oE 'SUMMARY: [A-Za-z]+: ?[0-9a-z-]+|runtime error: [a-z ]+' | head -n 1; done
gcc -g -fsanitize=address hello.c -lm -o hello && ./hello; echo "code $?"; gcc -fsanitize=thread -pthread work.c -o raced 2>/dev/null && ./raced 2>&1 | tail -n 1
echo "== make"
mkdir project; cd project || exit 1; printf 'CC = gcc\nobjects := $(patsubst %%.c,%%.o,$(wildcard *.c))\nprogram: $(objects)\n\t$(CC) -o $@ $^\n%%.o: %%.c\n\t@$(CC) -c $< -o $@\nclean:\n\trm -f *.o program\n' >Makefile
echo 'int main(void) {' >main.c; for i in 1 2 3 4 5 6; do echo "int f$i(void) { return $i; }" >f$i.c; sed -i "1i int f$i(void);" main.c; echo "if (f$i() != $i) return 1;" >>main.c; done; echo 'return 0; }' >>main.c
make -s -j2 && ./program; echo "code $?"; make -q; echo "up to date $?"; touch f1.c; make -s -n | grep -c 'gcc -o'; make clean; printf 'all:\n\t@false\n' >bad.mk; make -f bad.mk; echo "code $?"
exit 0
