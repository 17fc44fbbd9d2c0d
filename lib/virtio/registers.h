/* The registers of both transports, virtio 1.2 sections 4.1.4 and 4.2.2. */
#pragma once

#define STATUS_BIT_ACKNOWLEDGE 1u
#define STATUS_BIT_DRIVER      2u
#define STATUS_BIT_DRIVER_OK   4u
#define STATUS_BIT_FEATURES_OK 8u

#define MMIO_MAGIC                    0x000
#define MMIO_VERSION                  0x004
#define MMIO_DEVICE_TYPE              0x008
#define MMIO_DEVICE_FEATURES          0x010
#define MMIO_DEVICE_FEATURES_SELECT   0x014
#define MMIO_DRIVER_FEATURES          0x020
#define MMIO_DRIVER_FEATURES_SELECT   0x024
#define MMIO_QUEUE_SELECT             0x030
#define MMIO_QUEUE_SIZE_MAX           0x034
#define MMIO_QUEUE_SIZE               0x038
#define MMIO_QUEUE_READY              0x044
#define MMIO_QUEUE_NOTIFY             0x050
#define MMIO_INTERRUPT_STATUS         0x060
#define MMIO_INTERRUPT_ACKNOWLEDGE    0x064
#define MMIO_STATUS                   0x070
#define MMIO_QUEUE_DESCRIPTORS        0x080
#define MMIO_QUEUE_AVAILABLE          0x090
#define MMIO_QUEUE_USED               0x0a0
#define MMIO_CONFIGURATION_GENERATION 0x0fc
#define MMIO_CONFIGURATION            0x100

#define MMIO_MAGIC_VALUE   0x74726976u
#define MMIO_VERSION_VALUE 2u

#define PCI_DEVICE_FEATURE_SELECT    0
#define PCI_DEVICE_FEATURE           4
#define PCI_DRIVER_FEATURE_SELECT    8
#define PCI_DRIVER_FEATURE           12
#define PCI_CONFIGURATION_VECTOR     16
#define PCI_STATUS                   20
#define PCI_CONFIGURATION_GENERATION 21
#define PCI_QUEUE_SELECT             22
#define PCI_QUEUE_SIZE               24
#define PCI_QUEUE_VECTOR             26
#define PCI_QUEUE_ENABLE             28
#define PCI_QUEUE_NOTIFY_OFFSET      30
#define PCI_QUEUE_DESCRIPTORS        32
#define PCI_QUEUE_AVAILABLE          40
#define PCI_QUEUE_USED               48
#define PCI_COMMON_BYTES             56
