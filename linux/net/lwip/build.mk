# lwIP, from Debian's source package: fetched once, unpacked under build/, compiled with the options in
# include/. What of it nobody calls is left out when the personality is linked.
LWIP_VERSION := 2.1.3+dfsg1-2
LWIP := $(B)/source/lwip
LWIP_SOURCES := $(addsuffix .c,def inet_chksum init ip mem memp netif pbuf tcp tcp_in tcp_out udp timeouts \
    ipv4/icmp ipv4/ip4 ipv4/ip4_addr ipv6/icmp6 ipv6/ip6 ipv6/ip6_addr ipv6/nd6)
LWIP_INCLUDE := -isystem $(LWIP)/src/include -isystem linux/net/lwip/include
LWIP_OPTIONS := linux/net/lwip/include/lwipopts.h # a system header to the compiler, which notes none
LWIP_OBJECTS := $(patsubst %.c,$(B)/user/lwip/%.o,$(LWIP_SOURCES))

$(LWIP)-$(LWIP_VERSION): tools/debian-source.sh
	$(QUIET)tools/debian-source.sh lwip $(LWIP_VERSION) $(LWIP)
	$(QUIET)touch $@
# Its warnings are its authors' concern.
$(LWIP_OBJECTS): $(B)/user/lwip/%.o: $(LWIP)-$(LWIP_VERSION) linux/net/lwip/build.mk $(LWIP_OPTIONS) | generated
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(filter-out $(WARNINGS),$(CFLAGS_user)) -w -ffunction-sections -fdata-sections \
	    $(LWIP_INCLUDE) -c $(LWIP)/src/core/$*.c -o $@
-include $(LWIP_OBJECTS:.o=.d)

# Our side of it.
INET_OBJECTS := $(call objects,user,$(wildcard linux/net/inet*.c) linux/net/proc_net.c)
$(INET_OBJECTS): $(LWIP_OPTIONS) | $(LWIP)-$(LWIP_VERSION)
$(INET_OBJECTS): CFLAGS_user += $(LWIP_INCLUDE)
