/* Who may become whom, and which process may be in which group and session. */
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#include "tests/linux/programs/program.h"

static void say_users(const char *what)
{
    uid_t real, effective, saved;
    must(getresuid(&real, &effective, &saved) == 0, "getresuid");
    say("%s: users %u %u %u", what, real, effective, saved);
}

static void say_groups(const char *what)
{
    gid_t real, effective, saved;
    must(getresgid(&real, &effective, &saved) == 0, "getresgid");
    say("%s: groups %u %u %u", what, real, effective, saved);
}

static int root_to_user(void *argument)
{
    (void)argument;
    say_result("seteuid 1000", seteuid(1000));
    say_users("seteuid");
    say_result("seteuid back", seteuid(0));
    say_result("setreuid 1000 2000", setreuid(1000, 2000));
    say_users("setreuid");
    say_result("setreuid 2000 1000", setreuid(2000, 1000));
    say_users("setreuid");
    say_result("setuid 3000", setuid(3000));
    say_result("setresuid to root", setresuid(0, 0, 0));
    return 0;
}

static int root_sets_all(void *argument)
{
    (void)argument;
    say_result("setgid 1000", setgid(1000));
    say_groups("setgid");
    say_result("setuid 1000", setuid(1000));
    say_users("setuid");
    say_result("setuid back to root", setuid(0));
    say_result("seteuid back to root", seteuid(0));
    say_result("setgid back to root", setgid(0));
    say_result("setuid to itself", setuid(1000));
    gid_t group = 5;
    say_result("setgroups", setgroups(1, &group));
    return 0;
}

static int saved_ids(void *argument)
{
    (void)argument;
    say_result("setresuid 1 2 3", setresuid(1, 2, 3));
    say_users("setresuid");
    say_result("setresuid of a foreign one", setresuid((uid_t)-1, 4, (uid_t)-1));
    say_result("setresuid turned round", setresuid(3, 1, 2));
    say_users("setresuid turned round");
    say_result("seteuid to the saved one", seteuid(2));
    say_users("seteuid");
    say_result("setuid to the real one", setuid(3));
    say_users("setuid");
    return 0;
}

static int file_system_ids(void *argument)
{
    (void)argument;
    say_result("setfsuid", setfsuid(1000));
    say_result("setfsuid again", setfsuid((uid_t)-1));
    file_write("other/file", "x");
    struct stat about;
    must(stat("other/file", &about) == 0, "stat");
    say("setfsuid: a new file's owner %u", about.st_uid);
    return 0;
}

static int supplementary(void *argument)
{
    (void)argument;
    gid_t groups[3] = {7, 5, 6}, now[8];
    say_result("setgroups", setgroups(3, groups));
    say_result("getgroups of how many", getgroups(0, NULL));
    int count = getgroups(8, now);
    say("getgroups: %d: %u %u %u", count, now[0], now[1], now[2]);
    say_result("getgroups, short", getgroups(2, now));
    say_result("setuid", setuid(1000));
    int file = open("group-file", O_RDONLY);
    say("a file of a supplementary group: %s", file >= 0 ? "open" : error_name(errno));
    return 0;
}

/* Root that becomes a user loses its authority, and so does a program it runs. */
static int authority(void *argument)
{
    (void)argument;
    must(setresuid(1000, 1000, 0) == 0, "setresuid");
    say("effective user 1000, saved 0: %s",
        open("secret", O_RDONLY) < 0 ? error_name(errno) : "open");
    must(seteuid(0) == 0, "seteuid");
    say("effective user 0 again: %s", open("secret", O_RDONLY) < 0 ? error_name(errno) : "open");
    must(setuid(0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "prctl");
    say_result("PR_GET_NO_NEW_PRIVS", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    say_result("PR_SET_NO_NEW_PRIVS to 0", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    return 0;
}

static int set_user_program(void *argument)
{
    (void)argument;
    must(setgid(1000) == 0 && setuid(1000) == 0, "setuid");
    execl("./program", "program", "show", NULL);
    return 1;
}

static void set_user_check(void)
{
    static char bytes[65536];
    int from = open("/proc/self/exe", O_RDONLY);
    int to = open("program", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t count;
    while ((count = read(from, bytes, sizeof(bytes))) > 0) {
        must(write(to, bytes, (size_t)count) == count, "copy");
    }
    close(from);
    close(to);
    must(chown("program", 2000, 3000) == 0 && chmod("program", 06755) == 0, "chmod");
    say_status("set-user program", child_run(set_user_program, NULL));
}

/* --- Groups of processes and sessions --- */

static int session(void *argument)
{
    (void)argument;
    pid_t self = getpid();
    say("setsid: %s", setsid() == self ? "done" : error_name(errno));
    say("setsid: leads its session %d, its group %d", getsid(0) == self, getpgrp() == self);
    say_result("setsid of a leader", setsid());
    say_result("setpgid of a session's leader", setpgid(0, 0));
    pid_t pid = fork();
    if (pid == 0) {
        say("child: in the session %d, in the group %d", getsid(0) == self, getpgrp() == self);
        say_result("child: setpgid to its own", setpgid(0, 0));
        say("child: leads its group %d", getpgrp() == getpid());
        say_result("child: setsid", setsid() < 0 ? -1 : 0);
        say_result("child: setpgid to the first", setpgid(0, self));
        _exit(0);
    }
    child_wait(pid);
    return 0;
}

static int grouping(void *argument)
{
    (void)argument;
    must(setsid() > 0, "setsid");
    int gate[2];
    must(pipe(gate) == 0, "pipe");
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            close(gate[1]);
            byte_receive(gate[0]);
            if (i == 2) {
                execl("/proc/self/exe", "ids", "wait", NULL);
            }
            _exit(0);
        }
    }
    say_result("setpgid of a child to its own", setpgid(pids[0], 0));
    say("getpgid of the child: its own %d", getpgid(pids[0]) == pids[0]);
    say_result("setpgid of another child to the first's", setpgid(pids[1], pids[0]));
    say("getpgid of the other child: the first's %d", getpgid(pids[1]) == pids[0]);
    say_result("setpgid to a group that is not there", setpgid(pids[1], pids[2]));
    say_result("setpgid to a negative group", setpgid(pids[1], -1));
    say_result("setpgid of a process that is not a child", setpgid(getppid(), 0));
    say_result("setpgid of nobody", setpgid(4000000, 0));
    say_result("getpgid of nobody", getpgid(4000000));
    say_result("getsid of nobody", getsid(4000000));
    say("getsid of a child: ours %d", getsid(pids[2]) == getsid(0));
    close(gate[0]);
    close(gate[1]);
    child_wait(pids[0]);
    child_wait(pids[1]);
    int status;
    must(waitpid(pids[2], &status, WUNTRACED) == pids[2] && WIFSTOPPED(status), "waitpid");
    say_result("setpgid of a child after its exec", setpgid(pids[2], 0));
    kill(pids[2], SIGKILL);
    child_wait(pids[2]);
    return 0;
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "wait") == 0) {
        raise(SIGSTOP);
        return 0;
    }
    if (count > 1) {
        say_users("  in the program");
        say_groups("  in the program");
        return 0;
    }
    umask(022);
    must(setgroups(0, NULL) == 0 && mkdir("other", 0777) == 0 && chmod("other", 0777) == 0,
         "start");
    file_write("group-file", "x");
    must(chown("group-file", 0, 5) == 0 && chmod("group-file", 0640) == 0, "chmod");
    file_write("secret", "x");
    must(chmod("secret", 0600) == 0, "chmod");
    say_users("start");
    say_groups("start");
    say_status("root becomes a user for a while", child_run(root_to_user, NULL));
    say_status("root becomes a user for ever", child_run(root_sets_all, NULL));
    say_status("saved ids", child_run(saved_ids, NULL));
    say_status("file system ids", child_run(file_system_ids, NULL));
    say_status("supplementary groups", child_run(supplementary, NULL));
    say_status("authority", child_run(authority, NULL));
    set_user_check();
    say_status("session", child_run(session, NULL));
    say_status("process groups", child_run(grouping, NULL));
    return 0;
}
