/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_CLI_H
#define ML_CLI_H

/*
 * cli: one file per command. Parses flags, runs the command, gives the exit
 * status of contract: 0 done, 1 it ran and something failed, 2 wrong usage,
 * 3 cannot work as configured. Data goes to stdout, everything else to stderr.
 */
int cli_main(int argc, char **argv);

#endif
