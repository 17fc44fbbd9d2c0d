/* /proc/locks, leases and notices that are not there; and what prctl keeps of timers' slack and
 * huge pages. */
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

#include "tests/linux/programs/program.h"

#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#endif

/* The lines about that file, without their numbers. */
static void locks_say(const char *what, int file)
{
    struct stat about;
    char line[256];
    char place[64];
    FILE *locks = fopen("/proc/locks", "r");
    must(locks != NULL && fstat(file, &about) == 0, "/proc/locks");
    snprintf(place, sizeof(place), "%02x:%02x:%lu", major(about.st_dev), minor(about.st_dev),
             (unsigned long)about.st_ino);
    while (fgets(line, sizeof(line), locks) != NULL) {
        char kind[16], how[16], type[16], where[64], first[32], last[32];
        int pid;
        int fields = sscanf(line, "%*d: %15s %15s %15s %d %63s %31s %31s", kind, how, type, &pid,
                            where, first, last);
        if (fields == 7 && strcmp(where, place) == 0) {
            const char *who = pid == -1 ? "nobody" : pid == getpid() ? "us" : "others";
            char *text = strchr(line, ':') + 2;
            *strstr(text, type) = '\0';
            say("%s: '%s' %s of %s from %s to %s", what, text, type, who, first, last);
        }
    }
    fclose(locks);
}

static void locks_check(void)
{
    int file = open("locked", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int other = open("locked", O_RDWR);
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    locks_say("none", file);
    must(fcntl(file, F_SETLK, &range) == 0, "F_SETLK");
    locks_say("a range", file);
    range.l_type = F_UNLCK;
    must(fcntl(file, F_SETLK, &range) == 0, "F_SETLK");
    range = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 7};
    must(fcntl(other, F_OFD_SETLK, &range) == 0, "F_OFD_SETLK");
    locks_say("of an open file, to the end", file);
    close(other);
    must(flock(file, LOCK_EX) == 0, "flock");
    locks_say("the whole", file);
    must(flock(file, LOCK_SH) == 0, "flock");
    locks_say("the whole, shared", file);
    close(file);
    file = open("locked", O_RDWR);
    locks_say("closed", file);
    close(file);
}

/* There is neither a lease nor a notice. */
static void none_check(void)
{
    int file = open("locked", O_RDWR);
    int folder = open(".", O_RDONLY);
    say_result("F_GETLEASE", fcntl(file, F_GETLEASE));
    say_result("F_NOTIFY of nothing", fcntl(folder, F_NOTIFY, DN_MULTISHOT));
    say_result("F_NOTIFY of nothing, for a file", fcntl(file, F_NOTIFY, 0));
    close(file);
    close(folder);
}

static int child(void *argument)
{
    (void)argument;
    say("child: slack %d", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    say("child: set to the default: %d", prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0));
    say("child: slack %d", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    say("child: huge pages off %d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    return 0;
}

static void prctl_check(void)
{
    say("slack %d", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    say_result("slack 1000", prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0));
    say("slack %d", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    say("huge pages off %d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    say_result("off, with more", prctl(PR_SET_THP_DISABLE, 1, 0, 0, 5));
    say_result("off", prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    say("huge pages off %d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    say_result("asked, with more", prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
    say_status("child", child_run(child, NULL));
    say_result("slack by default", prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0));
    say("slack %d", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    say_result("on", prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    say("huge pages off %d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}

int main(void)
{
    locks_check();
    none_check();
    prctl_check();
    return 0;
}
