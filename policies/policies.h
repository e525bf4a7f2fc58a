/* policies.h - the rules: governance, roster, catalogue, capture, exchange,
 * archives. */
#pragma once

#include "policies/access.h"
#include "policies/archive.h"
#include "policies/capture.h"
#include "policies/check.h"
#include "policies/difference.h"
#include "policies/due.h"
#include "policies/epoch.h"
#include "policies/exchange.h"
#include "policies/governance.h"
#include "policies/kit.h"
#include "policies/node.h"
#include "policies/order.h"
#include "policies/pinyin.h"
#include "policies/point.h"
#include "policies/proposal.h"
#include "policies/repair.h"
#include "policies/repeat.h"
#include "policies/rules.h"
#include "policies/schema.h"
#include "policies/series.h"
