/* main.c - the command cundang. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	heap_start();
	return cli_main(argc, argv);
}
