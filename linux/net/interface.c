/* The table of interfaces, and the ioctls that ask for it. */
#include "linux/net/interface.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/net/socket.h"

#define SIOCGIFNAME    0x8910u
#define SIOCGIFCONF    0x8912u
#define SIOCGIFFLAGS   0x8913u
#define SIOCGIFADDR    0x8915u
#define SIOCGIFDSTADDR 0x8917u
#define SIOCGIFBRDADDR 0x8919u
#define SIOCGIFNETMASK 0x891bu
#define SIOCGIFMETRIC  0x891du
#define SIOCGIFMTU     0x8921u
#define SIOCGIFHWADDR  0x8927u
#define SIOCGIFINDEX   0x8933u
#define SIOCGIFTXQLEN  0x8942u

#define ARPHRD_LOOPBACK 772
#define SCOPE_HOST      254

const struct interface interfaces[] = {
    {
        .name = "lo",
        .index = INTERFACE_LO,
        .flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING,
        .mtu_bytes = 65536,
        .hardware = ARPHRD_LOOPBACK,
        .address_count = 2,
        .address =
            {{.family = AF_INET, .prefix_bits = 8, .scope = SCOPE_HOST, .bytes = {127, 0, 0, 1}},
             {.family = AF_INET6, .prefix_bits = 128, .scope = SCOPE_HOST, .bytes = {[15] = 1}}},
    },
};

const uint32_t interface_count = ARRAY_LENGTH(interfaces);

/* struct ifreq: 40 bytes, of which a value uses some. */
struct interface_request {
    char name[INTERFACE_NAME_BYTES];
    union {
        struct {
            uint16_t family;
            uint16_t port;
            uint8_t address[4];
        };
        uint16_t flags;
        int32_t number;
        uint8_t bytes[24];
    };
};

_Static_assert(sizeof(struct interface_request) == 40, "struct ifreq");

struct interface_list { /* struct ifconf */
    int32_t length_bytes;
    uint32_t padding;
    uint64_t requests;
};

static const struct interface *by_name(const char *name)
{
    for (uint32_t i = 0; i < interface_count; i++) {
        if (strncmp(interfaces[i].name, name, INTERFACE_NAME_BYTES) == 0) {
            return &interfaces[i];
        }
    }
    return NULL;
}

static const struct interface *by_index(int index)
{
    for (uint32_t i = 0; i < interface_count; i++) {
        if (interfaces[i].index == index) {
            return &interfaces[i];
        }
    }
    return NULL;
}

static void address_set(struct interface_request *request, const struct interface *interface)
{
    request->family = AF_INET;
    memcpy(request->address, interface->address[0].bytes, sizeof(request->address));
}

static void mask_set(struct interface_request *request, const struct interface *interface)
{
    uint32_t bits = interface->address[0].prefix_bits;
    request->family = AF_INET;
    for (uint32_t i = 0; i < sizeof(request->address); i++) {
        uint32_t left = bits > 8 * i ? MIN(bits - 8 * i, 8u) : 0;
        request->address[i] = (uint8_t)(0xff00u >> left);
    }
}

static long list_write(uint64_t argument)
{
    struct interface_list list;
    if (copy_from_user(&list, argument, sizeof(list)) != 0) {
        return -EFAULT;
    }
    int32_t used = 0;
    for (uint32_t i = 0; i < interface_count; i++) {
        struct interface_request request = {.family = AF_INET};
        int32_t size = (int32_t)sizeof(request);
        memcpy(request.name, interfaces[i].name, INTERFACE_NAME_BYTES);
        address_set(&request, &interfaces[i]);
        if (list.requests != 0 && list.length_bytes - used < size) {
            break;
        }
        if (list.requests != 0 &&
            copy_to_user(list.requests + (uint32_t)used, &request, sizeof(request)) != 0) {
            return -EFAULT;
        }
        used += size;
    }
    return put_user_u32(argument, (uint32_t)used);
}

/* The value that the request asks for. */
static long value_set(uint32_t code, struct interface_request *request,
                      const struct interface *interface)
{
    memset(request->bytes, 0, sizeof(request->bytes));
    switch (code) {
    case SIOCGIFNAME:
        memcpy(request->name, interface->name, INTERFACE_NAME_BYTES);
        request->number = interface->index;
        return 0;
    case SIOCGIFFLAGS:
        request->flags = (uint16_t)interface->flags;
        return 0;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
        address_set(request, interface);
        return 0;
    case SIOCGIFBRDADDR:
        request->family = AF_INET;
        return 0;
    case SIOCGIFNETMASK:
        mask_set(request, interface);
        return 0;
    case SIOCGIFMTU:
        request->number = (int32_t)interface->mtu_bytes;
        return 0;
    case SIOCGIFHWADDR:
        request->family = interface->hardware;
        return 0;
    case SIOCGIFINDEX:
        request->number = interface->index;
        return 0;
    case SIOCGIFTXQLEN:
        request->number = 1000;
        return 0;
    case SIOCGIFMETRIC:
        return 0;
    default:
        return -ENOTTY;
    }
}

long interface_ioctl(uint32_t request_code, uint64_t argument)
{
    struct interface_request request;
    if (request_code == SIOCGIFCONF) {
        return list_write(argument);
    }
    if (request_code < SIOCGIFNAME || request_code > SIOCGIFTXQLEN) {
        return -ENOTTY;
    }
    if (copy_from_user(&request, argument, sizeof(request)) != 0) {
        return -EFAULT;
    }
    request.name[INTERFACE_NAME_BYTES - 1] = '\0';
    const struct interface *interface =
        request_code == SIOCGIFNAME ? by_index(request.number) : by_name(request.name);
    if (interface == NULL) {
        return -ENODEV;
    }
    long result = value_set(request_code, &request, interface);
    return result != 0 ? result : copy_to_user(argument, &request, sizeof(request));
}
