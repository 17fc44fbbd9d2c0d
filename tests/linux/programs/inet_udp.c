/* Datagrams over lo: names, peers, limits and errors; and what programs learn of interfaces. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tests/linux/programs/program.h"

static struct sockaddr_in ip4(const char *address, int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    must(inet_pton(AF_INET, address, &name.sin_addr) == 1, "inet_pton");
    return name;
}

static int socket4(const char *address)
{
    int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in name = ip4(address, 0);
    must(bind(descriptor, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
    return descriptor;
}

static struct sockaddr_in name_of(int descriptor)
{
    struct sockaddr_in name;
    socklen_t length = sizeof(name);
    must(getsockname(descriptor, (struct sockaddr *)&name, &length) == 0, "getsockname");
    return name;
}

static ssize_t send4(int descriptor, const char *text, struct sockaddr_in to)
{
    return sendto(descriptor, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to));
}

static int connect4(int descriptor, struct sockaddr_in to)
{
    return connect(descriptor, (struct sockaddr *)&to, sizeof(to));
}

static void say_name(const char *what, struct sockaddr_in name, int port)
{
    char text[32] = "";
    must(inet_ntop(AF_INET, &name.sin_addr, text, sizeof(text)) != NULL, "inet_ntop");
    say("%s: %s, right port %d", what, text, ntohs(name.sin_port) == port);
}

static void datagram_check(void)
{
    int receiver = socket4("127.0.0.1");
    int sender = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = name_of(receiver);
    char text[64];
    say_result("send without a receiver", send(sender, "x", 1, 0));
    say_result("send", send4(sender, "hello", to));
    say_result("send nothing", send4(sender, "", to));
    say_result("send more", send4(sender, "long message", to));
    int waiting = 0;
    must(ioctl(receiver, FIONREAD, &waiting) == 0, "FIONREAD");
    say("waiting: %d", waiting);
    struct sockaddr_in from;
    socklen_t length = sizeof(from);
    say_result("receive",
               recvfrom(receiver, text, sizeof(text), 0, (struct sockaddr *)&from, &length));
    say_name("from", from, ntohs(name_of(sender).sin_port));
    say_result("receive nothing", recv(receiver, text, sizeof(text), 0));
    say_result("look at it, cut", recv(receiver, text, 4, MSG_PEEK | MSG_TRUNC));
    struct iovec part = {text, 4};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    say_result("receive it, cut", recvmsg(receiver, &header, 0));
    say("flags %#x", header.msg_flags);
    say_result("nothing left", recv(receiver, text, 4, MSG_DONTWAIT));
    static char large[70000];
    say_result("the largest", sendto(sender, large, 65507, 0, (struct sockaddr *)&to, sizeof(to)));
    say_result("it came", recv(receiver, large, sizeof(large), 0));
    say_result("too large", sendto(sender, large, 65508, 0, (struct sockaddr *)&to, sizeof(to)));
    say_result("to port 0", send4(sender, "x", ip4("127.0.0.1", 0)));
    say_result("to a broadcast", send4(sender, "x", ip4("255.255.255.255", 9)));
    for (int i = 0; i < 5000; i++) {
        must(sendto(sender, large, 1000, 0, (struct sockaddr *)&to, sizeof(to)) == 1000, "send");
    }
    int count = 0;
    while (recv(receiver, large, sizeof(large), MSG_DONTWAIT) == 1000) {
        count++;
    }
    say("of 5000 thousands some came, not all: %d", count > 10 && count < 4000);
    close(sender);
    close(receiver);
}

static void connect_check(void)
{
    int receiver = socket4("127.0.0.1");
    int sender = socket(AF_INET, SOCK_DGRAM, 0);
    int third = socket4("127.0.0.1");
    struct sockaddr_in name = name_of(receiver);
    char text[16];
    must(connect4(sender, name) == 0, "connect");
    struct sockaddr_in own = name_of(sender);
    say_name("own name", own, ntohs(own.sin_port));
    say_result("send", send(sender, "x", 1, 0));
    say_result("it came", recv(receiver, text, sizeof(text), 0));
    must(send4(third, "other", own) == 5 && send4(receiver, "peer", own) == 4, "send");
    say_result("only the peer's arrive", recv(sender, text, sizeof(text), 0));
    say_result("no other", recv(sender, text, sizeof(text), MSG_DONTWAIT));
    close(receiver);
    say_result("to a port that was closed", send(sender, "x", 1, 0));
    struct pollfd entry = {.fd = sender, .events = POLLIN};
    must(poll(&entry, 1, 5000) == 1, "poll");
    say_result("the answer", recv(sender, text, sizeof(text), 0));
    say_result("once", recv(sender, text, sizeof(text), MSG_DONTWAIT));
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    say_result("disconnect", connect(sender, &nobody, sizeof(nobody)));
    say_result("send without a receiver", send(sender, "x", 1, 0));
    struct sockaddr_in6 peer;
    socklen_t length = sizeof(peer);
    say_result("peer", getpeername(sender, (struct sockaddr *)&peer, &length));
    say_result("send to a closed port, not connected", send4(sender, "x", name));
    say_result("no answer", recv(sender, text, sizeof(text), MSG_DONTWAIT));
    say_result("listen", listen(sender, 1));
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    name = name_of(third);
    say_result("bind to a port in use", bind(other, (struct sockaddr *)&name, sizeof(name)));
    int on = 1;
    must(setsockopt(third, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
             setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0,
         "SO_REUSEADDR");
    say_result("bind with reuse", bind(other, (struct sockaddr *)&name, sizeof(name)));
    close(other);
    close(sender);
    close(third);
}

static void ip6_check(void)
{
    int receiver = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 name = {.sin6_family = AF_INET6};
    must(bind(receiver, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
    socklen_t length = sizeof(name);
    must(getsockname(receiver, (struct sockaddr *)&name, &length) == 0, "getsockname");
    int port = ntohs(name.sin6_port);
    name.sin6_addr = in6addr_loopback;
    int sender = socket(AF_INET6, SOCK_DGRAM, 0);
    say_result("send to ::1", sendto(sender, "six", 3, 0, (struct sockaddr *)&name, sizeof(name)));
    char text[64];
    struct sockaddr_in6 from;
    length = sizeof(from);
    say_result("receive",
               recvfrom(receiver, text, sizeof(text), 0, (struct sockaddr *)&from, &length));
    say("from %s", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text)));
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    say_result("send by IPv4", send4(other, "four", ip4("127.0.0.1", port)));
    length = sizeof(from);
    say_result("receive",
               recvfrom(receiver, text, sizeof(text), 0, (struct sockaddr *)&from, &length));
    say("from %s", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text)));
    say_result("connect", connect(sender, (struct sockaddr *)&name, sizeof(name)));
    close(receiver);
    say_result("to a port that was closed", send(sender, "x", 1, 0));
    struct pollfd entry = {.fd = sender, .events = POLLIN};
    must(poll(&entry, 1, 5000) == 1, "poll");
    say_result("the answer", recv(sender, text, sizeof(text), 0));
    close(sender);
    close(other);
}

/* --- where a datagram was sent to --- */

static void note_say(const char *what, int receiver)
{
    char text[16], control[64], address[64];
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    must(recvmsg(receiver, &message, 0) > 0, "recvmsg");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL) {
        say("%s: nothing noted", what);
        return;
    }
    struct in_pktinfo ip4;
    struct in6_pktinfo ip6;
    if (header->cmsg_level == IPPROTO_IP) {
        memcpy(&ip4, CMSG_DATA(header), sizeof(ip4));
        inet_ntop(AF_INET, &ip4.ipi_addr, address, sizeof(address));
        say("%s: type %d, interface %d, to %s, the same %d", what, header->cmsg_type,
            ip4.ipi_ifindex, address, ip4.ipi_spec_dst.s_addr == ip4.ipi_addr.s_addr);
    } else {
        memcpy(&ip6, CMSG_DATA(header), sizeof(ip6));
        inet_ntop(AF_INET6, &ip6.ipi6_addr, address, sizeof(address));
        say("%s: type %d, interface %d, to %s", what, header->cmsg_type, (int)ip6.ipi6_ifindex,
            address);
    }
    say("%s: flags %#x, control %d", what, message.msg_flags, (int)message.msg_controllen);
}

static void option_say(int socket, const char *what, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);
    say_result(what, getsockopt(socket, level, option, &value, &length) == 0 ? value : -1);
}

static void note_check(void)
{
    int on = 1;
    int receiver = socket(AF_INET, SOCK_DGRAM, 0);
    int sender = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};
    must(bind(receiver, (struct sockaddr *)&any, sizeof(any)) == 0, "bind");
    int port = ntohs(name_of(receiver).sin_port);
    option_say(receiver, "IP_PKTINFO at first", IPPROTO_IP, IP_PKTINFO);
    must(send4(sender, "one", ip4("127.0.0.1", port)) == 3, "send");
    note_say("without IP_PKTINFO", receiver);
    say_result("IP_PKTINFO", setsockopt(receiver, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)));
    option_say(receiver, "IP_PKTINFO then", IPPROTO_IP, IP_PKTINFO);
    must(send4(sender, "two", ip4("127.0.0.1", port)) == 3 &&
             send4(sender, "three", ip4("127.1.2.3", port)) == 5,
         "send");
    note_say("with IP_PKTINFO", receiver);
    note_say("another address", receiver);
    char text[16];
    struct iovec part = {text, sizeof(text)};
    char control[sizeof(struct cmsghdr) + 4];
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    must(send4(sender, "four", ip4("127.0.0.1", port)) == 4 && recvmsg(receiver, &message, 0) == 4,
         "recvmsg");
    say("too little room: flags %#x, control %d", message.msg_flags, (int)message.msg_controllen);
    close(receiver);

    receiver = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 name = {.sin6_family = AF_INET6};
    must(bind(receiver, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
    socklen_t length = sizeof(name);
    must(getsockname(receiver, (struct sockaddr *)&name, &length) == 0, "getsockname");
    name.sin6_addr = in6addr_loopback;
    int sender6 = socket(AF_INET6, SOCK_DGRAM, 0);
    say_result("IPV6_RECVPKTINFO",
               setsockopt(receiver, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)));
    option_say(receiver, "IPV6_RECVPKTINFO then", IPPROTO_IPV6, IPV6_RECVPKTINFO);
    must(sendto(sender6, "six", 3, 0, (struct sockaddr *)&name, sizeof(name)) == 3 &&
             send4(sender, "four", ip4("127.0.0.1", ntohs(name.sin6_port))) == 4,
         "send");
    note_say("IPv6", receiver);
    note_say("IPv4", receiver);
    close(receiver);
    close(sender);
    close(sender6);
}

static void interface_check(void)
{
    int any = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request;
    memset(&request, 0, sizeof(request));
    memcpy(request.ifr_name, "lo", 3);
    must(ioctl(any, SIOCGIFINDEX, &request) == 0, "SIOCGIFINDEX");
    say("index %d", request.ifr_ifindex);
    must(ioctl(any, SIOCGIFFLAGS, &request) == 0, "SIOCGIFFLAGS");
    say("flags %#x", (unsigned)request.ifr_flags);
    must(ioctl(any, SIOCGIFMTU, &request) == 0, "SIOCGIFMTU");
    say("mtu %d", request.ifr_mtu);
    must(ioctl(any, SIOCGIFADDR, &request) == 0, "SIOCGIFADDR");
    struct sockaddr_in address;
    memcpy(&address, &request.ifr_addr, sizeof(address));
    say("address %s", inet_ntoa(address.sin_addr));
    must(ioctl(any, SIOCGIFNETMASK, &request) == 0, "SIOCGIFNETMASK");
    memcpy(&address, &request.ifr_netmask, sizeof(address));
    say("mask %s", inet_ntoa(address.sin_addr));
    request.ifr_ifindex = 1;
    must(ioctl(any, SIOCGIFNAME, &request) == 0, "SIOCGIFNAME");
    say("name %s", request.ifr_name);
    memcpy(request.ifr_name, "none0", 6);
    say_result("no such interface", ioctl(any, SIOCGIFMTU, &request));
    /* By netlink in musl. */
    say("index of lo: %u, name of 1: %s", if_nametoindex("lo"),
        if_indextoname(1, request.ifr_name));
    struct if_nameindex *names = if_nameindex();
    must(names != NULL, "if_nameindex");
    bool found = false;
    for (int i = 0; names[i].if_name != NULL; i++) {
        found = found || (names[i].if_index == 1 && strcmp(names[i].if_name, "lo") == 0);
    }
    say("lo is in the list: %d", found);
    if_freenameindex(names);
    close(any);
}

/* getifaddrs asks by netlink. */
static void list_check(void)
{
    struct ifaddrs *list;
    must(getifaddrs(&list) == 0, "getifaddrs");
    for (struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
        char text[64] = "";
        if (strcmp(at->ifa_name, "lo") != 0 || at->ifa_addr == NULL) {
            continue;
        }
        struct sockaddr_in name4;
        struct sockaddr_in6 name6;
        memcpy(&name4, at->ifa_addr, sizeof(name4));
        if (name4.sin_family == AF_INET) {
            inet_ntop(AF_INET, &name4.sin_addr, text, sizeof(text));
        } else if (name4.sin_family == AF_INET6) {
            memcpy(&name6, at->ifa_addr, sizeof(name6));
            inet_ntop(AF_INET6, &name6.sin6_addr, text, sizeof(text));
        }
        say("lo: family %d, flags %#x, %s", name4.sin_family, at->ifa_flags, text);
    }
    freeifaddrs(list);
}

int main(void)
{
    datagram_check();
    connect_check();
    ip6_check();
    note_check();
    interface_check();
    list_check();
    return 0;
}
