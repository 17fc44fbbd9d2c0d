/* Ranges of x86 I/O ports: a driver reads and writes them one by one through the kernel. */
#include "kernel/object/account.h"
#include "kernel/x86_64/asm.h"

#define PORTS 0x10000

struct ioport {
    struct object object;
    uint32_t first;
    uint32_t count;
};

OBJECT_AS(ioport)

status_t call_ioport_create(struct call *call)
{
    uint64_t first = call->argument[3];
    uint64_t count = call->argument[4];
    if (count == 0 || !range_inside(first, count, PORTS)) {
        return STATUS_OUT_OF_RANGE;
    }
    status_t status = object_create(object_account(call->other), OBJECT_IOPORT,
                                    sizeof(struct ioport), &call->made);
    if (status == STATUS_OK) {
        struct ioport *ioport = object_ioport(call->made);
        ioport->first = (uint32_t)first;
        ioport->count = (uint32_t)count;
    }
    return status;
}

static void port_write(uint16_t port, uint64_t width, uint64_t value)
{
    if (width == 1) {
        port_write8(port, (uint8_t)value);
    } else if (width == 2) {
        port_write16(port, (uint16_t)value);
    } else {
        port_write32(port, (uint32_t)value);
    }
}

static uint64_t port_read(uint16_t port, uint64_t width)
{
    if (width == 1) {
        return port_read8(port);
    }
    return width == 2 ? port_read16(port) : port_read32(port);
}

status_t call_ioport_access(struct call *call)
{
    struct ioport *ioport = object_ioport(call->object);
    uint64_t port = call->argument[1];
    uint64_t width = call->argument[2] & ~(uint64_t)IOPORT_WRITE;
    if (width != 1 && width != 2 && width != 4) {
        return STATUS_INVALID_ARGUMENT;
    }
    if (port < ioport->first || !range_inside(port - ioport->first, width, ioport->count)) {
        return STATUS_OUT_OF_RANGE;
    }
    if (call->argument[2] & IOPORT_WRITE) {
        port_write((uint16_t)port, width, call->argument[3]);
    } else {
        call->result[0] = port_read((uint16_t)port, width);
    }
    return STATUS_OK;
}
