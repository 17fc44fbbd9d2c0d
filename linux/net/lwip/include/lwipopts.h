/*
 * How the personality builds lwIP: the stack alone, under one lock of ours (NO_SYS), its raw
 * interface, IPv4 and IPv6, TCP and UDP. docs/decisions/006-lwip.md says why;
 * linux/net/inet_stack.c is what stands around it.
 */
#pragma once

/* --- who runs it: whoever holds inet_lock */
#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define LWIP_TIMERS          0
#define LWIP_MPU_COMPATIBLE  0

/* --- memory: all of it is the personality's heap */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT   8
#define mem_clib_malloc inet_alloc
#define mem_clib_calloc inet_alloc_array
#define mem_clib_free   inet_free

/* --- protocols */
#define LWIP_ARP                      0
#define LWIP_ETHERNET                 0
#define LWIP_IPV4                     1
#define LWIP_ICMP                     1
#define LWIP_IGMP                     0
#define LWIP_RAW                      0
#define LWIP_DHCP                     0
#define LWIP_AUTOIP                   0
#define LWIP_DNS                      0
#define LWIP_UDP                      1
#define LWIP_TCP                      1
#define IP_FORWARD                    0
#define IP_REASSEMBLY                 0
#define IP_FRAG                       0
#define LWIP_IPV6                     1
#define LWIP_ICMP6                    1
#define LWIP_IPV6_MLD                 0
#define LWIP_IPV6_FRAG                0
#define LWIP_IPV6_REASS               0
#define LWIP_IPV6_SCOPES              0
#define LWIP_IPV6_AUTOCONFIG          0
#define LWIP_IPV6_DHCP6               0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_ND6_QUEUEING             0
#define LWIP_STATS                    0

/* --- interfaces: lo; its packets wait in its queue until the lock is given back */
#define LWIP_HAVE_LOOPIF                   1
#define LWIP_NETIF_LOOPBACK                1
#define LWIP_NETIF_LOOPBACK_MULTITHREADING 0
#define LWIP_LOOPBACK_MAX_PBUFS            0
#define LWIP_CHECKSUM_CTRL_PER_NETIF       1

/* --- TCP */
/* A segment with its headers is what the heap gives without a run of its own. */
#define TCP_MSS                    2560
#define LWIP_WND_SCALE             0
#define TCP_WND                    (24 * TCP_MSS)
#define TCP_SND_BUF                (24 * TCP_MSS)
#define TCP_SND_QUEUELEN           256
#define TCP_SNDLOWAT               (TCP_SND_BUF / 4)
#define TCP_SNDQUEUELOWAT          (TCP_SND_QUEUELEN / 2)
#define TCP_QUEUE_OOSEQ            0
#define LWIP_TCP_SACK_OUT          0
#define LWIP_TCP_TIMESTAMPS        0
#define TCP_LISTEN_BACKLOG         1
#define TCP_DEFAULT_LISTEN_BACKLOG 0xff
#define LWIP_TCP_KEEPALIVE         1
#define LWIP_TCP_RTO_TIME          1000
/* A delayed acknowledgement waits for one of these, a retransmission for some. */
#define TCP_TMR_INTERVAL 50
/* On lo no segment is late: TIME-WAIT keeps a port for two seconds. */
#define TCP_MSL                                                   1000ul
#define SO_REUSE                                                  1
#define LWIP_HOOK_FILENAME                                        "linux/net/inet_hooks.h"
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) inet_random()
#define LWIP_HOOK_IP4_INPUT(packet, netif)                        inet_hook_ip4(packet, netif)
#define LWIP_HOOK_IP6_INPUT(packet, netif)                        inet_hook_ip6(packet, netif)

/* --- UDP */
#define LWIP_UDPLITE         1
#define LWIP_NETBUF_RECVINFO 0

#define LWIP_NOASSERT_ON_ERROR 0
