/* scratch.c - a folder that goes whatever becomes of who works in it. */
#include "cli/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPEN_FOLDERS 16

static int remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* What the caller's caller ignores (nohup) stays ignored. */
static void add_unless_ignored(sigset_t *set, int number)
{
	struct sigaction now;

	if (sigaction(number, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
		sigaddset(set, number);
}

/* The first signal that ends the work, or 0 when the child ended by itself;
 * *status is the child's in both cases. */
static int wait_for(pid_t child, const sigset_t *set, int *status)
{
	int number = 0;

	while (waitpid(child, status, WNOHANG) == 0) {
		if (sigwait(set, &number) == 0 && number != SIGCHLD) {
			kill(child, SIGKILL);
			while (waitpid(child, status, 0) < 0 && errno == EINTR)
				;
			return number;
		}
	}
	return WIFSIGNALED(*status) ? WTERMSIG(*status) : 0;
}

static void end_by(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + number);
}

static void keep_watch(pid_t child, const char *folder, const sigset_t *set)
{
	int status = 0, number = wait_for(child, set, &status);

	(void)nftw(folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
	if (number)
		end_by(number);
	_exit(WEXITSTATUS(status));
}

enum err_code scratch_enter(char *pattern, struct err *err)
{
	pid_t parent = getpid(), child;
	sigset_t set, before;
	enum err_code rc = ERR_OK;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	add_unless_ignored(&set, SIGTERM);
	add_unless_ignored(&set, SIGINT);
	add_unless_ignored(&set, SIGHUP);
	fflush(NULL);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &before);
	if (!mkdtemp(pattern)) {
		rc = err_sys(err, "make the folder %s", pattern);
	} else if ((child = fork()) < 0) {
		rc = err_sys(err, "fork");
		rmdir(pattern);
	} else if (child > 0) {
		keep_watch(child, pattern, &set);
	} else {
		/* Nobody would clean up behind us. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(128 + SIGKILL);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}
