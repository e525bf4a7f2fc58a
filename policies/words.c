/* words.c - the words for labels, ranks, types and periods, in both languages.
 */
#include "policies/words.h"

static const char *const label_words[LABEL_COUNT][PAGE_LANGUAGES] = {
	[LABEL_PUBLIC] = {"public", "公开"},
	[LABEL_INTERNAL] = {"internal", "内部"},
	[LABEL_PERSONAL] = {"personal", "个人信息"},
	[LABEL_SENSITIVE] = {"sensitive", "敏感个人信息"},
};
static const char *const rank_words[RANK_COUNT][PAGE_LANGUAGES] = {
	[RANK_VILLAGE] = {"village", "村（社区）"},
	[RANK_TOWNSHIP] = {"township", "乡镇（街道）"},
	[RANK_COUNTY] = {"county", "县（市、区）"},
};
static const char *const type_words[][PAGE_LANGUAGES] = {
	[TYPE_STRING] = {"a line of text", "单行文本"},
	[TYPE_TEXT] = {"text", "多行文本"},
	[TYPE_INTEGER] = {"whole number", "整数"},
	[TYPE_NUMBER] = {"number", "数值"},
	[TYPE_BOOLEAN] = {"yes or no", "是或否"},
	[TYPE_DATE] = {"date", "日期"},
	[TYPE_TIME] = {"time at +08:00", "时间（+08:00）"},
	[TYPE_NAME] = {"person's name", "姓名"},
	[TYPE_ID_NO] = {"identity number (GB 11643)",
		"公民身份号码（GB 11643）"},
	[TYPE_PHONE] = {"telephone number", "电话号码"},
	[TYPE_ADDRESS] = {"address", "住址"},
	[TYPE_DIVISION] = {"12-digit division code", "12位区划代码"},
	[TYPE_CHOICE] = {"one of", "选项"},
	[TYPE_MONEY] = {"money, in 分", "金额（分）"},
	[TYPE_USCC] = {"unified social credit code (GB 32100)",
		"统一社会信用代码（GB 32100）"},
	[TYPE_BANK_CARD] = {"bank card number", "银行卡号"},
};

const char *word_label(enum label l, enum page_language in)
{
	return label_words[l][in];
}

const char *word_rank(enum rank r, enum page_language in)
{
	return rank_words[r][in];
}

const char *word_type(enum field_type t, enum page_language in)
{
	return type_words[t][in];
}

void word_period(const char *text, enum page_language in, struct buf *out)
{
	static const char *const forever[PAGE_LANGUAGES] = {"for ever", "永久"};
	static const char *const one[][PAGE_LANGUAGES] = {
		[PERIOD_YEARS] = {"year", "年"}, [PERIOD_DAYS] = {"day", "日"}};
	struct period period = {.unit = PERIOD_FOREVER};

	(void)period_parse(text, &period); /* checked when it was loaded */
	if (period.unit == PERIOD_FOREVER) {
		buf_str(out, forever[in]);
		return;
	}
	buf_printf(out, in == PAGE_ENGLISH ? "%u %s" : "%u%s", period.count,
		one[period.unit][in]);
	if (in == PAGE_ENGLISH && period.count != 1)
		buf_u8(out, 's');
}
