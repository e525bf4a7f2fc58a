/* address.h - "host:port" and socket addresses. */
#pragma once

#include <sys/socket.h>

#include "policies/policies.h"

struct address {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* Splits "host:port" or "[v6]:port"; the port is 1 to 65535.  Pure. */
bool address_split(const char *text, char host[ADDRESS_SIZE], char port[6]);
/* The first address of the name; numeric ones need no look-up.  Names are
 * looked up by the system and may take seconds: not on the loop's thread. */
enum err_code address_resolve(
	const char *text, struct address *out, struct err *err);
/* Without any look-up; false = it is a name. */
bool address_numeric(const char *text, struct address *out);
/* 127.0.0.0/8 or ::1. */
bool address_loopback(const struct address *a);
/* "127.0.0.1:7000", "[::1]:7000". */
void address_text(
	const struct sockaddr *a, socklen_t len, char out[ADDRESS_SIZE]);
