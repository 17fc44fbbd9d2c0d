/* System V shared memory, semaphores and queues; POSIX shared memory and semaphores. */
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "tests/linux/programs/program.h"

union argument {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static key_t key_own;

/* --- shared memory ---------------------------------------------------------------------------- */

static void segment_say(const char *what, int id)
{
    struct shmid_ds about;
    if (shmctl(id, IPC_STAT, &about) < 0) {
        say("%s: %s", what, error_name(errno));
        return;
    }
    say("%s: %zu bytes, mode %o, attached %d, ours %d, attach time %d, detach time %d", what,
        about.shm_segsz, about.shm_perm.mode, (int)about.shm_nattch, about.shm_cpid == getpid(),
        about.shm_atime != 0, about.shm_dtime != 0);
}

static int segment_other(void *argument)
{
    int id = *(int *)argument;
    must(setgid(OTHER_GROUP) == 0 && setuid(OTHER_USER) == 0, "setuid");
    say("another user attaches: %s", shmat(id, NULL, 0) == (void *)-1 ? error_name(errno) : "done");
    char *read_only = shmat(id, NULL, SHM_RDONLY);
    say("another user attaches to read: %s",
        read_only == (void *)-1 ? error_name(errno) : read_only);
    say_result("  mprotect", mprotect(read_only, PAGE_BYTES, PROT_READ | PROT_WRITE));
    say_result("another user removes it", shmctl(id, IPC_RMID, NULL));
    struct shmid_ds about;
    must(shmctl(id, IPC_STAT, &about) == 0, "IPC_STAT");
    about.shm_perm.mode = 0777;
    say_result("another user changes it", shmctl(id, IPC_SET, &about));
    return 0;
}

static void segments_check(void)
{
    say_result("shmget of nothing", shmget(key_own, 100, 0));
    int id = shmget(key_own, 10000, IPC_CREAT | 0640);
    must(id >= 0, "shmget");
    segment_say("new", id);
    say("the same again: %d", shmget(key_own, 5000, 0) == id);
    say("the same with IPC_CREAT: %d", shmget(key_own, 0, IPC_CREAT | 0640) == id);
    say_result("larger", shmget(key_own, 10001, 0));
    say_result("exclusive", shmget(key_own, 100, IPC_CREAT | IPC_EXCL));
    say_result("size 0", shmget(IPC_PRIVATE, 0, 0600));
    char *first = shmat(id, NULL, 0);
    must(first != (void *)-1, "shmat");
    char *second = shmat(id, NULL, 0);
    say("attached twice at different places: %d", first != second);
    strcpy(first, "written");
    say("the second shows: %s", second);
    segment_say("attached twice", id);
    struct shmid_ds last;
    must(shmctl(id, IPC_STAT, &last) == 0, "IPC_STAT");
    say("the last is us: %d", last.shm_lpid == getpid());
    say("at a place in use: %s", shmat(id, first, 0) == (void *)-1 ? error_name(errno) : "done");
    say("at an odd place: %s",
        shmat(id, (char *)0x700000001, 0) == (void *)-1 ? error_name(errno) : "done");
    char *rounded = shmat(id, (char *)0x700000001, SHM_RND);
    say("rounded: %d", rounded == (char *)0x700000000);
    say("remapped: %d", shmat(id, first, SHM_REMAP) == first);
    say("  shows: %s", first);
    say_result("shmdt", shmdt(rounded));
    say_result("shmdt again", shmdt(rounded));
    say_result("shmdt of the middle", shmdt(second + PAGE_BYTES));
    pid_t pid = fork();
    if (pid == 0) {
        segment_say("in a child", id);
        strcpy(second, "from the child");
        _exit(0);
    }
    child_wait(pid);
    say("after the child: %s", first);
    segment_say("after the child", id);
    must(mprotect(second + PAGE_BYTES, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    say_result("shmdt of one in pieces", shmdt(second));
    struct shmid_ds about;
    must(shmctl(id, IPC_STAT, &about) == 0, "IPC_STAT");
    about.shm_perm.mode = 0644;
    say_result("IPC_SET", shmctl(id, IPC_SET, &about));
    say_status("another user", child_run(segment_other, &id));
    say_result("IPC_RMID", shmctl(id, IPC_RMID, NULL));
    segment_say("removed but attached", id);
    say_result("its key", shmget(key_own, 100, 0));
    say("it still shows: %s", first);
    second = shmat(id, NULL, 0);
    say("it can still be attached: %d", second != (void *)-1);
    must(shmdt(second) == 0 && shmdt(first) == 0, "shmdt");
    segment_say("detached", id);
    say_result("IPC_STAT of a negative number", shmctl(-1, IPC_STAT, &about));
    say_result("a wrong command", shmctl(id, 77, &about));
    id = shmget(IPC_PRIVATE, 100, 0600);
    say_result("IPC_STAT into nothing", shmctl(id, IPC_STAT, (void *)16));
    say_result("IPC_RMID", shmctl(id, IPC_RMID, NULL));
    say("shmat afterwards: %s", shmat(id, NULL, 0) == (void *)-1 ? error_name(errno) : "done");
}

/* --- semaphores ------------------------------------------------------------------------------- */

static int operate(int id, int number, int change, int flags)
{
    struct sembuf operation = {(unsigned short)number, (short)change, (short)flags};
    return semop(id, &operation, 1);
}

static void values_say(const char *what, int id)
{
    unsigned short values[3] = {99, 99, 99};
    union argument argument = {.array = values};
    int result = semctl(id, 0, GETALL, argument);
    if (result < 0) {
        say("%s: %s", what, error_name(errno));
    } else {
        say("%s: %d %d %d", what, values[0], values[1], values[2]);
    }
}

static void waiting_await(int id, int number, int command, int count)
{
    for (int i = 0; i < 2000 && semctl(id, number, command) != count; i++) {
        sleep_ms(2);
    }
}

static void caught(int number)
{
    (void)number;
}

static void semaphores_wait_check(int id)
{
    union argument zero = {.val = 0};
    must(semctl(id, 0, SETVAL, zero) == 0 && semctl(id, 1, SETVAL, zero) == 0, "SETVAL");
    pid_t pid = fork();
    if (pid == 0) {
        _exit(operate(id, 0, -2, 0) == 0 ? 0 : 1);
    }
    waiting_await(id, 0, GETNCNT, 1);
    say("waiting for more: %d, for zero: %d", semctl(id, 0, GETNCNT), semctl(id, 0, GETZCNT));
    must(operate(id, 0, 1, 0) == 0, "semop");
    say("one is not enough: %d waits", semctl(id, 0, GETNCNT));
    must(operate(id, 0, 1, 0) == 0, "semop");
    say_status("two are", child_wait(pid));
    say("pid of the last: the child's %d", semctl(id, 0, GETPID) == pid);
    must(operate(id, 1, 3, 0) == 0, "semop");
    pid = fork();
    if (pid == 0) {
        _exit(operate(id, 1, 0, 0) == 0 ? 0 : 1);
    }
    waiting_await(id, 1, GETZCNT, 1);
    say("waiting for zero: %d", semctl(id, 1, GETZCNT));
    must(operate(id, 1, -3, 0) == 0, "semop");
    say_status("zero came", child_wait(pid));
    struct sembuf both[2] = {{0, 1, 0}, {1, -1, IPC_NOWAIT}};
    say_result("all or nothing", semop(id, both, 2));
    values_say("  values", id);
    struct timespec shortly = {0, 20000000}, wrong = {0, 2000000000};
    struct sembuf take = {0, -1, 0};
    say_result("semtimedop", semtimedop(id, &take, 1, &shortly));
    say_result("semtimedop with a wrong time", semtimedop(id, &take, 1, &wrong));
    struct sigaction action = {.sa_handler = caught, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    alarm(1);
    say_result("interrupted", operate(id, 0, -1, 0));
    pid = fork();
    if (pid == 0) {
        _exit(operate(id, 0, -1, 0) < 0 && errno == EIDRM);
    }
    waiting_await(id, 0, GETNCNT, 1);
    say_result("IPC_RMID", semctl(id, 0, IPC_RMID));
    say_status("removed while somebody waited", child_wait(pid));
    say_result("afterwards", operate(id, 0, 1, 0));
}

static void semaphores_check(void)
{
    say_result("semget of nothing", semget(key_own, 1, 0));
    say_result("semget without semaphores", semget(key_own, 0, IPC_CREAT | 0600));
    int id = semget(key_own, 3, IPC_CREAT | 0600);
    must(id >= 0, "semget");
    say("the same again: %d", semget(key_own, 2, 0) == id);
    say_result("more", semget(key_own, 4, 0));
    say_result("exclusive", semget(key_own, 3, IPC_CREAT | IPC_EXCL));
    values_say("new", id);
    unsigned short values[3] = {1, 2, 3};
    union argument argument = {.array = values};
    say_result("SETALL", semctl(id, 0, SETALL, argument));
    values_say("set", id);
    say_result("GETVAL", semctl(id, 1, GETVAL));
    say_result("GETVAL of a fourth", semctl(id, 3, GETVAL));
    argument.val = 40000;
    say_result("SETVAL too large", semctl(id, 0, SETVAL, argument));
    values[1] = 40000;
    argument.array = values;
    say_result("SETALL too large", semctl(id, 0, SETALL, argument));
    say_result("take one", operate(id, 2, -1, 0));
    say_result("take too many", operate(id, 2, -5, IPC_NOWAIT));
    say_result("zero now", operate(id, 2, 0, IPC_NOWAIT));
    say_result("a fourth", operate(id, 3, 1, 0));
    say_result("too large", operate(id, 2, 32767, 0));
    say_result("no operation", semop(id, NULL, 0));
    static struct sembuf many[501];
    say_result("too many operations", semop(id, many, 501));
    say_result("operations from nowhere", semop(id, (void *)16, 1));
    values_say("values", id);
    struct sembuf sum[3] = {{0, 20000, SEM_UNDO}, {0, -20000, 0}, {0, 20000, SEM_UNDO}};
    say_result("more to undo than fits", semop(id, sum, 3));
    values_say("values", id);
    pid_t pid = fork();
    if (pid == 0) {
        must(operate(id, 0, 5, SEM_UNDO) == 0 && operate(id, 1, -2, SEM_UNDO) == 0 &&
                 operate(id, 2, 1, 0) == 0,
             "semop");
        values_say("before it is undone", id);
        execl("/proc/self/exe", "ipc", "values", NULL);
        _exit(1);
    }
    child_wait(pid);
    values_say("undone", id);
    struct semid_ds about;
    argument.buf = &about;
    must(semctl(id, 0, IPC_STAT, argument) == 0, "IPC_STAT");
    say("about: %d semaphores, mode %o, operated %d", (int)about.sem_nsems, about.sem_perm.mode,
        about.sem_otime != 0);
    semaphores_wait_check(id);
}

/* --- queues ----------------------------------------------------------------------------------- */

struct message {
    long type;
    char text[9000];
};

static struct message message;

static long send(int id, long type, const char *text, int flags)
{
    message.type = type;
    strcpy(message.text, text);
    return msgsnd(id, &message, strlen(text) + 1, flags);
}

static void receive_say(const char *what, int id, long type, size_t capacity, int flags)
{
    memset(&message, 0, sizeof(message));
    ssize_t length = msgrcv(id, &message, capacity, type, flags);
    if (length < 0) {
        say("%s: %s", what, error_name(errno));
    } else {
        say("%s: %zd bytes of type %ld: %s", what, length, message.type, message.text);
    }
}

static void queues_wait_check(int id)
{
    pid_t pid = fork();
    if (pid == 0) {
        receive_say("waited for", id, 7, 100, 0);
        _exit(0);
    }
    sleeping_wait(pid, 'S');
    must(send(id, 6, "not this", 0) == 0 && send(id, 7, "this", 0) == 0, "msgsnd");
    child_wait(pid);
    receive_say("what is left", id, 0, 100, 0);
    int count = 0;
    memset(message.text, 'm', sizeof(message.text));
    message.type = 1;
    while (msgsnd(id, &message, 4096, IPC_NOWAIT) == 0) {
        count++;
    }
    say("messages of 4096 bytes until it is full: %d, then %s", count, error_name(errno));
    pid = fork();
    if (pid == 0) {
        _exit(send(id, 9, "last", 0) == 0 ? 0 : 1);
    }
    sleeping_wait(pid, 'S');
    must(msgrcv(id, &message, 5000, 1, 0) == 4096, "msgrcv");
    say_status("room came", child_wait(pid));
    receive_say("what it sent", id, 9, 100, 0);
    pid = fork();
    if (pid == 0) {
        _exit(msgrcv(id, &message, 100, 99, 0) < 0 && errno == EIDRM);
    }
    sleeping_wait(pid, 'S');
    say_result("IPC_RMID", msgctl(id, IPC_RMID, NULL));
    say_status("removed while somebody waited", child_wait(pid));
    receive_say("afterwards", id, 0, 100, 0);
}

static void queues_check(void)
{
    say_result("msgget of nothing", msgget(key_own, 0));
    int id = msgget(key_own, IPC_CREAT | 0600);
    must(id >= 0, "msgget");
    say("the same again: %d", msgget(key_own, 0) == id);
    say_result("exclusive", msgget(key_own, IPC_CREAT | IPC_EXCL));
    receive_say("an empty one", id, 0, 100, IPC_NOWAIT);
    say_result("type 0", send(id, 0, "x", 0));
    say_result("type -1", send(id, -1, "x", 0));
    say_result("too long", msgsnd(id, &message, 8193, 0));
    say_result("from nowhere", msgsnd(id, (void *)16, 1, 0));
    must(send(id, 3, "three", 0) == 0 && send(id, 1, "one", 0) == 0 && send(id, 2, "two", 0) == 0 &&
             send(id, 1, "another one", 0) == 0 && send(id, 5, "", 0) == 0,
         "msgsnd");
    struct msqid_ds about;
    must(msgctl(id, IPC_STAT, &about) == 0, "IPC_STAT");
    say("about: %d messages, room for %d bytes, mode %o, sent by us %d", (int)about.msg_qnum,
        (int)about.msg_qbytes, about.msg_perm.mode, about.msg_lspid == getpid());
    receive_say("of type 2", id, 2, 100, 0);
    receive_say("up to type 2", id, -2, 100, 0);
    receive_say("too little room", id, 1, 5, 0);
    receive_say("cut off", id, 1, 5, MSG_NOERROR);
    receive_say("all but type 3", id, 3, 100, MSG_EXCEPT);
    receive_say("the first", id, 0, 100, 0);
    receive_say("none left", id, 0, 100, IPC_NOWAIT);
    about.msg_qbytes = 100;
    say_result("IPC_SET", msgctl(id, IPC_SET, &about));
    say_result("more than it may hold", msgsnd(id, &message, 200, IPC_NOWAIT));
    about.msg_qbytes = 16384;
    say_result("IPC_SET", msgctl(id, IPC_SET, &about));
    queues_wait_check(id);
}

/* --- POSIX ------------------------------------------------------------------------------------ */

static void posix_check(void)
{
    char name[64];
    snprintf(name, sizeof(name), "/test-%d", (int)getpid());
    int file = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    must(file >= 0, "shm_open");
    say_result("shm_open again", shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
    say_result("ftruncate", ftruncate(file, 8192));
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    must(map != MAP_FAILED, "mmap");
    sem_t *semaphore = (sem_t *)(void *)map;
    must(sem_init(semaphore, 1, 0) == 0, "sem_init");
    pid_t pid = fork();
    if (pid == 0) {
        strcpy(map + 4096, "from the child");
        sem_post(semaphore);
        _exit(0);
    }
    must(sem_wait(semaphore) == 0, "sem_wait");
    say("the child wrote: %s", map + 4096);
    child_wait(pid);
    char text[32] = "";
    must(pread(file, text, 15, 4096) == 15, "pread");
    say("read gives: %s", text);
    must(pwrite(file, "written", 8, 4096) == 8, "pwrite");
    say("a write is seen: %s", map + 4096);
    say_result("shm_unlink", shm_unlink(name));
    say_result("shm_unlink again", shm_unlink(name));
    close(file);
    say("it still shows: %s", map + 4096);
    sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 2);
    must(named != SEM_FAILED, "sem_open");
    int value = -1;
    must(sem_wait(named) == 0 && sem_getvalue(named, &value) == 0, "sem_wait");
    say("a named semaphore: %d", value);
    say_result("sem_unlink", sem_unlink(name));
    struct stat about;
    must(stat("/dev/shm", &about) == 0, "/dev/shm");
    say("/dev/shm: mode %o", about.st_mode);
}

static int list_count(const char *path, const char *what)
{
    char line[512];
    int count = 0;
    FILE *file = fopen(path, "r");
    must(file != NULL, path);
    while (fgets(line, sizeof(line), file) != NULL) {
        count += strstr(line, what) != NULL;
    }
    fclose(file);
    return count;
}

static void list_check(void)
{
    char key[32];
    snprintf(key, sizeof(key), "%10d ", (int)key_own);
    int segment = shmget(key_own, 100, IPC_CREAT | 0600);
    int set = semget(key_own, 1, IPC_CREAT | 0600);
    int queue = msgget(key_own, IPC_CREAT | 0600);
    say("/proc/sysvipc/shm: %d", list_count("/proc/sysvipc/shm", key));
    say("/proc/sysvipc/sem: %d", list_count("/proc/sysvipc/sem", key));
    say("/proc/sysvipc/msg: %d", list_count("/proc/sysvipc/msg", key));
    shmctl(segment, IPC_RMID, NULL);
    semctl(set, 0, IPC_RMID);
    msgctl(queue, IPC_RMID, NULL);
    say("after they are gone: %d", list_count("/proc/sysvipc/shm", key));
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        return 0; /* executed by a process whose semaphores are undone at its end */
    }
    key_own = 0x0a000000 | getpid();
    segments_check();
    semaphores_check();
    queues_check();
    posix_check();
    list_check();
    return 0;
}
