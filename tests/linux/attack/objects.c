/* Objects of files, terminals and System V IPC: all there are of them, and many processes at the
 * same one while it goes. */
#include "tests/linux/attack/attack.h"

#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* --- all there are ---------------------------------------------------------------------------- */

static void segments_many(uint64_t limit)
{
    for (uint64_t i = 0; i < limit; i++) {
        int id = shmget(IPC_PRIVATE, 1ul << 36, 0600);
        char *map = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
        if (map == (void *)-1) {
            break;
        }
        map[i * PAGE_BYTES] = 1;
        shmctl(id, IPC_RMID, NULL); /* its mapping keeps it */
    }
}

static void segments_left(uint64_t limit)
{
    for (uint64_t i = 0; i < limit && shmget(IPC_PRIVATE, PAGE_BYTES, 0600) >= 0; i++) {
    }
}

static void semaphores_many(uint64_t limit)
{
    for (uint64_t i = 0; i < limit; i++) {
        int id = semget(IPC_PRIVATE, 32000, 0600);
        struct sembuf change = {(unsigned short)(i % 32000), 1, SEM_UNDO};
        if (id < 0 || semop(id, &change, 1) != 0) {
            break;
        }
    }
}

static void messages_many(uint64_t limit)
{
    static struct {
        long type;
        char text[8192];
    } message = {.type = 1};
    for (uint64_t i = 0; i < limit; i++) {
        int id = msgget(IPC_PRIVATE, 0600);
        if (id < 0) {
            break;
        }
        while (msgsnd(id, &message, i % 2 ? 0 : sizeof(message.text), IPC_NOWAIT) == 0) {
        }
    }
}

static void objects_remove(void)
{
    for (int i = 0; i < 4096; i++) {
        struct shmid_ds segment;
        struct msqid_ds queue;
        struct semid_ds set;
        int id = shmctl(i, SHM_STAT, &segment);
        if (id >= 0) {
            shmctl(id, IPC_RMID, NULL);
        }
        id = msgctl(i, MSG_STAT, &queue);
        if (id >= 0) {
            msgctl(id, IPC_RMID, NULL);
        }
        id = semctl(i, 0, SEM_STAT, &set);
        if (id >= 0) {
            semctl(id, 0, IPC_RMID);
        }
    }
}

static void terminals_many(uint64_t limit)
{
    for (uint64_t i = 0; i < limit; i++) {
        int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
        int locked = 0;
        if (master < 0) {
            break;
        }
        ioctl(master, TIOCSPTLCK, &locked);
        int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
        static char bytes[4096];
        while (write(slave, bytes, sizeof(bytes)) > 0) {
        }
        if (i % 2 != 0) {
            close(master);
        }
    }
}

static void memory_files_many(uint64_t limit)
{
    for (uint64_t i = 0; i < limit; i++) {
        int file = (int)syscall(SYS_memfd_create, "many", 0);
        if (file < 0 || ftruncate(file, 1l << 35) != 0 || pwrite(file, "x", 1, 1l << 34) != 1) {
            break;
        }
    }
}

static void attributes_many(uint64_t limit)
{
    static char value[65536];
    char name[32];
    mkdir("/tmp/attributes", 0700);
    for (uint64_t i = 0; i < limit; i++) {
        snprintf(name, sizeof(name), "/tmp/attributes/%d", (int)(i / 4));
        close(open(name, O_CREAT | O_WRONLY, 0600));
        if (setxattr(name, "user.large", value, sizeof(value), 0) != 0 && errno != ENOSPC) {
            break;
        }
    }
    for (uint64_t i = 0; i < limit / 4; i++) {
        snprintf(name, sizeof(name), "/tmp/attributes/%d", (int)i);
        unlink(name);
    }
}

/* Each holds the one above it: they go one after the other, not one within the other. */
static void removed_many(uint64_t depth)
{
    mkdir("/tmp/deep", 0700);
    chdir("/tmp/deep");
    uint64_t made = 0;
    while (made < depth && mkdir("d", 0700) == 0 && chdir("d") == 0) {
        made++;
    }
    for (uint64_t i = 0; i < made; i++) {
        if (rmdir("../d") != 0 || fchdir(open("..", O_PATH)) != 0) {
            break;
        }
    }
    chdir("/");
}

static void removed_chain(uint64_t depth)
{
    static int opened[1000];
    uint64_t made = 0;
    mkdir("/tmp/chain", 0700);
    chdir("/tmp/chain");
    while (made < depth && mkdir("d", 0700) == 0 && chdir("d") == 0) {
        opened[made++] = open(".", O_PATH);
    }
    while (made-- > 0) {
        unlinkat(made == 0 ? open("/tmp/chain", O_PATH) : opened[made - 1], "d", AT_REMOVEDIR);
        close(opened[made]);
    }
    chdir("/"); /* the last reference to the lowest: now all of them go */
}

/* --- while it goes ---------------------------------------------------------------------------- */

static void segment_races(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        int id = shmget(IPC_PRIVATE, 3 * PAGE_BYTES, 0600);
        pid_t pids[3];
        for (int child = 0; child < 3; child++) {
            pids[child] = fork();
            if (pids[child] == 0) {
                for (int j = 0; j < 50; j++) {
                    char *map = shmat(id, NULL, child == 0 ? SHM_RDONLY : 0);
                    struct shmid_ds about;
                    shmctl(id, IPC_STAT, &about);
                    if (map != (void *)-1) {
                        shmdt(map);
                    }
                }
                _exit(0);
            }
        }
        sched_yield();
        shmctl(id, IPC_RMID, NULL);
        for (int child = 0; child < 3; child++) {
            waitpid(pids[child], NULL, 0);
        }
    }
}

static void set_races(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        int id = semget(IPC_PRIVATE, 2, 0600);
        pid_t pids[4];
        for (int child = 0; child < 4; child++) {
            pids[child] = fork();
            if (pids[child] == 0) {
                struct sembuf change[2] = {{0, (short)(child % 2 ? 1 : -1), SEM_UNDO},
                                           {1, (short)(child % 2 ? -1 : 1), 0}};
                while (semop(id, change, 2) == 0) {
                }
                _exit(0);
            }
        }
        sleep_ms(1);
        semctl(id, 0, IPC_RMID);
        for (int child = 0; child < 4; child++) {
            waitpid(pids[child], NULL, 0);
        }
    }
}

static void terminal_races(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
        int locked = 0;
        ioctl(master, TIOCSPTLCK, &locked);
        int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
        pid_t pids[3];
        for (int child = 0; child < 3; child++) {
            pids[child] = fork();
            if (pids[child] == 0) {
                close(master);
                setsid();
                ioctl(slave, TIOCSCTTY, 0);
                static char bytes[3000];
                while (child == 0 ? write(slave, bytes, sizeof(bytes)) > 0
                                  : read(slave, bytes, sizeof(bytes)) > 0) {
                }
                open("/dev/tty", O_RDWR);
                _exit(0);
            }
        }
        write(master, "some bytes\n", 11);
        sched_yield();
        close(master);
        close(slave);
        for (int child = 0; child < 3; child++) {
            waitpid(pids[child], NULL, 0);
        }
    }
}

/* A file that is cut and grows while others store into it, fork and unmap it. */
static void mapping_races(uint64_t rounds)
{
    int file = open("/tmp/mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(file, 8 * PAGE_BYTES);
    pid_t pids[3];
    for (int child = 0; child < 3; child++) {
        pids[child] = fork();
        if (pids[child] == 0) {
            for (;;) {
                pid_t pid = fork();
                if (pid == 0) {
                    char *map = mmap(NULL, 8 * PAGE_BYTES, PROT_READ | PROT_WRITE,
                                     child == 0 ? MAP_PRIVATE : MAP_SHARED, file, 0);
                    for (int j = 0; j < 100000; j++) {
                        map[j % 8 * (long)PAGE_BYTES]++; /* SIGBUS sooner or later */
                    }
                    _exit(0);
                }
                if (pid > 0) {
                    waitpid(pid, NULL, 0);
                }
            }
        }
    }
    for (uint64_t i = 0; i < rounds; i++) {
        ftruncate(file, (off_t)(i % 9 * PAGE_BYTES));
        pread(file, (char[100]){0}, 100, 3 * PAGE_BYTES);
        sched_yield();
    }
    for (int child = 0; child < 3; child++) {
        kill(pids[child], SIGKILL);
        waitpid(pids[child], NULL, 0);
    }
}

static void splice_races(uint64_t rounds)
{
    int first[2], second[2];
    if (pipe2(first, O_NONBLOCK) != 0 || pipe2(second, O_NONBLOCK) != 0) {
        return;
    }
    pid_t pids[4];
    for (int child = 0; child < 4; child++) {
        pids[child] = fork();
        if (pids[child] == 0) {
            static char bytes[5000];
            for (;;) {
                switch (child) {
                case 0:
                    splice(first[0], NULL, second[1], NULL, 7000, 0);
                    break;
                case 1:
                    splice(second[0], NULL, first[1], NULL, 3000, 0);
                    break;
                case 2:
                    tee(first[0], second[1], 9000, 0);
                    read(second[0], bytes, sizeof(bytes));
                    break;
                default:
                    write(first[1], bytes, sizeof(bytes));
                    read(first[0], bytes, 100);
                }
            }
        }
    }
    for (uint64_t i = 0; i < rounds; i++) {
        fcntl(first[0], F_SETPIPE_SZ, 4096 << i % 6);
        fcntl(second[0], F_SETPIPE_SZ, 4096 << i % 5);
        sched_yield();
    }
    for (int child = 0; child < 4; child++) {
        kill(pids[child], SIGKILL);
        waitpid(pids[child], NULL, 0);
    }
}

/* --- authority -------------------------------------------------------------------------------- */

/* What a user may not: 99 says that he could. */
static void user_gains(uint64_t argument)
{
    (void)argument;
    int id = shmget(IPC_PRIVATE, PAGE_BYTES, 0604);
    int file = open("/tmp/setroot", O_RDWR | O_CREAT | O_TRUNC, 0666);
    fchmod(file, 06777);
    if (setgid(1000) != 0 || setuid(1000) != 0) {
        return;
    }
    char *map = shmat(id, NULL, SHM_RDONLY);
    if (map == (void *)-1 || mprotect(map, PAGE_BYTES, PROT_READ | PROT_WRITE) == 0) {
        _exit(map == (void *)-1 ? 0 : 99);
    }
    struct stat about;
    write(file, "x", 1);
    fstat(file, &about);
    if ((about.st_mode & 06000) != 0 || setuid(0) == 0 || setgid(0) == 0 ||
        shmctl(id, IPC_RMID, NULL) == 0 || chown("/tmp/setroot", 1000, 1000) == 0 ||
        setxattr("/tmp/setroot", "security.capability", "x", 1, 0) == 0 || chroot("/tmp") == 0) {
        _exit(99);
    }
}

/* Whoever stays behind on the terminal of a session that has ended neither reads nor writes there:
 * 99 says that he could. */
static void left_behind(uint64_t argument)
{
    (void)argument;
    int gate[2];
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    int locked = 0;
    ioctl(master, TIOCSPTLCK, &locked);
    if (pipe(gate) != 0) {
        return;
    }
    pid_t leader = fork();
    if (leader == 0) {
        setsid();
        int slave = ioctl(master, TIOCGPTPEER, O_RDWR);
        pid_t behind = fork();
        if (behind == 0) {
            char byte;
            signal(SIGHUP, SIG_IGN);
            close(gate[1]);
            read(gate[0], &byte, 1);
            bool gone = write(slave, "x", 1) < 0 && errno == EIO && read(slave, &byte, 1) == 0 &&
                        open("/dev/tty", O_RDWR) < 0;
            write(master, gone ? "g" : "b", 1);
            _exit(0);
        }
        setpgid(behind, behind);
        _exit(0);
    }
    waitpid(leader, NULL, 0);
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY); /* opened afterwards: it works */
    write(gate[1], "x", 1);
    char line[2] = "";
    read(master, line, 1); /* the echo of what was found */
    _exit(slave >= 0 && line[0] == 'g' ? 0 : 99);
}

static int pipe_filler(void *argument)
{
    static uint8_t bytes[4096];
    const int *ends = argument;
    while (write(ends[1], bytes, 1 + random_next() % sizeof(bytes)) > 0) {
    }
    return 0;
}

static int pipe_emptier(void *argument)
{
    static uint8_t bytes[4096];
    const int *ends = argument;
    while (read(ends[0], bytes, sizeof(bytes)) > 0) {
    }
    return 0;
}

/* From one pipe into another that somebody else fills meanwhile, until it is killed. */
static void splice_full(uint64_t unused)
{
    static int from[2], to[2];
    (void)unused;
    if (pipe(from) != 0 || pipe(to) != 0) {
        _exit(0);
    }
    thread_start(pipe_filler, from, 0);
    thread_start(pipe_filler, to, 0);
    thread_start(pipe_emptier, to, 0);
    for (;;) {
        (void)splice(from[0], NULL, to[1], NULL, 4096, 0);
    }
}

int main(void)
{
    attack("segments_many", segments_many, 5000, 20000);
    attack("segments_left", segments_left, 5000, 20000);
    attack("semaphores_many", semaphores_many, 5000, 20000);
    attack("messages_many", messages_many, 5000, 20000);
    objects_remove();
    attack("terminals_many", terminals_many, 1100, 30000);
    attack("terminals_many", terminals_many, 100, 30000);
    attack("memory_files_many", memory_files_many, 2000, 20000);
    attack("attributes_many", attributes_many, 2000, 20000);
    attack("removed_many", removed_many, 3000, 20000);
    attack_that_ends("removed_chain", removed_chain, 900, 20000);
    attack_that_ends("segment_races", segment_races, 20, 30000);
    attack_that_ends("set_races", set_races, 30, 30000);
    attack_that_ends("terminal_races", terminal_races, 30, 30000);
    attack_that_ends("mapping_races", mapping_races, 300, 30000);
    attack_that_ends("splice_races", splice_races, 20, 60000);
    attack("splice_full", splice_full, 0, 3000);
    attack_that_ends("left_behind", left_behind, 0, 10000);
    attack_that_ends("user_gains", user_gains, 0, 10000);
    return attacks_result();
}
