/* What lwIP calls outside its own code; inet_stack.c and inet_error.c have it. All under inet_lock.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct netif;
struct pbuf;

void *inet_alloc(size_t size_bytes);
void *inet_alloc_array(size_t count, size_t size_bytes);
void inet_free(void *block);
uint32_t inet_random(void);
_Noreturn void inet_assert_failed(const char *text);

/* inet_error.c: is it an ICMP error? Then the socket that it is about has it. */
void inet_error_ip4(const struct pbuf *packet);
void inet_error_ip6(const struct pbuf *packet);

/* A packet has arrived, not looked at yet: 0 lets it go on. */
int inet_hook_ip4(struct pbuf *packet, struct netif *netif);
int inet_hook_ip6(struct pbuf *packet, struct netif *netif);
