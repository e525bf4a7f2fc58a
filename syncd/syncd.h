/* syncd.h - the daemon's parts that others may use: sessions, the replica, and
 * the pure pieces of its HTTP. */
#pragma once

#include "syncd/query.h"
#include "syncd/replica.h"
#include "syncd/request.h"
#include "syncd/session.h"
