/*
 * lwipopts.h - How lwIP 2.2 is built into the netstack
 *
 * Only its TCP is used; netstack/ parses IP itself and owns UDP, ICMP and
 * fragments. No pools: everything comes from malloc, limits are ours.
 */
#ifndef NETSTACK_LW_LWIPOPTS_H
#define NETSTACK_LW_LWIPOPTS_H

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS          0
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_STATS           0

#define LWIP_IPV4                       1
#define LWIP_IPV6                       1
#define LWIP_TCP                        1
#define LWIP_UDP                        0
#define LWIP_RAW                        0
#define LWIP_ICMP                       1
#define LWIP_ICMP6                      1
#define LWIP_ARP                        0
#define LWIP_ETHERNET                   0
#define LWIP_DHCP                       0
#define LWIP_DNS                        0
#define LWIP_IGMP                       0
#define LWIP_IPV6_SCOPES                0
#define LWIP_IPV6_MLD                   0
#define LWIP_IPV6_AUTOCONFIG            0
#define LWIP_IPV6_DHCP6                 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS   0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT   0
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0

#define LWIP_SINGLE_NETIF     1
#define LWIP_HAVE_LOOPIF      0
#define LWIP_NETIF_LOOPBACK   0
#define LWIP_NETIF_HWADDRHINT 1 /* output learns the pcb of a segment */
#define IP_FORWARD            0
#define IP_REASSEMBLY         0
#define IP_FRAG               0 /* never split a super-segment */
#define LWIP_IPV6_FRAG        0
#define LWIP_IPV6_REASS       0

/* Sums of received packets are checked in packet.c, others made in output.c */
#define CHECKSUM_GEN_IP      0
#define CHECKSUM_GEN_TCP     0
#define CHECKSUM_CHECK_IP    0
#define CHECKSUM_CHECK_TCP   0
#define CHECKSUM_CHECK_UDP   0
#define CHECKSUM_CHECK_ICMP  0
#define CHECKSUM_CHECK_ICMP6 0

/* The biggest segment a pbuf (16 bit length) holds behind a v6 header */
#define TCP_MSS                        65463
#define TCP_CALCULATE_EFF_SEND_MSS     1 /* the SYN-ACK tells the TUN's MSS */
#define LWIP_WND_SCALE                 1
#define TCP_RCV_SCALE                  7
#define TCP_WND                        (1024 * 1024)
#define TCP_SND_BUF                    (1024 * 1024)
#define TCP_SND_QUEUELEN               60000
#define TCP_SNDLOWAT                   1
#define TCP_SNDQUEUELOWAT              1
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they assume an MSS below 16 KiB */
#define TCP_WND_UPDATE_THRESHOLD       (TCP_WND / 4)
#define TCP_OVERSIZE                   0
#define TCP_QUEUE_OOSEQ                1
#define TCP_OOSEQ_MAX_PBUFS            256
#define LWIP_TCP_SACK_OUT              1
#define LWIP_TCP_TIMESTAMPS            0 /* wrong on big-endian in 2.2.1 */
#define TCP_LISTEN_BACKLOG             0
#define LWIP_CALLBACK_API              1
#define LWIP_TCP_PCB_NUM_EXT_ARGS      1 /* tells us when a pcb is freed */
#define TCP_MSL                        1000UL
#define TCP_TMR_INTERVAL               25 /* slow tick: LW_TICK_MS */
#define LWIP_TCP_RTO_TIME              1000

#define MEM_LIBC_MALLOC              1
#define MEMP_MEM_MALLOC              1
#define MEM_ALIGNMENT                __SIZEOF_POINTER__
#define PBUF_LINK_HLEN               0
#define PBUF_LINK_ENCAPSULATION_HLEN 0
#define LWIP_SUPPORT_CUSTOM_PBUF     1

#define LWIP_HOOK_FILENAME "hooks.h"
#define LWIP_HOOK_TCP_ISN  lw_isn

#endif
