/* System calls that do not wait: of the process, of the clock, of files that are in memory. */
#include "bench/linux/micro/micro.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES  4096
#define THREADS      4
#define THREAD_CALLS 5000

static int file = -1;
static char block[BLOCK_BYTES];

static void getppid_operate(void)
{
    syscall(SYS_getppid);
}

static void clock_operate(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
}

static void image_prepare(void)
{
    file = open(IMAGE_FILE, O_RDONLY);
    must(file >= 0, IMAGE_FILE);
}

static void written_prepare(void)
{
    file = open(WRITTEN_FILE, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(file >= 0, WRITTEN_FILE);
    must(pwrite(file, block, sizeof(block), 0) == BLOCK_BYTES, "pwrite");
}

static void file_finish(void)
{
    close(file);
}

static void read_operate(void)
{
    must(pread(file, block, sizeof(block), 0) == BLOCK_BYTES, "pread");
}

static void write_operate(void)
{
    must(pwrite(file, block, sizeof(block), 0) == BLOCK_BYTES, "pwrite");
}

static void open_operate(void)
{
    int opened = open(IMAGE_FILE, O_RDONLY);
    must(opened >= 0 && close(opened) == 0, "open, close");
}

static void stat_operate(void)
{
    struct stat about;
    must(stat(IMAGE_FILE, &about) == 0, "stat");
}

static void *thread_calls(void *argument)
{
    char own[BLOCK_BYTES];
    for (int i = 0; i < THREAD_CALLS; i++) {
        must(pread(file, own, sizeof(own), 0) == BLOCK_BYTES, "pread");
    }
    return argument;
}

static void threads_operate(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        must(pthread_create(&threads[i], NULL, thread_calls, NULL) == 0, "pthread_create");
    }
    for (int i = 0; i < THREADS; i++) {
        must(pthread_join(threads[i], NULL) == 0, "pthread_join");
    }
}

const struct item call_items[] = {
    {"getppid", 5000, 1, NULL, getppid_operate, NULL},
    {"clock_gettime", 5000, 1, NULL, clock_operate, NULL},
    {"read.4k", 2000, 1, image_prepare, read_operate, file_finish},
    {"write.4k", 2000, 1, written_prepare, write_operate, file_finish},
    {"open.close", 2000, 1, NULL, open_operate, NULL},
    {"stat", 2000, 1, NULL, stat_operate, NULL},
    {"threads.read.4k", 1, THREADS *THREAD_CALLS, image_prepare, threads_operate, file_finish},
    {NULL, 0, 0, NULL, NULL, NULL},
};
