/* http.h - what upstream systems read over loopback HTTP: docs/http.md 2. */
#pragma once

#include "syncd/daemon.h"

#define HTTP_CONNECTIONS_LIMIT 512
#define HTTP_PARKED_LIMIT 256 /* feeds that wait for news */
#define HTTP_JOBS_LIMIT 256   /* at once on the workers */

struct http;

/* Listens where node.yaml says; ERR_DENIED when that is not loopback. */
enum err_code http_new(struct daemon *d, struct http **out, struct err *err);
void http_stop(struct http *h); /* accepts no more, answers who waits */
void http_free(struct http *h);
size_t http_busy(const struct http *h); /* requests not yet answered */
void http_changed(struct http *h);	/* the store may have grown */
