/* base.h - errors, bytes, cursor, JSON, time, files: what all folders use. */
#pragma once

#include "base/array.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/file.h"
#include "base/heap.h"
#include "base/json.h"
#include "base/locale.h"
#include "base/number.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/stack.h"
#include "base/text.h"
#include "base/time.h"
