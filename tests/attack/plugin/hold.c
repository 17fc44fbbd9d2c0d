/*
 * A plugin of QEMU that holds single processors up at instructions of the kernel, so that others
 * overtake them where they hardly ever would: tests/attack/held.py.
 *
 * Places are marked at random among the instructions that ran so far. Who comes to one takes its
 * mark, sleeps, and marks another: so marks gather on what rarely runs, and are spread anew each
 * second. Besides, somebody is held now and then wherever he is, which is mostly where much runs.
 *
 * Options: us=MOST microseconds of a hold, seed=NUMBER. Debian has no header for plugins; the
 * interface is that of QEMU 7.2, docs/devel/tcg-plugins.rst.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL       0xffffffff80000000ull
#define PLACES       (1u << 22) /* bytes of the kernel's image */
#define MARKED_PART  64         /* one place of so many */
#define TICK_US      2000
#define TICKS_SPREAD 500

/* --- QEMU's interface ------------------------------------------------------------------------ */

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

#define EXPORT __attribute__((visibility("default")))
EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count,
                               char **options);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t,
                                                              struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            void (*runs)(unsigned int, void *), int flags,
                                            void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*ends)(qemu_plugin_id_t, void *),
                                    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);

int qemu_plugin_version = 1;

/* --- places ---------------------------------------------------------------------------------- */

static uint8_t known[PLACES]; /* all words here are atomic */
static uint8_t marked[PLACES];
static uint32_t place_of[PLACES]; /* the known ones, in the order in which they came */
static uint32_t place_count;
static bool anywhere; /* hold whoever comes next */
static uint64_t holds;

static uint64_t most_us = 1000;
static uint64_t seed = 1;

static uint64_t random_next(void)
{
    static __thread uint64_t state;
    if (state == 0) {
        static uint64_t threads;
        state = (seed + 1000 * __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED)) *
                0x9e3779b97f4a7c15ull;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void place_mark(void)
{
    uint32_t count = __atomic_load_n(&place_count, __ATOMIC_ACQUIRE);
    uint32_t place = __atomic_load_n(&place_of[random_next() % count], __ATOMIC_RELAXED);
    __atomic_store_n(&marked[place], 1, __ATOMIC_RELAXED);
}

static void hold(void)
{
    __atomic_fetch_add(&holds, 1, __ATOMIC_RELAXED);
    usleep((useconds_t)(random_next() % most_us));
}

static void runs(unsigned int processor, void *data)
{
    (void)processor;
    uint8_t *mark = data;
    if (__atomic_load_n(mark, __ATOMIC_RELAXED) != 0 &&
        __atomic_exchange_n(mark, 0, __ATOMIC_RELAXED) != 0) {
        place_mark();
        hold();
    } else if (__atomic_load_n(&anywhere, __ATOMIC_RELAXED) && random_next() % 16 == 0 &&
               __atomic_exchange_n(&anywhere, false, __ATOMIC_RELAXED)) {
        hold();
    }
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t place = qemu_plugin_insn_vaddr(instruction) - KERNEL;
        if (place >= PLACES) {
            continue; /* a program's */
        }
        if (__atomic_exchange_n(&known[place], 1, __ATOMIC_RELAXED) == 0) {
            static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
            pthread_mutex_lock(&lock);
            place_of[place_count] = (uint32_t)place;
            __atomic_store_n(&place_count, place_count + 1, __ATOMIC_RELEASE);
            pthread_mutex_unlock(&lock);
        }
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, runs, 0, &marked[place]);
    }
}

static void *spread(void *unused)
{
    (void)unused;
    for (uint32_t tick = 0;; tick++) {
        usleep(TICK_US);
        __atomic_store_n(&anywhere, true, __ATOMIC_RELAXED);
        uint32_t count = __atomic_load_n(&place_count, __ATOMIC_ACQUIRE);
        if (tick % TICKS_SPREAD == 0 && count != 0) {
            for (uint32_t place = 0; place < PLACES; place++) {
                __atomic_store_n(&marked[place], 0, __ATOMIC_RELAXED);
            }
            for (uint32_t i = 0; i < count / MARKED_PART; i++) {
                place_mark();
            }
        }
    }
    return NULL;
}

static void ends(qemu_plugin_id_t id, void *unused)
{
    (void)id;
    (void)unused;
    fprintf(stderr, "holds %" PRIu64 " places %u\n", holds, place_count);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count,
                        char **options)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        if (strncmp(options[i], "us=", 3) == 0) {
            most_us = strtoull(options[i] + 3, NULL, 10);
        } else if (strncmp(options[i], "seed=", 5) == 0) {
            seed = strtoull(options[i] + 5, NULL, 10);
        }
    }
    pthread_t thread;
    if (most_us == 0 || pthread_create(&thread, NULL, spread, NULL) != 0) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ends, NULL);
    return 0;
}
