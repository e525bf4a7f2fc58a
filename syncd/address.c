/* address.c - "host:port" and socket addresses. */
#include "syncd/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

bool address_split(const char *text, char host[ADDRESS_SIZE], char port[6])
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	uint64_t number;

	if (len == 0 || len >= ADDRESS_SIZE ||
		!number_parse(colon + 1, strlen(colon + 1), 65535, &number) ||
		number == 0)
		return false;
	if (text[0] == '[') {
		if (len < 3 || text[len - 1] != ']')
			return false;
		text++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return false;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	snprintf(port, 6, "%u", (unsigned)number);
	return true;
}

static int look_up(const char *text, int flags, struct address *out)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV,
	};
	char host[ADDRESS_SIZE], port[6];
	struct addrinfo *found;
	int rc;

	if (!address_split(text, host, port))
		return EAI_NONAME;
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc)
		return rc;
	memcpy(&out->addr, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

enum err_code address_resolve(
	const char *text, struct address *out, struct err *err)
{
	char host[ADDRESS_SIZE], port[6];
	int rc;

	if (!address_split(text, host, port))
		return err_set(err, ERR_USAGE, "\"%s\" is not HOST:PORT", text);
	if ((rc = look_up(text, 0, out)))
		return err_set(
			err, ERR_NOT_FOUND, "%s: %s", text, gai_strerror(rc));
	return ERR_OK;
}

bool address_numeric(const char *text, struct address *out)
{
	return look_up(text, AI_NUMERICHOST, out) == 0;
}

bool address_loopback(const struct address *a)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (a->addr.ss_family == AF_INET) {
		memcpy(&v4, &a->addr, sizeof(v4));
		return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
	}
	if (a->addr.ss_family == AF_INET6) {
		memcpy(&v6, &a->addr, sizeof(v6));
		return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
	}
	return false;
}

void address_text(
	const struct sockaddr *a, socklen_t len, char out[ADDRESS_SIZE])
{
	char host[INET6_ADDRSTRLEN + 16], port[8];

	if (getnameinfo(a, len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(out, ADDRESS_SIZE, "an address");
	else if (strchr(host, ':'))
		snprintf(out, ADDRESS_SIZE, "[%s]:%s", host, port);
	else
		snprintf(out, ADDRESS_SIZE, "%s:%s", host, port);
}
