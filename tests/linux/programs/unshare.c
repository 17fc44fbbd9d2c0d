/*
 * unshare(2) without namespaces, personality(2), and calls that a container refuses, as a user
 * without privileges sees them.
 */
#include "program.h"

#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/utsname.h>

static int pipe_to[2];
static int pipe_back[2];

static int there(const char *what)
{
    char place[PATH_MAX];
    must(getcwd(place, sizeof(place)) != NULL, "getcwd");
    say("%s: in / %d, descriptor %d", what, strcmp(place, "/") == 0, fcntl(100, F_GETFD) >= 0);
    return 0;
}

/* Shares everything with the main thread until it parts. */
static void *thread(void *flags)
{
    say_result("unshare", unshare((int)(long)flags));
    must(chdir("/") == 0 && dup2(1, 100) == 100, "change");
    (void)there("  thread");
    byte_send(pipe_to[1]);
    (void)byte_receive(pipe_back[0]);
    return NULL;
}

static int part(void *flags)
{
    pthread_t handle;
    must(pthread_create(&handle, NULL, thread, flags) == 0, "pthread_create");
    (void)byte_receive(pipe_to[0]);
    (void)there("  main");
    byte_send(pipe_back[1]);
    pthread_join(handle, NULL);
    return 0;
}

static void *memory_thread(void *unused)
{
    (void)unused;
    say_result("memory of many", unshare(CLONE_VM));
    say_result("thread of many", unshare(CLONE_THREAD));
    return NULL;
}

static int memory(void *unused)
{
    pthread_t handle;
    say_result("memory of one", unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD));
    must(pthread_create(&handle, NULL, memory_thread, NULL) == 0, "pthread_create");
    pthread_join(handle, NULL);
    (void)unused;
    return 0;
}

static int persona(void *unused)
{
    (void)unused;
    struct utsname names;
    say("at the beginning %x", personality(0xffffffff));
    say("was %x", personality(PER_LINUX32 | ADDR_NO_RANDOMIZE));
    say("is %x", personality(0xffffffff));
    must(uname(&names) == 0, "uname");
    say("machine %s", names.machine);
    must(personality(0) != -1 && uname(&names) == 0, "uname");
    say("machine %s", names.machine);
    return 0;
}

static int refused(void *unused)
{
    (void)unused;
    must(setgroups(0, NULL) == 0 && setuid(OTHER_USER) == 0, "ids");
    say_result("namespace", unshare(CLONE_NEWNS));
    say_result("namespaces", unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_FS));
    say_result("nonsense", unshare(1));
    say_result("mount", mount("none", "/", "tmpfs", 0, NULL));
    say_result("umount", umount2("/", 0));
    say_result("swapon", swapon("/none", 0));
    say_result("swapoff", swapoff("/none"));
    say_result("reboot", reboot(RB_AUTOBOOT));
    struct timeval time = {1, 0};
    say_result("settimeofday", settimeofday(&time, NULL));
    struct timespec precise = {1, 0};
    say_result("clock_settime", clock_settime(CLOCK_REALTIME, &precise));
    say_result("sethostname", sethostname("x", 1));
    say_result("setdomainname", setdomainname("x", 1));
    say_result("chroot", chroot("/"));
    say_result("acct", acct(NULL));
    say_result("vhangup", vhangup());
    say_result("pivot_root", syscall(SYS_pivot_root, "/", "/"));
    return 0;
}

int main(void)
{
    must(mkdir("place", 0755) == 0 && chdir("place") == 0, "place");
    must(pipe(pipe_to) == 0 && pipe(pipe_back) == 0, "pipe");
    say_status("nothing", child_run(part, (void *)0l));
    say_status("files", child_run(part, (void *)(long)CLONE_FILES));
    say_status("fs", child_run(part, (void *)(long)CLONE_FS));
    say_status("both", child_run(part, (void *)(long)(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)));
    say_status("memory", child_run(memory, NULL));
    say_status("personality", child_run(persona, NULL));
    say_status("refused", child_run(refused, NULL));
    return chdir("..") == 0 && rmdir("place") == 0 ? 0 : 1;
}
