// libpcap, which reads capture files (and, with privileges, interfaces). Its macros for link types come along as constants.

#ifndef LISPD_CPCAP_H
#define LISPD_CPCAP_H

#include <pcap/pcap.h>

#endif
