// Thin bodies for CLinux.h. No decisions are taken here.

#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Kernel headers before 6.2 do not know these.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#endif
#ifndef TUN_F_USO6
#define TUN_F_USO6 0x40
#endif
#ifndef UDP_NO_CHECK6_TX
#define UDP_NO_CHECK6_TX 101
#endif
#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

_Static_assert(sizeof(struct clinux_mmsghdr) == sizeof(struct mmsghdr), "mirror of struct mmsghdr");
_Static_assert(
    offsetof(struct clinux_mmsghdr, msg_len) == offsetof(struct mmsghdr, msg_len), "mirror of struct mmsghdr");
_Static_assert(IFNAMSIZ == 16, "room for an interface name");

int clinux_recvmmsg(int fd, struct clinux_mmsghdr *messages, unsigned int count, int flags) {
    return recvmmsg(fd, (struct mmsghdr *)messages, count, flags, NULL);
}

int clinux_sendmmsg(int fd, struct clinux_mmsghdr *messages, unsigned int count, int flags) {
    return sendmmsg(fd, (struct mmsghdr *)messages, count, flags);
}

size_t clinux_cmsg_space(size_t length) { return CMSG_SPACE(length); }

size_t clinux_cmsg_len(size_t length) { return CMSG_LEN(length); }

struct cmsghdr *clinux_cmsg_first(const struct msghdr *message) { return CMSG_FIRSTHDR(message); }

struct cmsghdr *clinux_cmsg_next(const struct msghdr *message, const struct cmsghdr *current) {
    return CMSG_NXTHDR((struct msghdr *)message, (struct cmsghdr *)current);
}

void *clinux_cmsg_data(const struct cmsghdr *current) { return CMSG_DATA((struct cmsghdr *)current); }

int clinux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int clinux_epoll_add_input(int epoll, int fd, uint64_t tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int clinux_epoll_add_errors(int epoll, int fd, uint64_t tag) {
    struct epoll_event event = {.events = 0, .data.u64 = tag};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int clinux_epoll_remove(int epoll, int fd) {
    struct epoll_event event = {0};
    return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
}

int clinux_epoll_wait(int epoll, uint64_t *tags, int count, int timeout_milliseconds) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll, events, count < 64 ? count : 64, timeout_milliseconds);
    for (int i = 0; i < ready; i++) tags[i] = events[i].data.u64;
    return ready;
}

int clinux_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int clinux_open_tun_control(void) { return open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK); }

int clinux_tun_knows_queues(int fd) {
    unsigned int features = 0;
    return ioctl(fd, TUNGETFEATURES, &features) == 0 && (features & IFF_MULTI_QUEUE) != 0;
}

int clinux_tun_attach(int fd, char name[16], int multi_queue) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (multi_queue ? IFF_MULTI_QUEUE : 0);
    int result = ioctl(fd, TUNSETIFF, &request);
    if (result >= 0) memcpy(name, request.ifr_name, IFNAMSIZ);
    return result;
}

int clinux_tun_set_vnet_header_size(int fd, int size) { return ioctl(fd, TUNSETVNETHDRSZ, &size); }

int clinux_tun_set_offload(int fd, unsigned int flags) { return ioctl(fd, TUNSETOFFLOAD, (unsigned long)flags); }

int clinux_set_transmit_queue_length(const char name[16], int packets) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_qlen = packets;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int result = ioctl(fd, SIOCSIFTXQLEN, &request);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

_Static_assert(sizeof(struct bpf_insn) == sizeof(uint64_t), "an eBPF instruction in 64 bits");
_Static_assert(sizeof(struct sock_filter) == sizeof(uint64_t), "a classic instruction in 64 bits");

int clinux_bpf_load_socket_filter(const uint64_t *code, unsigned int count) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attributes.insns = (uint64_t)(uintptr_t)code;
    attributes.insn_cnt = count;
    attributes.license = (uint64_t)(uintptr_t) "GPL";
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

int clinux_tun_set_steering(int fd, int program) { return ioctl(fd, TUNSETSTEERINGEBPF, &program); }

int clinux_attach_group_filter(int fd, const uint64_t *code, unsigned short count) {
    struct sock_fprog program = {.len = count, .filter = (struct sock_filter *)code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

const unsigned int clinux_tun_f_csum = TUN_F_CSUM;
const unsigned int clinux_tun_f_tso4 = TUN_F_TSO4;
const unsigned int clinux_tun_f_tso6 = TUN_F_TSO6;
const unsigned int clinux_tun_f_tso_ecn = TUN_F_TSO_ECN;
const unsigned int clinux_tun_f_uso4 = TUN_F_USO4;
const unsigned int clinux_tun_f_uso6 = TUN_F_USO6;

int clinux_attach_drop_all(int fd) {
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog program = {.len = 1, .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

const int clinux_sock_datagram = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
const int clinux_msg_trunc = MSG_TRUNC;
const int clinux_msg_errqueue = MSG_ERRQUEUE;
const int clinux_so_mark = SO_MARK;
const int clinux_so_rcvbufforce = SO_RCVBUFFORCE;
const int clinux_so_sndbufforce = SO_SNDBUFFORCE;
const int clinux_so_no_check = SO_NO_CHECK;
const int clinux_ip_pktinfo = IP_PKTINFO;
const int clinux_ip_recvtos = IP_RECVTOS;
const int clinux_ip_recvttl = IP_RECVTTL;
const int clinux_ip_recverr = IP_RECVERR;
const int clinux_ip_mtu_discover = IP_MTU_DISCOVER;
const int clinux_ip_pmtudisc_probe = IP_PMTUDISC_PROBE;
const int clinux_ip_pmtudisc_dont = IP_PMTUDISC_DONT;
const int clinux_ipv6_recvpktinfo = IPV6_RECVPKTINFO;
const int clinux_ipv6_pktinfo = IPV6_PKTINFO;
const int clinux_ipv6_recvtclass = IPV6_RECVTCLASS;
const int clinux_ipv6_tclass = IPV6_TCLASS;
const int clinux_ipv6_recvhoplimit = IPV6_RECVHOPLIMIT;
const int clinux_ipv6_hoplimit = IPV6_HOPLIMIT;
const int clinux_ipv6_recverr = IPV6_RECVERR;
const int clinux_ipv6_mtu_discover = IPV6_MTU_DISCOVER;
const int clinux_ipv6_mtu = IPV6_MTU;
const int clinux_udp_no_check6_tx = UDP_NO_CHECK6_TX;
const int clinux_udp_no_check6_rx = UDP_NO_CHECK6_RX;
const int clinux_error_origin_local = SO_EE_ORIGIN_LOCAL;
const int clinux_error_origin_icmp = SO_EE_ORIGIN_ICMP;
const int clinux_error_origin_icmpv6 = SO_EE_ORIGIN_ICMP6;
const int clinux_sol_udp = IPPROTO_UDP;
const int clinux_udp_segment = UDP_SEGMENT;
const int clinux_udp_gro = UDP_GRO;

int clinux_set_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }

int clinux_processor_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

int clinux_may_run_on(int number) {
    cpu_set_t set;
    return number >= 0 && number < CPU_SETSIZE && sched_getaffinity(getpid(), sizeof set, &set) == 0 && CPU_ISSET(number, &set);
}

int clinux_run_on(pthread_t thread, int number) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(number, &set);
    return pthread_setaffinity_np(thread, sizeof set, &set);
}

int clinux_bind_thread(int thread, const int *processors, int count) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int index = 0; index < count; index++) CPU_SET(processors[index], &set);
    return sched_setaffinity(thread, sizeof set, &set);
}

int clinux_error_text(int error, char *buffer, size_t size) {
    const char *text = strerror_r(error, buffer, size);
    if (text != buffer) {
        size_t length = strnlen(text, size - 1);
        memcpy(buffer, text, length);
        buffer[length] = 0;
    }
    return 0;
}
