/*
 * The first process of the Linux guest: gives it what a container has (proc, sys, devices, lo),
 * runs /bench/inside.sh with the unit that stands on the kernel's command line as bench=, for the
 * items of only=, and ends the machine.
 */
#include <net/if.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void mount_at(const char *type, const char *path)
{
    mkdir(path, 0755);
    if (mount(type, path, type, 0, NULL) != 0) {
        perror(path);
    }
}

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int any = socket(AF_INET, SOCK_DGRAM, 0);
    if (any < 0 || ioctl(any, SIOCSIFFLAGS, &request) != 0) {
        perror("lo");
    }
    close(any);
}

int main(void)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char home[] = "HOME=/root";
    static char script[] = "/bench/inside.sh";
    char *unit = getenv("bench");
    char *only = getenv("only");
    char *const environment[] = {path, home, NULL};
    char *const arguments[] = {script, unit, only, NULL};
    pid_t child;
    mount_at("proc", "/proc");
    mount_at("sysfs", "/sys");
    mount_at("devtmpfs", "/dev");
    loopback_up();
    if (posix_spawn(&child, script, NULL, NULL, arguments, environment) == 0) {
        waitpid(child, NULL, 0);
    } else {
        perror(script);
    }
    fflush(stdout);
    reboot(RB_POWER_OFF);
    return 1;
}
