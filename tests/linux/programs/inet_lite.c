/* UDP-Lite: datagrams, what their checksums cover, and who is not there. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/linux/programs/program.h"

#define LITE       136
#define SEND_CSCOV 10
#define RECV_CSCOV 11

static void coverage_set(const char *what, int descriptor, int name, int value)
{
    int shown = -1;
    socklen_t length = sizeof(shown);
    say_result(what, setsockopt(descriptor, LITE, name, &value, sizeof(value)));
    must(getsockopt(descriptor, LITE, name, &shown, &length) == 0, "getsockopt");
    say("%s %d: %d", what, value, shown);
}

static int bound(int family, struct sockaddr_storage *name)
{
    int descriptor = socket(family, SOCK_DGRAM, LITE);
    socklen_t length = sizeof(*name);
    memset(name, 0, sizeof(*name));
    name->ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        ((struct sockaddr_in *)name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        ((struct sockaddr_in6 *)name)->sin6_addr = in6addr_loopback;
    }
    must(bind(descriptor, (struct sockaddr *)name, length) == 0, "bind");
    must(getsockname(descriptor, (struct sockaddr *)name, &length) == 0, "getsockname");
    return descriptor;
}

static void family_check(int family)
{
    struct sockaddr_storage name;
    char text[64];
    int receiver = bound(family, &name);
    int sender = socket(family, SOCK_DGRAM, LITE);
    int protocol = 0;
    socklen_t length = sizeof(protocol);
    must(getsockopt(receiver, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0, "SO_PROTOCOL");
    say("protocol %d", protocol);
    must(connect(sender, (struct sockaddr *)&name, sizeof(name)) == 0, "connect");
    say_result("send", send(sender, "twelve bytes", 12, 0));
    say_result("receive", recv(receiver, text, sizeof(text), MSG_DONTWAIT));
    coverage_set("send", sender, SEND_CSCOV, 3);
    coverage_set("send", sender, SEND_CSCOV, -1);
    coverage_set("send", sender, SEND_CSCOV, 70000);
    coverage_set("send", sender, SEND_CSCOV, 12);
    say_result("send covered in part", send(sender, "twelve bytes", 12, 0));
    say_result("receive", recv(receiver, text, sizeof(text), MSG_DONTWAIT));
    coverage_set("receive", receiver, RECV_CSCOV, 16);
    say_result("send too little covered", send(sender, "twelve bytes", 12, 0));
    say_result("receive", recv(receiver, text, sizeof(text), MSG_DONTWAIT));
    coverage_set("send", sender, SEND_CSCOV, 16);
    say_result("send enough covered", send(sender, "twelve bytes", 12, 0));
    say_result("receive", recv(receiver, text, sizeof(text), MSG_DONTWAIT));
    coverage_set("receive", receiver, RECV_CSCOV, 0);
    say_result("send to who wants all covered", send(sender, "twelve bytes", 12, 0));
    say_result("receive", recv(receiver, text, sizeof(text), MSG_DONTWAIT));
    close(receiver);
    say_result("send to nobody", send(sender, "x", 1, 0));
    say_result("and again", send(sender, "x", 1, 0));
    close(sender);
}

int main(void)
{
    int value = 8;
    int plain = socket(AF_INET, SOCK_DGRAM, 0);
    say_result("of UDP", setsockopt(plain, LITE, SEND_CSCOV, &value, sizeof(value)));
    say_result("a stream", socket(AF_INET, SOCK_STREAM, LITE));
    close(plain);
    family_check(AF_INET);
    family_check(AF_INET6);
    return 0;
}
