/* locale.c - the user's language, also where its locale is not installed. */
#include "base/locale.h"

#include <libintl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

bool locale_wants_chinese(void)
{
	static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *v = getenv(names[i]);

		if (v && *v)
			return !strncmp(v, "zh", 2);
	}
	return false;
}

/* Catalogues lie beside the command in a build tree, and under share/ where it
 * is installed; nothing about the machine is compiled in. */
static void bind_catalogue(void)
{
	static const char *const places[] = {
		"locale", "../cli/locale", "../share/locale"};
	const char *told = getenv("CUNDANG_LOCALEDIR");
	char self[PATH_MAX / 2], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	bind_textdomain_codeset(TEXT_DOMAIN, "UTF-8");
	textdomain(TEXT_DOMAIN);
	if (told && *told) {
		bindtextdomain(TEXT_DOMAIN, told);
		return;
	}
	if (n <= 0)
		return;
	self[n] = '\0';
	if (!(slash = strrchr(self, '/')))
		return;
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		if (file_exists(path)) {
			bindtextdomain(TEXT_DOMAIN, path);
			return;
		}
	}
}

/* glibc looks at LANGUAGE unless the locale is "C", so C.UTF-8, which Debian
 * always has, is enough for Chinese on a machine without a Chinese locale. */
void locale_start(void)
{
	bool known = setlocale(LC_ALL, "") != NULL;

	if (locale_wants_chinese()) {
		if (!known)
			setlocale(LC_ALL, "C.UTF-8");
		setenv("LANGUAGE", "zh_CN", 0);
	} else if (!known) {
		setlocale(LC_CTYPE, "C.UTF-8");
	}
	setlocale(LC_NUMERIC, "C");
	bind_catalogue();
}
