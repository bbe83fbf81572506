// What LinuxNetwork needs of libnl-3 and of the kernel's routing headers, and a few calls that Glibc does not show to
// Swift. Only inline code: this is a system library target.

#ifndef LISPD_CNETLINK_H
#define LISPD_CNETLINK_H

#include <errno.h>
#include <linux/capability.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif
#ifndef CLONE_NEWNET
#define CLONE_NEWNET 0x40000000
#endif

// The state of one request to the kernel: what libnl's callbacks write and the caller reads.
struct lispd_nl_exchange {
    // Called for each message of the answer; its payload is valid during the call only.
    void (*on_message)(const struct nlmsghdr *message, void *context);
    void *context;
    // 0, or the errno with which the kernel refused (positive).
    int error;
    // The kernel's own words about the refusal (NETLINK_EXT_ACK), or empty.
    char detail[160];
    int finished;
};

static inline int lispd_nl_on_valid(struct nl_msg *message, void *argument)
{
    struct lispd_nl_exchange *exchange = (struct lispd_nl_exchange *)argument;
    if (exchange->on_message)
        exchange->on_message(nlmsg_hdr(message), exchange->context);
    // The answer to a single (not a dump) request is followed by an acknowledgement, so reading goes on.
    return NL_OK;
}

static inline int lispd_nl_on_end(struct nl_msg *message, void *argument)
{
    struct lispd_nl_exchange *exchange = (struct lispd_nl_exchange *)argument;
    struct nlmsghdr *header = nlmsg_hdr(message);
    // A dump that failed half-way ends with NLMSG_DONE carrying a negative errno.
    if (header->nlmsg_type == NLMSG_DONE && nlmsg_datalen(header) >= (int)sizeof(int)) {
        int status;
        memcpy(&status, nlmsg_data(header), sizeof status);
        if (status < 0)
            exchange->error = -status;
    }
    exchange->finished = 1;
    return NL_STOP;
}

static inline int lispd_nl_on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *argument)
{
    struct lispd_nl_exchange *exchange = (struct lispd_nl_exchange *)argument;
    // Safe: libnl hands out a pointer into the datagram, just behind the header of the error message.
    const struct nlmsghdr *header = (const struct nlmsghdr *)((const char *)error - NLMSG_HDRLEN);
    (void)from;
    exchange->error = -error->error;
    exchange->finished = 1;
    if (header->nlmsg_flags & NLM_F_ACK_TLVS) {
        // The request is echoed after the error unless NLM_F_CAPPED; the attributes follow.
        size_t offset = sizeof *error;
        if (!(header->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len >= sizeof error->msg)
            offset += NLMSG_ALIGN(error->msg.nlmsg_len - sizeof error->msg);
        if (NLMSG_HDRLEN + offset < header->nlmsg_len) {
            const struct nlattr *text = nla_find((const struct nlattr *)((const char *)error + offset),
                                                 (int)(header->nlmsg_len - NLMSG_HDRLEN - offset), NLMSGERR_ATTR_MSG);
            if (text)
                nla_strlcpy(exchange->detail, text, sizeof exchange->detail);
        }
    }
    return NL_STOP;
}

// Sends `message` with NLM_F_ACK (a dump ends with NLMSG_DONE instead) and reads until the kernel has answered in full.
// Returns 0, or a positive errno that is also in `exchange->error`; -1 if a dump was interrupted by a change and must be
// repeated. `message` stays the caller's.
static inline int lispd_nl_transact(struct nl_sock *sock, struct nl_msg *message, struct lispd_nl_exchange *exchange)
{
    int status;
    struct nl_cb *callbacks = nl_cb_alloc(NL_CB_CUSTOM);
    if (!callbacks)
        return exchange->error = ENOMEM;
    nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, lispd_nl_on_valid, exchange);
    nl_cb_set(callbacks, NL_CB_FINISH, NL_CB_CUSTOM, lispd_nl_on_end, exchange);
    nl_cb_set(callbacks, NL_CB_ACK, NL_CB_CUSTOM, lispd_nl_on_end, exchange);
    nl_cb_err(callbacks, NL_CB_CUSTOM, lispd_nl_on_error, exchange);
    exchange->error = 0;
    exchange->detail[0] = 0;
    exchange->finished = 0;
    status = nl_send_auto(sock, message);
    while (status >= 0 && !exchange->finished)
        status = nl_recvmsgs(sock, callbacks);
    nl_cb_put(callbacks);
    if (status == -NLE_DUMP_INTR)
        return -1;
    if (status < 0 && !exchange->error) {
        // libnl speaks its own numbers; these are the ones a local failure can have.
        switch (-status) {
        case NLE_NOMEM: exchange->error = ENOBUFS; break;
        case NLE_MSG_TOOSHORT:
        case NLE_MSG_TRUNC: exchange->error = EMSGSIZE; break;
        case NLE_PERM: exchange->error = EPERM; break;
        default: exchange->error = EIO; break;
        }
        strncpy(exchange->detail, nl_geterror(status), sizeof exchange->detail - 1);
        exchange->detail[sizeof exchange->detail - 1] = 0;
    }
    return exchange->error;
}

// Enters the network namespace behind `descriptor`, for the calling thread only. 0 or -1 with errno.
static inline int lispd_enter_network_namespace(int descriptor)
{
    return (int)syscall(SYS_setns, descriptor, CLONE_NEWNET);
}

// Gives the calling thread a fresh network namespace. 0 or -1 with errno.
static inline int lispd_new_network_namespace(void)
{
    return (int)syscall(SYS_unshare, CLONE_NEWNET);
}

// The effective capabilities of the calling thread as a bit set, or 0 if they cannot be read.
static inline unsigned long long lispd_effective_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) != 0)
        return 0;
    return (unsigned long long)data[1].effective << 32 | data[0].effective;
}

#endif
