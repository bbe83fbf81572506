// Linux calls and constants that Swift's Glibc module does not show. Wrapped once, in LinuxNetwork; nothing else uses them.
//
// The header defines no _GNU_SOURCE (it clashes with the Glibc module) and includes no <netinet/udp.h> (it clashes with
// CNIOLinux), so what those would declare is mirrored here and checked by static assertions in shim.c.
//
// Functions return what the system call returns: -1 with errno on failure.

#ifndef CLINUX_H
#define CLINUX_H

#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/// Mirror of struct mmsghdr.
struct clinux_mmsghdr {
    struct msghdr msg_hdr;
    unsigned int msg_len;
};

int clinux_recvmmsg(int fd, struct clinux_mmsghdr *messages, unsigned int count, int flags);
int clinux_sendmmsg(int fd, struct clinux_mmsghdr *messages, unsigned int count, int flags);

// Control messages.
size_t clinux_cmsg_space(size_t length);
size_t clinux_cmsg_len(size_t length);
struct cmsghdr *clinux_cmsg_first(const struct msghdr *message);
struct cmsghdr *clinux_cmsg_next(const struct msghdr *message, const struct cmsghdr *current);
void *clinux_cmsg_data(const struct cmsghdr *current);

// Readiness. A descriptor is watched for input under a tag of the caller's choice.
int clinux_epoll_create(void);
int clinux_epoll_add_input(int epoll, int fd, uint64_t tag);
/// The same for a descriptor of which only errors matter.
int clinux_epoll_add_errors(int epoll, int fd, uint64_t tag);
int clinux_epoll_remove(int epoll, int fd);
/// Fills `tags` with those of at most `count` (not above 64) ready descriptors and returns their number.
int clinux_epoll_wait(int epoll, uint64_t *tags, int count, int timeout_milliseconds);

int clinux_eventfd(void);

// TUN.
/// Attaches one queue of the TUN `name` (at most 15 bytes) to `fd`; creates the device if needed. `name` gets its final name.
int clinux_tun_attach(int fd, char name[16], int multi_queue);
int clinux_tun_set_vnet_header_size(int fd, int size);
int clinux_tun_set_offload(int fd, unsigned int flags);
int clinux_open_tun_control(void);
/// Whether the kernel knows TUNs of several queues; `fd` is of `clinux_open_tun_control`.
int clinux_tun_knows_queues(int fd);
/// Packets that wait in each queue of interface `name`, in the caller's network namespace.
int clinux_set_transmit_queue_length(const char name[16], int packets);

// Steering: programs that name the queue or the socket of a packet.
/// Loads `count` eBPF instructions (struct bpf_insn) as a socket filter; a descriptor.
int clinux_bpf_load_socket_filter(const uint64_t *code, unsigned int count);
/// Has the program choose the queue of each packet of a TUN; -1 takes the choice back.
int clinux_tun_set_steering(int fd, int program);
/// Has `count` classic instructions (struct sock_filter) choose the socket within the group of `fd` (SO_REUSEPORT).
int clinux_attach_group_filter(int fd, const uint64_t *code, unsigned short count);

extern const unsigned int clinux_tun_f_csum;
extern const unsigned int clinux_tun_f_tso4;
extern const unsigned int clinux_tun_f_tso6;
extern const unsigned int clinux_tun_f_tso_ecn;
extern const unsigned int clinux_tun_f_uso4;
extern const unsigned int clinux_tun_f_uso6;

// Sockets.
/// A classic BPF filter that keeps nothing: what arrives is dropped before it is queued.
int clinux_attach_drop_all(int fd);

// Which module Swift finds these two in depends on what else is imported.
/// SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC
extern const int clinux_sock_datagram;
extern const int clinux_msg_trunc;
extern const int clinux_msg_errqueue;
extern const int clinux_so_mark;
extern const int clinux_so_rcvbufforce;
extern const int clinux_so_sndbufforce;
extern const int clinux_so_no_check;
extern const int clinux_ip_pktinfo;
extern const int clinux_ip_recvtos;
extern const int clinux_ip_recvttl;
extern const int clinux_ip_recverr;
extern const int clinux_ip_mtu_discover;
extern const int clinux_ip_pmtudisc_probe;
extern const int clinux_ip_pmtudisc_dont;
extern const int clinux_ipv6_recvpktinfo;
extern const int clinux_ipv6_pktinfo;
extern const int clinux_ipv6_recvtclass;
extern const int clinux_ipv6_tclass;
extern const int clinux_ipv6_recvhoplimit;
extern const int clinux_ipv6_hoplimit;
extern const int clinux_ipv6_recverr;
extern const int clinux_ipv6_mtu_discover;
extern const int clinux_ipv6_mtu;
extern const int clinux_udp_no_check6_tx;
extern const int clinux_udp_no_check6_rx;
/// Who found an error (sock_extended_err): this host, a router by ICMP, by ICMPv6.
extern const int clinux_error_origin_local;
extern const int clinux_error_origin_icmp;
extern const int clinux_error_origin_icmpv6;
/// Level and types of the control messages of trains.
extern const int clinux_sol_udp;
extern const int clinux_udp_segment;
extern const int clinux_udp_gro;

// Memory.
/// Asks for the cache line at `address`, which may be any, without waiting for it.
static inline void clinux_prefetch(const void *address) { __builtin_prefetch(address); }

// Threads.
int clinux_set_thread_name(const char *name);
/// Processors that this process may run on.
int clinux_processor_count(void);
/// Whether this process's first thread may run on processor `number`, as things stand.
int clinux_may_run_on(int number);
/// Has a thread run on that processor alone. Returns an error number, 0 if none.
int clinux_run_on(pthread_t thread, int number);
/// Lets a thread of this process, by its number (0: the calling one), run on these processors alone. 0 on success.
int clinux_bind_thread(int thread, const int *processors, int count);
/// The text of an error number. 0 on success.
int clinux_error_text(int error, char *buffer, size_t size);

#endif
