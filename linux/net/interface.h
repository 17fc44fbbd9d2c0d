/*
 * What programs may know of the container's network interfaces: for ioctls (netdevice(7)) and for
 * netlink. There is lo; the network will add more to the table.
 */
#pragma once

#include "lib/base/types.h"

#define INTERFACE_NAME_BYTES 16

#define IFF_UP       0x1u
#define IFF_LOOPBACK 0x8u
#define IFF_RUNNING  0x40u

struct interface_address {
    uint16_t family;
    uint8_t prefix_bits;
    uint8_t scope;
    uint8_t bytes[16];
};

#define INTERFACE_LO 1 /* its index */

struct interface {
    char name[INTERFACE_NAME_BYTES];
    int index;
    uint32_t flags;
    uint32_t mtu_bytes;
    uint16_t hardware; /* ARPHRD_* */
    uint32_t address_count;
    struct interface_address address[2];
};

extern const struct interface interfaces[];
extern const uint32_t interface_count;

/* SIOCGIF* of any socket: -ENOTTY when it is none of them, -ENODEV, -EFAULT. */
long interface_ioctl(uint32_t request, uint64_t argument);
